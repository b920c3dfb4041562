// A control group of the test's own (cgroups of version 1, as containers often have them), below
// the root of one controller.
#pragma once

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/eventually.h"

namespace cpss {

class ControlGroup {
 public:
  // `controller`: "cpuset", "memory", "cpu". If the group cannot be made, made() is false.
  explicit ControlGroup(const std::string& controller)
      : folder_(std::filesystem::path("/sys/fs/cgroup") / controller /
                fmt::format("cpss-test-{}", ::getpid())) {
    std::error_code error;
    made_ = std::filesystem::create_directory(folder_, error);
  }
  // The kernel removes a group only after its last process has been reaped.
  ~ControlGroup() {
    EXPECT_TRUE(!made_ || eventually([this] { return ::rmdir(folder_.c_str()) == 0; }));
  }
  ControlGroup(const ControlGroup&) = delete;
  ControlGroup& operator=(const ControlGroup&) = delete;

  bool made() const { return made_; }
  std::string path(const std::string& file) const { return folder_ / file; }
  bool set(const std::string& file, const std::string& value) const {
    std::ofstream out(path(file));
    out << value << std::flush;
    return out.good();
  }
  std::string text(const std::string& file) const {
    std::ifstream in(path(file));
    std::string value;
    std::getline(in, value);
    return value;
  }
  // The command that runs `program` in the group, from its first instruction on.
  std::vector<std::string> run(const std::string& program) const {
    return {"/bin/sh", "-c", "echo $$ > \"$0\"; exec \"$@\"", path("tasks"), program};
  }

 private:
  const std::filesystem::path folder_;
  bool made_ = false;
};

}  // namespace cpss
