// The resources of the machine that this process may use: CPUs, CPU time, memory.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "stages/lane/cpu_set.h"

namespace cpss {

struct Machine {
  std::vector<unsigned> cpus;       // it may run on these, in ascending order; at least one
  std::optional<double> cpu_quota;  // of its control group (ControlGroups::cpu_quota())
  std::uint64_t memory_bytes = 0;   // 0: not known
  std::string memory_of;            // the source: "this machine has", "its control group may use"

  // How many lanes can run at once, if they may run on `usable` CPUs: at most the quota, rounded
  // down; at least one.
  unsigned at_once(std::size_t usable) const noexcept;
  unsigned at_once() const noexcept { return at_once(cpus.size()); }
  // Not even one lane can run all the time: CPU time that it wastes it lacks when it has work.
  bool less_than_one() const noexcept { return cpu_quota && *cpu_quota < 1; }
};

// Throws std::system_error if the kernel does not tell the CPUs. `proc`: where procfs is mounted;
// tests give another folder.
Machine this_machine(const std::string& proc = "/proc");

// Memory of this process, without what it shares with files of a disk, in bytes: RssAnon and
// RssShmem, number data for instance (proc_pid_status(5)). 0: not known.
std::uint64_t memory_in_use(const std::string& proc = "/proc");
// Addresses of this process that have a mapping, in bytes: VmSize. 0: not known.
std::uint64_t mapped_memory();

// The CPUs that sched_getaffinity(2) returns. Throws std::system_error.
std::vector<unsigned> usable_cpus();
// The same. `ask` takes the place of that call: it fills the set and returns 0, or an errno.
std::vector<unsigned> usable_cpus(const std::function<int(CpuSet&)>& ask);

}  // namespace cpss
