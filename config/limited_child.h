// Runs a function in a forked child with limited memory and time, which can open, start and reach
// nothing (sandbox.h), and returns its answer: for code that may crash, loop, eat memory or be
// taken over on hostile input.
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
  std::string failure;                // if there is no answer: `crashed (Segmentation fault)`
};

// `work` runs in a copy of the process, so its changes are lost. Call it before the process has a
// second thread: the copy has only the calling one, and a lock held by another would stay locked
// for ever. The child has ended when the call returns. Throws std::bad_alloc, and std::system_error
// if no child can be started: a limit of this process, which says nothing about the input.
ChildOutcome run_in_limited_child(const std::function<std::string()>& work,
                                  const ChildLimits& limits);

}  // namespace cpss
