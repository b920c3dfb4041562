#include "stages/lane/lane.h"

#include <atomic>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sched.h>

#include "tests/stages/run_in_child.h"
#include "tests/support/fake_socket.h"
#include "tests/support/threads.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;

Deadline in(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

// Has one message to move in each of its next `work` runs.
class CountingStep final : public Step {
 public:
  std::atomic<int> work{0};
  std::atomic<int> runs{0};
  std::atomic<int> waits_announced{0};

  RunResult run() noexcept override {
    ++runs;
    if (work.load() == 0) return {};
    --work;
    return has_moved(1);
  }
  void before_wait() noexcept override { ++waits_announced; }
};

// Waits for a token; ends the lane when the semaphore is closed.
class TokenWait final : public WaitPlace {
 public:
  std::atomic<int> waits{0};
  bool wait(const RunResult&) noexcept override {
    ++waits;
    return semaphore.take(1).status == TakeStatus::taken;
  }
  Semaphore semaphore;
};

TEST(Lane, RepeatsItsStepsUntilNoneFindsWorkThenWaits) {
  CountingStep first, second;
  first.work = 3;
  second.work = 5;
  TokenWait place;
  place.semaphore.post(2);
  place.semaphore.close();
  Lane lane({"test-0", {}}, {&first, &second}, place);
  lane.start();
  ASSERT_TRUE(lane.join(in(10s)));
  EXPECT_EQ(first.work + second.work, 0);
  // Six rounds, of which the last finds no work, and two more for the tokens. Each runs both steps.
  EXPECT_EQ(first.runs, 8);
  EXPECT_EQ(second.runs, 8);
  EXPECT_EQ(place.waits, 3);
  EXPECT_EQ(first.waits_announced, 3) << "what others could use is given up before each wait";
  EXPECT_EQ(second.waits_announced, 3);
}

// Says what it is told to say, once; then that there is nothing.
class SayingStep final : public Step {
 public:
  explicit SayingStep(const RunResult& result) : result_(result) {}
  RunResult run() noexcept override { return std::exchange(result_, {}); }

 private:
  RunResult result_;
};

// Keeps what it is told, and ends the lane.
class EndingPlace final : public WaitPlace {
 public:
  bool wait(const RunResult& last) noexcept override {
    told = last;
    return false;
  }
  RunResult told;
};

RunResult what_the_wait_is_told(const RunResult& first_says, const RunResult& second_says) {
  SayingStep first(first_says), second(second_says);
  EndingPlace place;
  Lane lane({"test-0", {}}, {&first, &second}, place);
  lane.run_here();
  return place.told;
}

TEST(Lane, WaitsAtOnceIfAStepHasToHoweverMuchWasMoved) {
  for (const Next next : {Next::need_slot, Next::coalesce}) {
    const RunResult waits{3, next};
    const RunResult both{7, next};
    EXPECT_EQ(what_the_wait_is_told(waits, has_moved(4)), both);
    EXPECT_EQ(what_the_wait_is_told(has_moved(4), waits), both);
  }
  EXPECT_EQ(what_the_wait_is_told(has_moved(3), has_moved(4)), RunResult{}) << "it runs again";
}

TEST(Lane, TheWaitIsToldOfRoomThatIsNeededToo) {
  FakeSocket full;
  const RunResult room{0, Next::need_room, &full};
  EXPECT_EQ(what_the_wait_is_told({}, room), room);
  EXPECT_EQ(what_the_wait_is_told({0, Next::need_slot}, room),
            (RunResult{0, Next::need_slot, &full}));
  EXPECT_EQ(what_the_wait_is_told({2, Next::again, &full}, {}), RunResult{}) << "it runs again";
}

TEST(Lane, JoinGivesUpAtItsDeadlineAndMayBeRepeated) {
  CountingStep step;
  TokenWait place;
  Lane lane({"test-0", {}}, {&step}, place);
  lane.start();
  EXPECT_FALSE(lane.join(in(20ms)));
  EXPECT_FALSE(lane.join(in(-1s)));
  place.semaphore.close();
  EXPECT_TRUE(lane.join(in(10s)));
  EXPECT_TRUE(lane.join(in(0s))) << "already joined";
}

TEST(Lane, OneThatWasNeverStartedIsJoined) {
  CountingStep step;
  TokenWait place;
  Lane lane({"test-0", {}}, {&step}, place);
  EXPECT_TRUE(lane.join(in(0s)));
}

TEST(Lane, NameAndCpusAreSeenFromOutside) {
  CountingStep step;
  TokenWait place;
  const unsigned cpu = test::first_allowed_cpu();
  Lane pinned({"fifteen-letters", {cpu}}, {&step}, place);
  Lane free({"svc-11", {}}, {&step}, place);
  pinned.start();
  free.start();
  const auto threads = test::threads_of(::getpid());
  place.semaphore.close();
  ASSERT_TRUE(pinned.join(in(10s)));
  ASSERT_TRUE(free.join(in(10s)));
  ASSERT_TRUE(threads.contains("fifteen-letters"));
  ASSERT_TRUE(threads.contains("svc-11"));
  EXPECT_EQ(threads.at("fifteen-letters").cpus, std::vector<unsigned>{cpu});
  EXPECT_EQ(threads.at("svc-11").cpus, test::allowed_cpus()) << "as the process";
}

// In its first run it notes the name, CPUs, policy and priority of its thread.
class LookingStep final : public Step {
 public:
  std::string name;
  std::vector<unsigned> cpus;
  int policy = -1;
  int priority = -1;

  RunResult run() noexcept override {
    if (policy >= 0) return {};
    char text[16] = {};
    pthread_getname_np(pthread_self(), text, sizeof text);
    name = text;
    cpus = test::allowed_cpus();
    sched_param parameters{};
    sched_getparam(0, &parameters);
    priority = parameters.sched_priority;
    policy = sched_getscheduler(0);
    return has_moved(1);
  }
};

LookingStep what_a_lane_sees(const LaneOptions& options) {
  LookingStep step;
  TokenWait place;
  place.semaphore.close();
  Lane lane(options, {&step}, place);
  lane.start();
  EXPECT_TRUE(lane.join(in(10s)));
  return step;
}

TEST(Lane, NameAndCpusAreRightFromItsFirstInstruction) {
  for (const unsigned cpu : test::allowed_cpus()) {
    const LookingStep step = what_a_lane_sees({"work-7", {cpu}});
    EXPECT_EQ(step.name, "work-7");
    EXPECT_EQ(step.cpus, std::vector<unsigned>{cpu});
    EXPECT_EQ(step.policy, SCHED_OTHER);
  }
  EXPECT_EQ(what_a_lane_sees({"all", {}}).cpus, test::allowed_cpus());
}

// A cpuset may shrink under a running server.
TEST(Lane, WithoutAnyOfItsCpusItRunsOnWhatThereIs) {
  const LookingStep none = what_a_lane_sees({"recv-0", {CPU_SETSIZE - 1}});
  EXPECT_EQ(none.name, "recv-0");
  EXPECT_EQ(none.cpus, test::allowed_cpus());
  const unsigned left = test::first_allowed_cpu();
  EXPECT_EQ(what_a_lane_sees({"recv-0", {left, CPU_SETSIZE - 1}}).cpus,
            std::vector<unsigned>{left});
}

// Calls `run`, which throws a system error that names the lane. Returns the errno; 0: it did not
// throw.
template <class Run>
int error_that_names(const std::string& lane, const Run& run) {
  try {
    run();
  } catch (const std::system_error& error) {
    EXPECT_NE(std::string(error.what()).find(lane), std::string::npos) << error.what();
    return error.code().value();
  }
  return 0;
}

TEST(Lane, APriorityThatDoesNotExistIsAnErrorThatNamesTheLane) {
  for (const std::vector<unsigned>& cpus : {std::vector<unsigned>{}, {CPU_SETSIZE - 1}}) {
    CountingStep step;
    TokenWait place;
    Lane lane({"recv-0", cpus, 100}, {&step}, place);
    EXPECT_EQ(error_that_names("recv-0", [&] { lane.start(); }), EINVAL);
    place.semaphore.close();
    EXPECT_TRUE(lane.join(in(10s))) << "the owner can still end it";
  }
}

TEST(Lane, RealTimeClassIsRightFromItsFirstInstruction) {
  if (!test::may_use_real_time()) GTEST_SKIP() << "needs the right to the real-time class";
  const unsigned cpu = test::first_allowed_cpu();
  const LookingStep step = what_a_lane_sees({"recv-0", {cpu}, 7});
  EXPECT_EQ(step.policy, SCHED_FIFO);
  EXPECT_EQ(step.priority, 7);
  EXPECT_EQ(step.cpus, std::vector<unsigned>{cpu});
  EXPECT_EQ(what_a_lane_sees({"svc-0", {}}).policy, SCHED_OTHER) << "only who asked for it";
}

// In a child process, since the right does not come back.
TEST(Lane, RealTimeClassThatIsNotPermittedIsAnErrorThatNamesTheLane) {
  test::run_in_child([] {
    test::give_up_real_time();
    CountingStep step;
    TokenWait place;
    Lane lane({"recv-0", {}, 7}, {&step}, place);
    EXPECT_EQ(error_that_names("recv-0", [&] { lane.start(); }), EPERM);
    EXPECT_TRUE(lane.join(in(0s))) << "nothing was started";
    EXPECT_EQ(step.runs, 0);
  });
}

// --- in the calling thread ---

TEST(Lane, RunHereRepeatsStepsUntilTheEndAndReturns) {
  CountingStep step;
  step.work = 3;
  TokenWait place;
  place.semaphore.post(1);
  place.semaphore.close();
  Lane lane({"proc-0", {}}, {&step}, place);
  lane.run_here();
  EXPECT_EQ(step.work, 0);
  EXPECT_EQ(place.waits, 2);
  EXPECT_TRUE(lane.join(in(0s))) << "there is no thread";
}

// In a child process, since the calling thread keeps the CPUs and the class.
TEST(Lane, RunHereGivesTheCallerItsCpusAndClass) {
  for (const bool real_time : {false, true}) {
    if (real_time && !test::may_use_real_time()) break;
    test::run_in_child([real_time] {
      const unsigned cpu = test::allowed_cpus().back();
      LookingStep step;
      TokenWait place;
      place.semaphore.close();
      Lane lane({"proc-0", {cpu}, real_time ? std::optional(7u) : std::nullopt}, {&step}, place);
      lane.run_here();
      EXPECT_EQ(step.cpus, std::vector<unsigned>{cpu});
      EXPECT_EQ(step.policy, real_time ? SCHED_FIFO : SCHED_OTHER);
    });
  }
}

TEST(Lane, RunHereWithoutAnyOfItsCpusRunsOnWhatThereIs) {
  test::run_in_child([] {
    LookingStep step;
    TokenWait place;
    place.semaphore.close();
    Lane lane({"proc-0", {CPU_SETSIZE - 1}}, {&step}, place);
    lane.run_here();
    EXPECT_EQ(step.cpus, test::allowed_cpus());
  });
}

TEST(Lane, RunHereWithWhatIsNotAllowedIsAnErrorThatNamesTheLaneAndRunsNothing) {
  test::run_in_child([] {
    test::give_up_real_time();
    for (const LaneOptions& options :
         {LaneOptions{"proc-0", {}, 100}, LaneOptions{"proc-0", {}, 7}}) {
      CountingStep step;
      TokenWait place;
      place.semaphore.close();
      Lane lane(options, {&step}, place);
      EXPECT_NE(error_that_names("proc-0", [&] { lane.run_here(); }), 0);
      EXPECT_EQ(step.runs, 0);
    }
  });
}

// --- the progress it shows ---

// Looks at the lane's progress from inside the lane.
class WatchedLane final : public Step, public WaitPlace {
 public:
  RunResult run() noexcept override {
    seen_in_step.push_back(progress.waiting());
    rounds_seen.push_back(progress.rounds());
    return {};
  }
  bool wait(const RunResult&) noexcept override {
    seen_in_wait.push_back(progress.waiting());
    return seen_in_wait.size() < 3;
  }

  LaneProgress progress;
  std::vector<bool> seen_in_step, seen_in_wait;
  std::vector<std::uint64_t> rounds_seen;
};

TEST(Lane, ShowsItsRoundsAndWhetherItWaits) {
  WatchedLane watched;
  EXPECT_TRUE(watched.progress.waiting()) << "it does not run";
  Lane lane({.name = "lane-0", .cpus = {}, .progress = &watched.progress}, {&watched}, watched);
  lane.run_here();
  EXPECT_EQ(watched.seen_in_wait, (std::vector<bool>{true, true, true}));
  EXPECT_EQ(watched.rounds_seen, (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(watched.seen_in_step, (std::vector<bool>{false, false, false}));
  EXPECT_TRUE(watched.progress.waiting()) << "it has ended";
  EXPECT_EQ(watched.progress.rounds(), 3u);
}

TEST(LaneDeathTest, LeavingARunningLaneBehindIsADefect) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        CountingStep step;
        TokenWait place;
        Lane lane({"test-0", {}}, {&step}, place);
        lane.start();
      },
      "a lane is joined before it goes");
}

}  // namespace
}  // namespace cpss
