// The control groups of this process, and the limits that they set (cgroups(7)): version 1, version
// 2, and both side by side, as far as they are mounted here. A group is under the limits of all
// that it is in.
//
// What cannot be found or read limits nothing. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cpss {

struct MemoryLimit {
  std::uint64_t bytes = 0;
  std::string set_by;  // the file that says so
};

class ControlGroups {
 public:
  // `proc`: where procfs is mounted, or what looks like it.
  explicit ControlGroups(const std::string& proc = "/proc");

  // The smallest: memory.max, or memory.limit_in_bytes.
  std::optional<MemoryLimit> memory_limit() const;
  // CPU time for each second, the smallest: cpu.max, or cpu.cfs_quota_us for cpu.cfs_period_us.
  // 1.5: one and a half CPUs. At least that, if the process is to be more than throttled.
  std::optional<double> cpu_quota() const;

 private:
  // The folders of the process's group and of all that it is in, in the hierarchy of `controller`.
  struct Folders {
    bool version_2;
    std::vector<std::string> paths;
  };
  std::vector<Folders> folders_of(const std::string& controller) const;

  struct Mount {
    std::string root;   // the group that is mounted, as `Membership::path` names it
    std::string point;  // where
    bool version_2;
    std::vector<std::string> controllers;
  };
  struct Membership {
    std::string path;
    bool version_2;
    std::vector<std::string> controllers;
  };
  std::vector<Mount> mounts_;
  std::vector<Membership> memberships_;
};

}  // namespace cpss
