#include "stages/service/deferred_work.h"

#include "stages/lane/batch_clock.h"

namespace cpss {

DeferredWork::DeferredWork(const Wiring& wiring, LaneContext& lane, StatsWriter& stats)
    : w_(wiring), stats_(stats), runner_({w_.store, w_.responses, 1}, lane, stats_) {}

void DeferredWork::process_one(LaneState* lane_state) noexcept {
  const WorkerQueue::Popped popped = w_.queue.pop();
  stats_.add(Counter::futex_wakes, popped.wakes);
  stats_.add(Counter::entered);
  BatchClock clock(stats_);
  const std::uint64_t published_ns = w_.store.header(popped.slot).published_ns;
  // Another CPU's clock may be a little behind ours.
  book_wait(stats_, clock.begin_ns() > published_ns ? clock.begin_ns() - published_ns : 0, 1);

  const MessageRef ref = w_.store.message_in(popped.slot);
  Message message = runner_.present(popped.slot);
  const bool it_threw = runner_.threw([&] { w_.service.process_deferred(message, lane_state); });
  runner_.apply_verdict(ref, message, it_threw);
  clock.end(runner_.finish(), 1);
}

}  // namespace cpss
