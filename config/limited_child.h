// Runs a function in a forked child whose memory and time are limited, which can open, start and
// reach nothing (sandbox.h), and brings back its answer: for code that may crash, loop, eat memory
// or be taken over on hostile input.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>

namespace cpss {

struct ChildLimits {
  std::size_t address_space_bytes;  // RLIMIT_AS; not in sanitizer builds, which map terabytes
  unsigned cpu_seconds;             // RLIMIT_CPU
  std::chrono::milliseconds wall_clock;
  std::size_t answer_bytes;  // a longer answer is a failure
};

struct ChildOutcome {
  std::optional<std::string> answer;  // what `work` returned, complete
  std::string failure;                // where there is no answer: `crashed (Segmentation fault)`
};

// `work` runs in a copy of the process, so what it changes is lost. Call it before the process has
// a second thread: the copy has only the calling one, and a lock held by another would stay locked
// for ever. No child is left behind. Throws std::bad_alloc, and std::system_error where no child
// can be started: a limit of this process, which says nothing about the input.
ChildOutcome run_in_limited_child(const std::function<std::string()>& work,
                                  const ChildLimits& limits);

}  // namespace cpss
