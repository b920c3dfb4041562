#include "server/machine.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <system_error>

#include "server/control_groups.h"

namespace cpss {
namespace {

// 0: not known. MemTotal of meminfo (proc_meminfo(5)) is in KiB, whatever it says.
std::uint64_t memory_in(const std::string& meminfo) {
  std::ifstream in(meminfo);
  std::string name;
  std::uint64_t kib = 0;
  while (in >> name) {
    if (name == "MemTotal:" && in >> kib) return kib * 1024;
    std::getline(in, name);
  }
  return 0;
}

int ask_kernel(CpuSet& set) {
  return sched_getaffinity(0, set.bytes(), set.get()) == 0 ? 0 : errno;
}

}  // namespace

unsigned Machine::at_once(std::size_t usable) const noexcept {
  const double most = std::min(static_cast<double>(usable), cpu_quota.value_or(HUGE_VAL));
  return std::max(static_cast<unsigned>(most), 1U);
}

// EINVAL: the set is smaller than the kernel's, whose size nobody tells. No kernel has more CPUs
// than the last that is tried.
std::vector<unsigned> usable_cpus(const std::function<int(CpuSet&)>& ask) {
  constexpr std::size_t kMost = std::size_t{1} << 20;
  for (std::size_t cpus = CPU_SETSIZE;; cpus *= 2) {
    CpuSet set(cpus);
    const int error = ask(set);
    if (error == 0) return set.members();
    if (error != EINVAL || cpus >= kMost)
      throw std::system_error(error, std::generic_category(), "sched_getaffinity");
  }
}

std::vector<unsigned> usable_cpus() {
  return usable_cpus(ask_kernel);
}

Machine this_machine(const std::string& proc) {
  Machine machine;
  machine.cpus = usable_cpus();
  const ControlGroups groups(proc);
  machine.cpu_quota = groups.cpu_quota();
  machine.memory_bytes = memory_in(proc + "/meminfo");
  machine.memory_of = "this machine has";
  if (const auto limit = groups.memory_limit();
      limit && (machine.memory_bytes == 0 || limit->bytes < machine.memory_bytes)) {
    machine.memory_bytes = limit->bytes;
    machine.memory_of = "its control group may use (" + limit->set_by + ")";
  }
  return machine;
}

}  // namespace cpss
