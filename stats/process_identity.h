// Which process a pid stands for, and whether it still runs. Any thread; nothing is kept.
#pragma once

#include <cstdint>

namespace cpss {

struct ProcessIdentity {
  std::uint64_t pid = 0;
  std::uint64_t start_ticks = 0;  // proc(5), /proc/pid/stat, field 22; 0: not known

  bool operator==(const ProcessIdentity&) const = default;
};

ProcessIdentity this_process();

// Whether that very process runs: not ended, not a zombie, not another one with the same pid. Where
// /proc does not show it (hidepid), a process with that pid is taken for it.
bool is_running(const ProcessIdentity& process);

}  // namespace cpss
