#include "server/daemon/machine.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <string_view>
#include <system_error>

#include "server/daemon/control_groups.h"

namespace cpss {
namespace {

// The value of a line `field: N kB` (proc(5)), which is in KiB although it says kB. 0: not known.
std::uint64_t bytes_in(const std::string& file, std::string_view field) {
  std::ifstream in(file);
  std::string name;
  std::uint64_t kib = 0;
  while (in >> name) {
    if (name == field && in >> kib) return kib * 1024;
    std::getline(in, name);
  }
  return 0;
}

int ask_kernel(CpuSet& set) {
  return sched_getaffinity(0, set.bytes(), set.get()) == 0 ? 0 : errno;
}

}  // namespace

unsigned Machine::at_once(std::size_t usable) const noexcept {
  const double max = std::min(static_cast<double>(usable), cpu_quota.value_or(HUGE_VAL));
  return std::max(static_cast<unsigned>(max), 1U);
}

// EINVAL: the set is smaller than the kernel's, whose size no call tells. No kernel has more CPUs
// than the last size tried.
std::vector<unsigned> usable_cpus(const std::function<int(CpuSet&)>& ask) {
  constexpr std::size_t kMax = std::size_t{1} << 20;
  for (std::size_t cpus = CPU_SETSIZE;; cpus *= 2) {
    CpuSet set(cpus);
    const int error = ask(set);
    if (error == 0) return set.members();
    if (error != EINVAL || cpus >= kMax)
      throw std::system_error(error, std::generic_category(), "sched_getaffinity");
  }
}

std::vector<unsigned> usable_cpus() {
  return usable_cpus(ask_kernel);
}

std::uint64_t memory_in_use(const std::string& proc) {
  const std::string status = proc + "/self/status";
  return bytes_in(status, "RssAnon:") + bytes_in(status, "RssShmem:");
}

std::uint64_t mapped_memory() {
  return bytes_in("/proc/self/status", "VmSize:");
}

Machine this_machine(const std::string& proc) {
  Machine machine;
  machine.cpus = usable_cpus();
  const ControlGroups groups(proc);
  machine.cpu_quota = groups.cpu_quota();
  machine.memory_bytes = bytes_in(proc + "/meminfo", "MemTotal:");
  machine.memory_of = "this machine has";
  if (const auto limit = groups.memory_limit();
      limit && (machine.memory_bytes == 0 || limit->bytes < machine.memory_bytes)) {
    machine.memory_bytes = limit->bytes;
    machine.memory_of = "its control group may use (" + limit->set_by + ")";
  }
  return machine;
}

}  // namespace cpss
