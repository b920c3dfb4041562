// Runs a program to its end, or until it is told to end, and keeps what it printed.
#pragma once

#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/stats/temporary_folder.h"

namespace cpss::test {

class RunningProgram {
 public:
  // `environment`: NAME=value, in addition to PATH. Standard output goes to `stdout_path` if given.
  RunningProgram(const std::string& program, std::vector<std::string> arguments,
                 std::vector<std::string> environment = {}, const std::string& stdout_path = "")
      : stdout_(stdout_path.empty() ? folder_.file("stdout") : stdout_path) {
    arguments.insert(arguments.begin(), program);
    environment.push_back("PATH=/usr/bin:/bin");
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    constexpr int kWrite = O_WRONLY | O_CREAT | O_TRUNC;
    ::posix_spawn_file_actions_addopen(&actions, 1, stdout_.c_str(), kWrite, 0600);
    ::posix_spawn_file_actions_addopen(&actions, 2, stderr_path().c_str(), kWrite, 0600);
    const int error = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr,
                                    pointers(arguments).data(), pointers(environment).data());
    ::posix_spawn_file_actions_destroy(&actions);
    EXPECT_EQ(error, 0) << program;
  }
  ~RunningProgram() {
    if (pid_ > 0 && !ended_) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;

  void signal(int number) { ::kill(pid_, number); }
  // The exit code, or 128 + the signal that ended it.
  int wait() {
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    ended_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string out() const { return read_file(stdout_); }
  std::string err() const { return read_file(stderr_path()); }

 private:
  static std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (std::string& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
  }
  std::string stderr_path() const { return folder_.file("stderr"); }

  TemporaryFolder folder_;
  std::string stdout_;
  pid_t pid_ = -1;
  bool ended_ = false;
};

}  // namespace cpss::test
