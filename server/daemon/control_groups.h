// The control groups of this process, and the limits that they set (cgroups(7)): version 1, version
// 2, and both side by side, as far as they are mounted here. The limits of all groups above a group
// hold for it, too.
//
// A limit that cannot be found or read counts as none. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cpss {

struct MemoryLimit {
  std::uint64_t bytes = 0;
  std::string set_by;  // the file with the limit
};

class ControlGroups {
 public:
  // `proc`: where procfs is mounted; tests give another folder.
  explicit ControlGroups(const std::string& proc = "/proc");

  // The smallest limit: memory.max, or memory.limit_in_bytes.
  std::optional<MemoryLimit> memory_limit() const;
  // The smallest quota of CPU time for each second: cpu.max, or cpu.cfs_quota_us for
  // cpu.cfs_period_us. 1.5: one and a half CPUs; the kernel throttles a process that uses more.
  std::optional<double> cpu_quota() const;

 private:
  // The folders of the process's group and of all groups above it, in the hierarchy of
  // `controller`.
  struct Folders {
    bool version_2;
    std::vector<std::string> paths;
  };
  std::vector<Folders> folders_of(const std::string& controller) const;

  struct Mount {
    std::string root;   // the group that is mounted, named as in `Membership::path`
    std::string point;  // where it is mounted
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
