#include "stages/service/deferred.h"

#include <span>

namespace cpss {

DeferredStep::DeferredStep(const Wiring& wiring, LaneContext& lane, StatsWriter stats,
                           const InlineDispatch& replies)
    : w_(wiring),
      lane_(lane),
      stats_(stats),
      consumer_(w_.queue, 1),
      work_(w_.work, lane, stats_, replies) {}

void DeferredStep::before_wait() noexcept {
  stats_.add(Counter::futex_wakes, consumer_.give_back());
}

bool DeferredStep::holds() const noexcept {
  return lane_.full == nullptr && w_.attendance.may_block();
}

RunResult DeferredStep::run() noexcept {
  const bool replies_first = lane_.full != nullptr || w_.work.responses.ready_guess() > 0;
  if (consumer_.empty_guess() || replies_first || !w_.attendance.begin_blocking()) return {};
  std::uint32_t slot = 0;
  const std::size_t taken = consumer_.try_take(std::span(&slot, 1));
  if (taken > 0) process(slot);
  w_.attendance.end_blocking();
  return has_moved(taken);
}

// Meanwhile the lane counts as asleep, and holds nothing that others could use.
void DeferredStep::process(std::uint32_t slot) noexcept {
  if (!consumer_.empty_guess()) w_.attendance.call();
  before_wait();
  stats_.add(Counter::futex_wakes, lane_.cache.give_all_back());
  w_.awake.note_asleep(w_.number);
  {
    const LongWait wait(lane_.progress);
    work_.process(slot, w_.lane_state);
  }
  w_.awake.note_awake(w_.number);
}

}  // namespace cpss
