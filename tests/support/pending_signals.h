// The signals that wait for a process, as /proc/PID/status shows them (proc(5)).
#pragma once

#include <fstream>
#include <string>

#include <sys/types.h>

namespace cpss::test {

// Whether the signal was sent to the process and none of its threads has taken it yet.
inline bool has_pending(pid_t process, int signal) {
  const std::string set = "ShdPnd:\t";
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(set))
      return (std::stoull(line.substr(set.size()), nullptr, 16) >> (signal - 1) & 1) != 0;
  return false;
}

}  // namespace cpss::test
