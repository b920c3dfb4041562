// A set of CPUs in the kernel's format, as large as needed: cpu_set_t ends at 1,024 (CPU_SET(3)).
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <vector>

#include <sched.h>

namespace cpss {

class CpuSet {
 public:
  // Empty, with room for the CPUs 0 to cpus - 1. Throws std::bad_alloc.
  explicit CpuSet(std::size_t cpus) : bytes_(CPU_ALLOC_SIZE(cpus)), set_(CPU_ALLOC(cpus)) {
    if (set_ == nullptr) throw std::bad_alloc();
    CPU_ZERO_S(bytes_, set_.get());
  }
  explicit CpuSet(const std::vector<unsigned>& cpus)
      : CpuSet(cpus.empty() ? 1 : std::size_t{*std::ranges::max_element(cpus)} + 1) {
    for (const unsigned cpu : cpus) CPU_SET_S(cpu, bytes_, set_.get());
  }

  std::size_t bytes() const noexcept { return bytes_; }
  cpu_set_t* get() noexcept { return set_.get(); }
  const cpu_set_t* get() const noexcept { return set_.get(); }
  // In ascending order.
  std::vector<unsigned> members() const {
    std::vector<unsigned> cpus;
    for (unsigned cpu = 0; cpu < 8 * bytes_; ++cpu)
      if (CPU_ISSET_S(cpu, bytes_, set_.get())) cpus.push_back(cpu);
    return cpus;
  }

 private:
  struct Free {
    void operator()(cpu_set_t* set) const noexcept { CPU_FREE(set); }
  };
  std::size_t bytes_;
  std::unique_ptr<cpu_set_t, Free> set_;
};

}  // namespace cpss
