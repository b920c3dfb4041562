// Which process a pid stands for, and whether it still runs. Any thread; nothing is kept.
#pragma once

#include <cstdint>

namespace cpss {

struct ProcessIdentity {
  std::uint64_t pid = 0;  // as the process sees itself
  // proc(5), /proc/PID/stat, field 22, in the initial time namespace; 0: not known.
  std::uint64_t start_ticks = 0;
  std::uint64_t pid_namespace = 0;  // the inode of /proc/PID/ns/pid; 0: not known

  bool operator==(const ProcessIdentity&) const = default;
};

ProcessIdentity this_process();

// The same for all processes of a PID namespace; 0 where /proc does not show it.
std::uint64_t this_pid_namespace() noexcept;

enum class Running : std::uint8_t {
  yes,
  no,       // ended, a zombie, or another process has the pid by now
  unknown,  // it is in another PID namespace than this process: its pid means nothing here
};

// Whether that very process runs. Where /proc does not show it (hidepid), a process with that pid
// is taken for it.
Running is_running(const ProcessIdentity& process);

}  // namespace cpss
