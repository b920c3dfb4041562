#include "stages/receive/leader.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <poll.h>

#include "base/clock.h"

namespace cpss {

void report_not_started(int error, StatsWriter& stats, EventRing& events,
                        LaneTroubles& troubles) noexcept {
  stats.add(Counter::thread_start_errors);
  events.report(EventKind::thread_not_started, error, std::strerror(error));
  troubles.failed(Trouble::thread_start, error);
}

void book_promotion(const Promotion& goes, StatsWriter& stats) noexcept {
  stats.add(Counter::futex_wakes, goes.wakes);
  if (goes.token == TokenGoes::passed || goes.token == TokenGoes::start)
    stats.add(Counter::handoffs);
}

// If all running lanes are full, this lane starts another one here. That takes as long as several
// messages, and no lane listens meanwhile.
TokenGoes PromotingStep::promote(std::uint32_t messages) noexcept {
  Promotion goes = seat_.token.promote(seat_.lane, messages, true);
  if (goes.token == TokenGoes::start) {
    const int error = seat_.start(goes.lane);
    if (error == 0) {
      seat_.token.start_succeeded();
      stats_.add(Counter::threads_started);
      lane_.troubles.over(Trouble::thread_start);
    } else {
      goes = seat_.token.start_failed(seat_.lane, goes.lane);
      if (error != ECANCELED) report_not_started(error, stats_, lane_.events, lane_.troubles);
    }
  }
  book_promotion(goes, stats_);
  return goes.token;
}

std::span<const std::uint32_t> PromotingStep::run_inline(std::span<const std::uint32_t> slots,
                                                         std::uint64_t begin_ns) noexcept {
  const TokenGoes goes = promote(static_cast<std::uint32_t>(slots.size()));
  // The time that promoting took is not booked on the next step.
  const std::span<const std::uint32_t> rest =
      next_.run_inline(slots, goes == TokenGoes::kept ? begin_ns : monotonic_ns());
  seat_.token.done(seat_.lane);
  return rest;
}

RunResult LeaderStep::run() noexcept {
  led_ = seat_.token.is_leader(seat_.lane);
  return led_ ? receive_.run() : RunResult{};
}

// The token may come at any time. If it has come since the last run, that run says nothing about
// the sockets: after the stop the lane would end although it has not emptied them.
bool LeaderWait::wait(const RunResult& last) noexcept {
  if (seat_.token.is_leader(seat_.lane)) return !w_.leading.led() || w_.datagrams.wait(last);
  if (w_.pool.free_slots().closed()) return false;
  const bool nothing_to_send = last.full == nullptr;
  if (stopping_ && nothing_to_send && seat_.token.close_for_good(seat_.lane)) return false;
  if (!seat_.token.prepare_sleep(seat_.lane)) return true;
  const bool something = sleep(last.full);
  if (seat_.token.woke(seat_.lane) || something || !nothing_to_send) return true;
  if (!seat_.token.try_end(seat_.lane)) return true;
  stats_.add(Counter::threads_ended);
  return false;
}

bool LeaderWait::sleep(const DatagramSocket* full) noexcept {
  std::array<pollfd, 3> events{{{w_.token_event, POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLOUT, 0}}};
  // The stop event stays readable: a lane that has seen it waits for the token, and ends without
  // it.
  if (!stopping_) events[1].fd = w_.stop_event;
  if (full != nullptr) events[2].fd = full->descriptor();
  const auto longest = full != nullptr ? std::min(w_.idle_end, kLongestForRoom) : w_.idle_end;
  const int ready = poll(events.data(), events.size(), static_cast<int>(longest.count()));
  stats_.add(Counter::syscalls);
  stats_.add(Counter::wait_calls);
  const bool failed = failed_waits_.pause_after(ready);
  stopping_ |= failed ? failed_waits_.saw_stop() : events[1].revents != 0;
  return ready != 0;
}

}  // namespace cpss
