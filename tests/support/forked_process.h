// A forked process that runs a function of the test, says when it is ready, and waits to be ended.
#pragma once

#include <cstdio>
#include <exception>
#include <functional>

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cpss {

class ForkedProcess {
 public:
  // Runs `body` in the child, which exits with its result, or with 99 if it throws. A test forks
  // before it starts threads, so `body` may use anything.
  explicit ForkedProcess(const std::function<int()>& body) : pid_(flush_and_fork()) {
    if (pid_ != 0) return;
    int code = 99;
    try {
      code = body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "child: %s\n", error.what());
    }
    ::_exit(code);
  }
  ~ForkedProcess() {
    if (!reaped_) {
      ::kill(pid_, SIGKILL);
      wait();
    }
  }
  ForkedProcess(const ForkedProcess&) = delete;
  ForkedProcess& operator=(const ForkedProcess&) = delete;

  pid_t pid() const { return pid_; }
  void kill() { ::kill(pid_, SIGKILL); }
  // Whether it has ended. Does not reap it.
  bool ended() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid_;
  }
  // Reaps it and returns its status, as waitpid(2) gives it.
  int wait() {
    int status = -1;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    reaped_ = true;
    return status;
  }
  // Reaps it and returns its exit code; -1 if a signal ended it.
  int exit_code() {
    const int status = wait();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  // Without the flush the child would print again what the parent has buffered.
  static pid_t flush_and_fork() {
    std::fflush(nullptr);
    return ::fork();
  }

  pid_t pid_;
  bool reaped_ = false;
};

// One process opens the gate when it has come so far, and another waits for that.
class ProcessGate {
 public:
  ProcessGate() {
    if (::pipe(ends_) != 0) ADD_FAILURE() << "pipe";
  }
  ~ProcessGate() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  ProcessGate(const ProcessGate&) = delete;
  ProcessGate& operator=(const ProcessGate&) = delete;

  void open() { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }
  // Whether it was opened, and no process has waited for it since.
  bool is_open() const {
    pollfd readable{ends_[0], POLLIN, 0};
    return ::poll(&readable, 1, 0) == 1;
  }
  void wait() {
    char byte = 0;
    EXPECT_EQ(::read(ends_[0], &byte, 1), 1);
  }

 private:
  int ends_[2] = {-1, -1};
};

// A child that makes something, says so, and lives until it is killed.
class LastingChild {
 public:
  // `body` gets a function that it calls when it is ready, and that does not return.
  explicit LastingChild(const std::function<void(const std::function<void()>& stay)>& body)
      : child_([&] {
          body([&] {
            ready_.open();
            for (;;) ::pause();
          });
          return 98;
        }) {
    ready_.wait();
  }

  pid_t pid() const { return child_.pid(); }
  void kill_and_reap() {
    child_.kill();
    child_.wait();
  }
  void kill_without_reaping() { child_.kill(); }

 private:
  ProcessGate ready_;
  ForkedProcess child_;
};

}  // namespace cpss
