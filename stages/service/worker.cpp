#include "stages/service/worker.h"

#include <utility>

#include "stages/lane/semaphore_clock.h"

namespace cpss {

WorkerStep::WorkerStep(Wiring wiring, LaneContext& lane, StatsWriter stats)
    : w_(wiring), stats_(stats), work_(w_.work, lane, stats_) {}

RunResult WorkerStep::run() noexcept {
  WorkerQueue& queue = w_.queue;
  if (w_.load != nullptr && !std::exchange(shown_, true)) w_.load->note_thread(w_.number);
  if (!std::exchange(claimed_, false) && !queue.try_claim()) return {};
  stats_.add(Counter::futex_wakes, w_.occupancy.enter([&] { return queue.ready_guess(); }));
  work_.process_one(queue, w_.lane_state);
  w_.occupancy.leave();
  return has_moved(1);
}

bool WorkerStep::wait() noexcept {
  const TakeResult result =
      book_wait_for(stats_, [&] { return w_.queue.wait(deadline_after(w_.longest)); });
  claimed_ = result.status == TakeStatus::taken;
  return result.status != TakeStatus::closed;
}

}  // namespace cpss
