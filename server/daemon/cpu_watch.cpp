#include "server/daemon/cpu_watch.h"

#include <algorithm>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "server/daemon/machine.h"

namespace cpss {
namespace {

constexpr std::uint64_t kIntervalNs = 1'000'000'000;

}  // namespace

CpuWatch::CpuWatch(const Assignment& assignment) {
  for (const LanePlan& plan : assignment.lanes) {
    lanes_.push_back({plan.transient ? std::vector<unsigned>{} : plan.cpus});
    asks_ |= !lanes_.back().cpus.empty();
  }
}

std::string CpuWatch::look(Scoreboard& scoreboard, std::uint64_t now_ns) {
  if (!asks_ || now_ns < next_ns_) return {};
  next_ns_ = now_ns + kIntervalNs;
  try {
    return look(scoreboard, usable_cpus());
  } catch (const std::system_error&) {
    return {};  // the kernel does not tell: no CPU is known to be gone
  }
}

std::string CpuWatch::look(Scoreboard& scoreboard, const std::vector<unsigned>& usable) {
  const auto may_use = [&usable](unsigned cpu) {
    return std::ranges::find(usable, cpu) != usable.end();
  };
  std::string first;
  std::size_t others = 0;
  for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
    Lane& of = lanes_[lane];
    if (of.cpus.empty()) continue;
    const bool gone = std::ranges::none_of(of.cpus, may_use);
    if (gone == of.gone) continue;
    of.gone = gone;
    if (!gone) {
      scoreboard.troubles(lane).over(Trouble::cpus);
      continue;
    }
    scoreboard.troubles(lane).failed(Trouble::cpus);
    if (!first.empty())
      ++others;
    else
      first = fmt::format("{} (given: {})", scoreboard.name(lane), fmt::join(of.cpus, ","));
  }
  if (first.empty()) return {};
  if (others > 0) first += fmt::format(" and {} more", others);
  return fmt::format(
      "{}: none of the CPUs given may be used any more; these are used instead: {}. Give the "
      "process "
      "its CPUs back (cpuset, taskset), or restart it with others",
      first, fmt::join(usable, ","));
}

}  // namespace cpss
