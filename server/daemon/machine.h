// What this process may use of the machine: CPUs, CPU time, memory.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "stages/lane/cpu_set.h"

namespace cpss {

struct Machine {
  std::vector<unsigned> cpus;       // that it may run on, rising; at least one
  std::optional<double> cpu_quota;  // of its control group (ControlGroups::cpu_quota())
  std::uint64_t memory_bytes = 0;   // 0: not known
  std::string memory_of;            // who says so: "this machine has", "the control group may use"

  // How many lanes can run at once, of those that may run on `usable` CPUs: at most the quota,
  // rounded down; at least one.
  unsigned at_once(std::size_t usable) const noexcept;
  unsigned at_once() const noexcept { return at_once(cpus.size()); }
  // Not even one can run all the time: what it wastes it lacks when there is something to do.
  bool less_than_one() const noexcept { return cpu_quota && *cpu_quota < 1; }
};

// Throws std::system_error if the kernel does not tell the CPUs. `proc`: where procfs is mounted,
// or what looks like it.
Machine this_machine(const std::string& proc = "/proc");

// Of this process, without what it shares with files: RssAnon (proc_pid_status(5)). 0: not known.
std::uint64_t memory_in_use(const std::string& proc = "/proc");

// As sched_getaffinity(2) says. Throws std::system_error.
std::vector<unsigned> usable_cpus();
// The same. `ask` stands for it: fills the set and returns 0, or an errno.
std::vector<unsigned> usable_cpus(const std::function<int(CpuSet&)>& ask);

}  // namespace cpss
