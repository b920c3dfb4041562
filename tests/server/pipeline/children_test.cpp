#include "server/pipeline/children.h"

#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <future>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/exit_codes.h"
#include "tests/support/eventually.h"
#include "tests/support/forked_process.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;

[[noreturn]] void stay() {
  for (;;) ::pause();
}

// A pipe that stays open as long as any process has its writing end.
class LifeLine {
 public:
  LifeLine() { EXPECT_EQ(pipe(ends_), 0); }
  ~LifeLine() {
    for (int& end : ends_) close_end(end);
  }
  LifeLine(const LifeLine&) = delete;
  LifeLine& operator=(const LifeLine&) = delete;

  void let_go() { close_end(ends_[1]); }
  void say(char byte) const { EXPECT_EQ(write(ends_[1], &byte, 1), 1); }
  // 0: all processes that held it have ended; -1: nothing has happened for 20 s.
  char listen() const {
    pollfd readable{ends_[0], POLLIN, 0};
    char byte = 0;
    if (poll(&readable, 1, 20'000) != 1) return -1;
    return read(ends_[0], &byte, 1) == 1 ? byte : '\0';
  }

 private:
  static void close_end(int& end) {
    if (end >= 0) close(std::exchange(end, -1));
  }
  int ends_[2] = {-1, -1};
};

using HowEnded = std::pair<int, int>;  // exit code and signal
constexpr HowEnded kWell{0, 0};
constexpr HowEnded kKilled{0, SIGKILL};

class ChildrenTest : public testing::Test {
 protected:
  ~ChildrenTest() override {
    children_.kill_all();
    EXPECT_TRUE(reap_all());
  }
  void start(std::size_t place, const std::function<void()>& body,
             Outlives outlives = Outlives::no) {
    ASSERT_EQ(children_.start(place, "child", outlives, body), 0);
  }
  void reap() {
    children_.reap([this](std::size_t place, ProcessEnd end) {
      EXPECT_EQ(end.well(), end.exit_code == 0 && end.signal == 0);
      EXPECT_TRUE(ended_.emplace(place, std::pair(end.exit_code, end.signal)).second)
          << place << " twice";
    });
  }
  // Reaps until no child runs.
  bool reap_all() {
    return eventually(
        [this] {
          reap();
          return children_.running() == 0;
        },
        20s, 1ms);
  }

  Children children_;
  std::map<std::size_t, HowEnded> ended_;  // by place
};

TEST_F(ChildrenTest, WithoutChildrenThereIsNothingToReapOrKill) {
  EXPECT_EQ(children_.running(), 0u);
  reap();
  children_.kill_all();
  EXPECT_TRUE(ended_.empty());
}

TEST_F(ChildrenTest, EachEndIsToldOnceWithItsPlaceAndWhetherItWasGood) {
  start(3, [] {});
  start(5, [] { throw std::runtime_error("no"); });
  start(7, [] { ::_exit(3); });
  start(9, [] { ::raise(SIGKILL); });
  EXPECT_EQ(children_.running(), 4u) << "until they are reaped";
  ASSERT_TRUE(reap_all());
  EXPECT_EQ(ended_, (std::map<std::size_t, HowEnded>{
                        {3, kWell}, {5, {kExitInternal, 0}}, {7, {3, 0}}, {9, kKilled}}));
  ended_.clear();
  reap();
  EXPECT_TRUE(ended_.empty());
}

TEST_F(ChildrenTest, APlaceIsFreeAgainAfterItsEnd) {
  for (const bool well : {true, false, true}) {
    start(2, [well] {
      if (!well) throw std::runtime_error("no");
    });
    ASSERT_TRUE(reap_all());
    EXPECT_EQ(ended_, (std::map<std::size_t, HowEnded>{{2, {well ? 0 : kExitInternal, 0}}}));
    ended_.clear();
  }
}

TEST_F(ChildrenTest, WhatRunsIsNotReaped) {
  LifeLine line;
  start(1, [&] {
    line.say('x');
    stay();
  });
  EXPECT_EQ(line.listen(), 'x');
  reap();
  EXPECT_EQ(children_.running(), 1u);
  EXPECT_TRUE(ended_.empty());
}

TEST_F(ChildrenTest, TheChildIsACopyWithItsNameAndEndsWithoutWhatIsTheParents) {
  struct Loud {
    const LifeLine& line;
    ~Loud() { line.say('!'); }
  };
  LifeLine line;
  {
    const Loud parents{line};
    int seen = 1;
    start(1, [&] {
      char name[16] = {};
      prctl(PR_GET_NAME, name);
      if (seen++ != 1 || std::strcmp(name, "child") != 0) throw std::runtime_error("no");
    });
    ASSERT_TRUE(reap_all());
    EXPECT_EQ(seen, 1);
  }
  EXPECT_EQ(ended_.at(1), kWell);
  EXPECT_EQ(line.listen(), '!');
  line.let_go();
  EXPECT_EQ(line.listen(), '\0') << "the child has run the parent's destructors";
}

TEST_F(ChildrenTest, KillAllKillsThemAll) {
  for (std::size_t place = 0; place < 3; ++place) start(place, stay);
  children_.kill_all();
  EXPECT_EQ(children_.running(), 3u) << "they are still to be reaped";
  ASSERT_TRUE(reap_all());
  EXPECT_EQ(ended_, (std::map<std::size_t, HowEnded>{{0, kKilled}, {1, kKilled}, {2, kKilled}}));
}

// They end before ours, so that they are in front of them when somebody waits for any.
TEST_F(ChildrenTest, ProcessesOfOthersAreLeftToThem) {
  const pid_t other = ::fork();
  if (other == 0) ::_exit(7);
  siginfo_t seen{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(other), &seen, WEXITED | WNOWAIT), 0);
  for (std::size_t place = 1; place <= 3; ++place) start(place, [] {});
  ASSERT_TRUE(reap_all());
  EXPECT_EQ(ended_.size(), 3u);
  int status = 0;
  ASSERT_EQ(::waitpid(other, &status, WNOHANG), other) << "it was reaped along with ours";
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

// --- while others are being started ---

std::function<void()> before_fork;
std::function<void()> after_fork;  // in the parent, before fork(2) returns

// Runs these functions at each fork until it is destroyed.
class AtFork {
 public:
  explicit AtFork(std::function<void()> before, std::function<void()> after = {}) {
    static const int error = pthread_atfork(
        [] {
          if (before_fork) before_fork();
        },
        [] {
          if (after_fork) after_fork();
        },
        nullptr);
    EXPECT_EQ(error, 0);
    before_fork = std::move(before);
    after_fork = std::move(after);
  }
  ~AtFork() { before_fork = after_fork = nullptr; }
  AtFork(const AtFork&) = delete;
  AtFork& operator=(const AtFork&) = delete;
};

TEST_F(ChildrenTest, NobodyWaitsForAFork) {
  std::future<std::size_t> other;
  bool in_time = false;
  const AtFork at_fork([&] {
    other = std::async(std::launch::async,
                       [this] { return children_.runs(1) ? children_.running() : 0; });
    in_time = other.wait_for(5s) == std::future_status::ready;
  });
  start(1, [] {});
  EXPECT_TRUE(in_time) << "a thread that asks for the children waits until the fork is over";
  EXPECT_EQ(other.get(), 1u) << "the one that is being started counts";
}

TEST_F(ChildrenTest, OneThatIsBeingStartedIsKilledWithTheOthers) {
  const AtFork at_fork([this] { children_.kill_all(); });
  start(1, stay);
  ASSERT_TRUE(reap_all());
  EXPECT_EQ(ended_.at(1), kKilled);
}

TEST_F(ChildrenTest, NoEndIsLostOfThoseThatEndBeforeTheirStartIsOver) {
  constexpr std::size_t kStarts = 200;
  std::atomic<bool> done = false;
  std::thread starter([&] {
    for (std::size_t place = 0; place < kStarts; ++place)
      start(
          place, [] {}, Outlives::yes);
    done = true;
  });
  while (!done) reap();
  starter.join();
  ASSERT_TRUE(reap_all());
  EXPECT_EQ(ended_.size(), kStarts);
}

// Its own SIGCHLD is spent: without another one main would reap it only at the next end or tick.
TEST_F(ChildrenTest, OneThatEndsBeforeItsStartIsOverIsAnnouncedAgain) {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &child, &before);
  const auto announced = [&child](int seconds) {
    const timespec patience{seconds, 0};
    return sigtimedwait(&child, nullptr, &patience) == SIGCHLD;
  };
  const AtFork at_fork({}, [&] {
    EXPECT_TRUE(announced(20));
    reap();
    EXPECT_TRUE(ended_.empty()) << "its pid is not written down yet";
  });
  start(1, [] {});
  EXPECT_TRUE(announced(20));
  reap();
  EXPECT_EQ(ended_.count(1), 1u);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// --- the end of the thread or process that has started a child ---

TEST_F(ChildrenTest, AChildEndsWithTheThreadThatHasStartedIt) {
  LifeLine line;
  std::thread starter([&] {
    start(1, [&] {
      line.say('x');
      stay();
    });
    EXPECT_EQ(line.listen(), 'x');
  });
  starter.join();
  EXPECT_TRUE(reap_all());
  EXPECT_EQ(ended_.at(1), kKilled);
}

TEST_F(ChildrenTest, OneThatMayOutliveItsThreadGoesOn) {
  ProcessGate gate;
  LifeLine line;
  std::thread starter([&] {
    start(
        1,
        [&] {
          gate.wait();
          line.say('x');
        },
        Outlives::yes);
  });
  starter.join();
  gate.open();
  EXPECT_EQ(line.listen(), 'x');
  ASSERT_TRUE(reap_all());
  EXPECT_EQ(ended_.at(1), kWell);
}

TEST_F(ChildrenTest, AChildEndsWithTheProcessThatHasStartedIt) {
  LifeLine line;
  LastingChild parent([&](const std::function<void()>& parent_stays) {
    Children grandchildren;
    grandchildren.start(0, "grandchild", Outlives::no, [&] {
      line.say('x');
      stay();
    });
    line.let_go();
    parent_stays();
  });
  line.let_go();
  EXPECT_EQ(line.listen(), 'x');
  parent.kill_and_reap();
  EXPECT_EQ(line.listen(), '\0') << "it lives on";
}

}  // namespace
}  // namespace cpss
