#include "stages/service/deferred_work.h"

#include "stages/lane/batch_clock.h"

namespace cpss {

DeferredWork::DeferredWork(const Wiring& wiring, LaneContext& lane, StatsWriter& stats,
                           std::optional<InlineDispatch> inline_dispatch)
    : w_(wiring),
      stats_(stats),
      runner_({w_.store, w_.responses, 1}, lane, stats_, inline_dispatch) {}

void DeferredWork::process_one(WorkerQueue& queue, LaneState* lane_state) noexcept {
  const WorkerQueue::Popped popped = queue.pop();
  stats_.add(Counter::futex_wakes, popped.wakes);
  process(popped.slot, lane_state);
}

void DeferredWork::process(std::uint32_t slot, LaneState* lane_state) noexcept {
  stats_.add(Counter::entered);
  BatchClock clock(stats_);
  const std::uint64_t published_ns = w_.store.header(slot).published_ns;
  // Another CPU's clock may be a little behind ours.
  book_wait(stats_, clock.begin_ns() > published_ns ? clock.begin_ns() - published_ns : 0, 1);

  const MessageRef ref = w_.store.message_in(slot);
  Message message = runner_.present(slot);
  const bool it_threw = runner_.threw([&] { w_.service.process_deferred(message, lane_state); });
  runner_.apply_verdict(ref, message, it_threw);
  clock.end(runner_.finish(), 1);
}

}  // namespace cpss
