// One thread's share of a schedule, gone through in order: every `stride`-th message from `first`
// on, so that the threads of a run are out of phase and their messages are evenly spread together.
//
// One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "tools/udpblast/schedule.h"

namespace cpss::udpblast {

struct PlanShare {
  Schedule schedule;
  std::uint64_t end = 0;     // messages of the whole run
  std::uint32_t first = 0;   // this thread's number
  std::uint32_t stride = 1;  // threads
};

class Pacer {
 public:
  // `start_ns`: monotonic_ns() at the beginning of the run.
  Pacer(const PlanShare& share, std::uint64_t start_ns) noexcept
      : share_(share), start_ns_(start_ns), next_(share.first) {}

  bool done() const noexcept { return next_ >= share_.end; }
  // The message that is `ahead` after the next one of this thread, and when it is planned.
  std::uint64_t message(std::size_t ahead = 0) const noexcept {
    return next_ + ahead * share_.stride;
  }
  std::uint64_t planned_ns(std::size_t ahead = 0) const noexcept {
    return start_ns_ + share_.schedule.planned_ns(message(ahead));
  }
  // How many of the next messages are due, at most `max`.
  std::size_t due(std::uint64_t now_ns, std::size_t max) const noexcept {
    if (now_ns < start_ns_) return 0;
    const std::uint64_t due_end = std::min(share_.end, share_.schedule.due_by(now_ns - start_ns_));
    return static_cast<std::size_t>(std::min<std::uint64_t>(max, from(next_, due_end)));
  }
  void advance(std::size_t count) noexcept { next_ += count * share_.stride; }

  // Nothing that is due after `at_ns` belongs to the plan any more.
  void cut(std::uint64_t at_ns) noexcept {
    const std::uint64_t due_end = at_ns < start_ns_ ? 0 : share_.schedule.due_by(at_ns - start_ns_);
    share_.end = std::min(share_.end, std::max(due_end, next_));
  }
  // Messages of this thread: all that are planned, and those that are still to come.
  std::uint64_t planned() const noexcept { return from(share_.first, share_.end); }
  std::uint64_t left() const noexcept { return from(next_, share_.end); }

 private:
  std::uint64_t from(std::uint64_t message, std::uint64_t end) const noexcept {
    return message >= end ? 0 : (end - message + share_.stride - 1) / share_.stride;
  }

  PlanShare share_;
  std::uint64_t start_ns_;
  std::uint64_t next_;
};

}  // namespace cpss::udpblast
