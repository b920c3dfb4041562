// Reads made-up folders: procfs and cgroupfs as they look on hosts and in containers.
#include "server/daemon/control_groups.h"

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "server/daemon/machine.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

class ControlGroupsTest : public testing::Test {
 protected:
  ControlGroupsTest() { std::filesystem::create_directories(proc_ + "/self"); }

  // `groups`: the content of /proc/self/cgroup.
  void process_is_in(const std::string& groups) const {
    write_file(proc_ + "/self/cgroup", groups);
  }
  // The hierarchy of `super_options` is mounted at mount(name), from `root` on.
  void mounted(const std::string& name, const std::string& root, const std::string& type,
               const std::string& super_options) {
    std::filesystem::create_directories(mount(name));
    mounts_ += "31 23 0:28 " + root + " " + mount(name) + " rw,relatime shared:9 - " + type + " " +
               type + " " + super_options + "\n";
    write_file(proc_ + "/self/mountinfo",
               "23 1 8:1 / / rw,relatime - ext4 /dev/root rw\n" + mounts_);
  }
  std::string mount(const std::string& name) const { return folder_.file(name); }
  void set(const std::string& file, const std::string& value) const {
    std::filesystem::create_directories(std::filesystem::path(folder_.file(file)).parent_path());
    write_file(folder_.file(file), value + "\n");
  }
  ControlGroups groups() const { return ControlGroups(proc_); }

  const TemporaryFolder folder_;
  const std::string proc_ = folder_.file("proc");

 private:
  std::string mounts_;
};

TEST_F(ControlGroupsTest, WithoutAnythingThereIsNoLimit) {
  EXPECT_EQ(groups().memory_limit(), std::nullopt);
  EXPECT_EQ(groups().cpu_quota(), std::nullopt);
  EXPECT_EQ(ControlGroups("/nowhere").cpu_quota(), std::nullopt);
}

TEST_F(ControlGroupsTest, OfNestedGroupsOfVersion2TheSmallestLimitCounts) {
  process_is_in("0::/system.slice/cpss.service\n");
  mounted("cgroup", "/", "cgroup2", "rw,nsdelegate");
  set("cgroup/system.slice/cpss.service/memory.max", "max");
  set("cgroup/system.slice/cpss.service/cpu.max", "max 100000");
  EXPECT_EQ(groups().memory_limit(), std::nullopt);
  EXPECT_EQ(groups().cpu_quota(), std::nullopt);

  set("cgroup/system.slice/memory.max", "104857600");
  set("cgroup/system.slice/cpu.max", "150000 100000");
  EXPECT_EQ(groups().memory_limit().value().bytes, 104857600u);
  EXPECT_EQ(groups().memory_limit().value().set_by, mount("cgroup") + "/system.slice/memory.max");
  EXPECT_EQ(groups().cpu_quota(), 1.5);

  set("cgroup/system.slice/cpss.service/memory.max", "52428800");
  set("cgroup/system.slice/cpss.service/cpu.max", "20000 40000");
  EXPECT_EQ(groups().memory_limit().value().bytes, 52428800u);
  EXPECT_EQ(groups().cpu_quota(), 0.5);

  // Limits of other groups, and of groups below, do not count.
  set("cgroup/system.slice/other.service/memory.max", "1");
  set("cgroup/system.slice/cpss.service/below/cpu.max", "1 100000");
  EXPECT_EQ(groups().memory_limit().value().bytes, 52428800u);
  EXPECT_EQ(groups().cpu_quota(), 0.5);
}

TEST_F(ControlGroupsTest, OfVersion1EachControllerHasItsOwnHierarchy) {
  process_is_in("12:memory:/a/b\n5:cpu,cpuacct:/c:d\n1:name=systemd:/\n");
  mounted("mem", "/", "cgroup", "rw,memory");
  mounted("cpu", "/", "cgroup", "rw,cpu,cpuacct");
  mounted("systemd", "/", "cgroup", "rw,xattr,name=systemd");
  set("mem/memory.limit_in_bytes", "9223372036854771712");
  set("mem/a/memory.limit_in_bytes", "300");
  set("mem/a/b/memory.limit_in_bytes", "400");
  set("cpu/cpu.cfs_quota_us", "-1");
  set("cpu/cpu.cfs_period_us", "100000");
  set("cpu/c:d/cpu.cfs_quota_us", "250000");
  set("cpu/c:d/cpu.cfs_period_us", "100000");
  EXPECT_EQ(groups().memory_limit().value().bytes, 300u);
  EXPECT_EQ(groups().cpu_quota(), 2.5);
}

// Version 1 with an empty version 2 beside it, as systemd mounts it.
TEST_F(ControlGroupsTest, BothVersionsSideBySide) {
  process_is_in("4:memory:/group\n0::/user.slice\n");
  mounted("mem", "/", "cgroup", "rw,memory");
  mounted("unified", "/", "cgroup2", "rw");
  set("mem/group/memory.limit_in_bytes", "700");
  set("unified/user.slice/cpu.max", "100000 50000");
  EXPECT_EQ(groups().memory_limit().value().bytes, 700u);
  EXPECT_EQ(groups().cpu_quota(), 2.0);
}

TEST_F(ControlGroupsTest, InAContainerTheMountBeginsAtItsGroup) {
  process_is_in("7:memory:/docker/abc/inner\n0::/\n");
  mounted("mem", "/docker/abc", "cgroup", "rw,memory");
  mounted("unified", "/", "cgroup2", "rw");
  set("mem/memory.limit_in_bytes", "500");
  set("mem/inner/memory.limit_in_bytes", "600");
  set("unified/cpu.max", "50000 100000");
  EXPECT_EQ(groups().memory_limit().value().bytes, 500u);
  EXPECT_EQ(groups().cpu_quota(), 0.5);
}

TEST_F(ControlGroupsTest, AGroupThatCannotBeSeenFromHereLimitsNothing) {
  process_is_in("7:memory:/docker/xyz\n0::/../outside\n");
  mounted("mem", "/docker/abc", "cgroup", "rw,memory");
  mounted("unified", "/", "cgroup2", "rw");
  set("mem/memory.limit_in_bytes", "500");
  set("unified/memory.max", "600");
  EXPECT_EQ(groups().memory_limit(), std::nullopt);
}

TEST_F(ControlGroupsTest, PlacesWithBlanksAreFound) {
  process_is_in("0::/\n");
  std::string escaped = mount("my groups");
  escaped.replace(escaped.find(' '), 1, "\\040");
  std::filesystem::create_directories(mount("my groups"));
  write_file(proc_ + "/self/mountinfo", "31 23 0:28 / " + escaped + " rw - cgroup2 cgroup2 rw\n");
  set("my groups/memory.max", "800");
  EXPECT_EQ(groups().memory_limit().value().bytes, 800u);
}

TEST_F(ControlGroupsTest, NonsenseLimitsNothing) {
  process_is_in("nonsense\n0:\n::\n0::/\n");
  mounted("cgroup", "/", "cgroup2", "rw");
  for (const char* nonsense : {"", "x", "-5", "12x", "99999999999999999999999999"}) {
    set("cgroup/memory.max", nonsense);
    EXPECT_EQ(groups().memory_limit(), std::nullopt) << nonsense;
  }
  for (const char* nonsense : {"", "100", "x 100000", "100 0", "100 x", "1 2 3"}) {
    set("cgroup/cpu.max", nonsense);
    EXPECT_EQ(groups().cpu_quota(), std::nullopt) << nonsense;
  }
}

TEST_F(ControlGroupsTest, AMachineHasWhatItHasOrWhatItsGroupMayUse) {
  write_file(proc_ + "/meminfo", "MemTotal:       16 kB\nMemFree:   8 kB\n");
  EXPECT_EQ(this_machine(proc_).memory_bytes, 16u * 1024);
  EXPECT_EQ(this_machine(proc_).memory_of, "this machine has");
  EXPECT_FALSE(this_machine(proc_).cpus.empty());
  process_is_in("0::/\n");
  mounted("cgroup", "/", "cgroup2", "rw");
  set("cgroup/memory.max", "1000000");
  EXPECT_EQ(this_machine(proc_).memory_bytes, 16u * 1024) << "more than there is";
  set("cgroup/memory.max", "1000");
  EXPECT_EQ(this_machine(proc_).memory_bytes, 1000u);
  EXPECT_EQ(this_machine(proc_).memory_of,
            "its control group may use (" + mount("cgroup") + "/memory.max)");
}

TEST(Machine, WhatItHasForTests) {
  EXPECT_GT(this_machine().memory_bytes, 0u);
}

TEST(Machine, RunsAsManyLanesAtOnceAsItsQuotaAllows) {
  Machine machine;
  machine.cpus = {0, 1, 5, 7};
  EXPECT_EQ(machine.at_once(), 4u);
  EXPECT_FALSE(machine.less_than_one());
  const auto expect = [&machine](double quota, unsigned lanes, bool less_than_one) {
    machine.cpu_quota = quota;
    EXPECT_EQ(machine.at_once(), lanes) << quota;
    EXPECT_EQ(machine.at_once(2), std::min(lanes, 2u)) << quota;
    EXPECT_EQ(machine.less_than_one(), less_than_one) << quota;
  };
  expect(0.5, 1, true);
  expect(1, 1, false);
  expect(1.99, 1, false);
  expect(3, 3, false);
  expect(64, 4, false);
}

// sched_getaffinity(2) refuses a set that is smaller than the kernel's number of CPUs.
TEST(Machine, OfMoreThan1024CpusAllAreFound) {
  for (const unsigned kernel_cpus : {64u, 1024u, 1025u, 8192u}) {
    const unsigned last = kernel_cpus - 1;
    const auto cpus = usable_cpus([&](CpuSet& set) {
      if (8 * set.bytes() < kernel_cpus) return EINVAL;
      CPU_SET_S(3, set.bytes(), set.get());
      CPU_SET_S(last, set.bytes(), set.get());
      return 0;
    });
    EXPECT_EQ(cpus, (std::vector<unsigned>{3, last}));
  }
}

TEST(Machine, AnErrorOfTheKernelIsToldAndDoesNotGoOnForEver) {
  for (const int error : {EINVAL, ENOSYS, EPERM})
    EXPECT_THROW(usable_cpus([error](CpuSet&) { return error; }), std::system_error);
}

}  // namespace
}  // namespace cpss
