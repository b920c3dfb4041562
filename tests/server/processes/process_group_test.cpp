// Processes that serve message after message, on loopback; their parent, the test, ticks as the
// server's main thread does.
#include "server/processes/process_group.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "services/echo.h"
#include "tests/server/live_pipeline.h"
#include "tests/server/processes/processes_fixture.h"
#include "tests/support/eventually.h"
#include "tests/support/failing_calls.h"
#include "tests/support/tracer.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using test::Client;
using test::LiveProcesses;

using Clock = std::chrono::steady_clock;

class ProcessGroupTest : public ProcessesTest {
 protected:
  // The process that answers one request; 0 if none answers within the client's patience.
  static pid_t who_answers(LiveProcesses& live, Client& client) {
    client.send(kWho, live.address());
    const auto replies = client.receive(1);
    return replies.empty() ? 0 : static_cast<pid_t>(std::stol(replies[0].text));
  }
  static bool lives(pid_t process) { return ::kill(process, 0) == 0; }
};

TEST_F(ProcessGroupTest, ProcessesOtherThanTheParentAnswer) {
  LiveProcesses live(service_, processes(ProcessUse::prefork));
  live.group().start();
  EXPECT_EQ(live.total("processes_started"), 3u);
  std::set<pid_t> seen;
  for (int i = 0; i < 50; ++i) seen.insert(who_answers(live, client_));
  EXPECT_FALSE(seen.contains(0)) << "a request without an answer";
  EXPECT_FALSE(seen.contains(::getpid()));
  EXPECT_LE(seen.size(), 3u);
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.ledger().received, 50u);
  EXPECT_EQ(live.total("processes_lost"), 0u);
  for (const pid_t process : seen) EXPECT_FALSE(lives(process));
}

TEST_F(ProcessGroupTest, AStormOfRequestsIsAnsweredByAll) {
  EchoService echo;
  LiveProcesses live(echo, processes(ProcessUse::prefork), 2);
  live.group().start();
  EXPECT_EQ(client_.ask(2000, live.addresses()), 2000u);
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.ledger().received, 2000u);
}

TEST_F(ProcessGroupTest, EachHasItsSocketsWithReuseport) {
  PipelineOptions options = processes(ProcessUse::prefork);
  options.sockets = SocketSharing::reuseport;
  LiveProcesses live(service_, options, 3);
  live.group().start();
  std::set<std::string> seen;
  for (const SocketAddress& to : live.addresses()) {
    for (int i = 0; i < 5; ++i) client_.send(kWho, to);
    std::set<std::string> of_socket;
    for (const test::Datagram& reply : client_.receive(5)) {
      EXPECT_EQ(reply.from, to);
      of_socket.insert(reply.text);
    }
    EXPECT_EQ(of_socket.size(), 1u);
    seen.merge(of_socket);
  }
  EXPECT_EQ(seen.size(), 3u);
  live.end_and_expect_at_rest();
}

TEST_F(ProcessGroupTest, FewerSlotsThanProcessesAreOneEach) {
  PipelineOptions options = processes(ProcessUse::prefork);
  options.slots = 1;
  LiveProcesses live(service_, options);
  live.group().start();
  for (int i = 0; i < 20; ++i) EXPECT_NE(who_answers(live, client_), 0);
  live.end_and_expect_at_rest();
}

TEST_F(ProcessGroupTest, OneThatIsKilledIsReplaced) {
  LiveProcesses live(service_, processes(ProcessUse::prefork));
  live.group().start();
  for (unsigned deaths = 1; deaths <= 5; ++deaths) {
    const pid_t process = who_answers(live, client_);
    ASSERT_GT(process, 0);
    // The process sends the reply before it books the message and gives the slot back.
    ASSERT_TRUE(live.wait_until_at_rest(2 * deaths - 1));
    ASSERT_EQ(::kill(process, SIGKILL), 0);
    ASSERT_TRUE(live.tick_until("processes_lost", deaths));
    EXPECT_EQ(live.total("processes_started"), 3u + deaths);
    EXPECT_FALSE(lives(process));
    EXPECT_NE(who_answers(live, client_), 0);
  }
  EXPECT_EQ(live.reason("failed.dead_process"), 0u) << "they held nothing";
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.total("processes_lost"), 5u);
  unsigned told = 0;
  live.group().scoreboard().take_events([&](const std::string& lane, const Event& event) {
    EXPECT_EQ(event.kind, EventKind::process_died);
    EXPECT_TRUE(lane.starts_with("proc-")) << lane;
    ++told;
  });
  EXPECT_EQ(told, 5u);
}

TEST_F(ProcessGroupTest, WhatOneHeldWhenItDiedIsBookedOnce) {
  LiveProcesses live(service_, processes(ProcessUse::prefork));
  live.group().start();
  for (unsigned deaths = 1; deaths <= 6; ++deaths) {
    client_.send("die", live.address());
    ASSERT_TRUE(live.tick_until("processes_lost", deaths));
    EXPECT_EQ(live.reason("failed.dead_process"), deaths);
    EXPECT_EQ(live.ledger().residual, 0);
    EXPECT_NE(who_answers(live, client_), 0) << "the others go on, and a new one";
    // The process sends the reply before it books the message.
    ASSERT_TRUE(live.wait_until_at_rest(2 * deaths));
  }
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.reason("answered"), 6u);
}

// If its lane counted as awake for good, no other lane would ever spin again.
TEST_F(ProcessGroupTest, OneThatDiedDoesNotCountAsAwake) {
  PipelineOptions options = processes(ProcessUse::prefork, 1);
  options.cpus = 1;
  LiveProcesses live(service_, options);
  live.group().start();
  for (unsigned deaths = 1; deaths <= 3; ++deaths) {
    client_.send("die", live.address());
    ASSERT_TRUE(live.tick_until("processes_lost", deaths));
  }
  EXPECT_NE(who_answers(live, client_), 0);
  EXPECT_TRUE(live.group().scoreboard().awake().have_a_cpu_each());
  live.end_and_expect_at_rest();
}

// Flags that all processes of a test see.
class SharedFlags {
 public:
  std::atomic<bool>& dies_at_start() { return flags()[0]; }
  std::atomic<bool>& dies_with_messages() { return flags()[1]; }

 private:
  std::atomic<bool>* flags() { return reinterpret_cast<std::atomic<bool>*>(memory_.data()); }
  Memory memory_{64, Sharing::process_shared};
};

// Echoes, unless it is told to die: at the start of a process, or with a message.
class DyingService final : public Service {
 public:
  std::unique_ptr<LaneState> make_lane_state() const override {
    // By a signal that no sanitizer takes for a defect.
    if (flags.dies_at_start()) ::raise(SIGTERM);
    return nullptr;
  }
  void process(std::span<Message> batch, LaneState*) override {
    if (flags.dies_with_messages()) ::raise(SIGKILL);
    for (Message& message : batch) message.reply_in_place(message.request().size());
  }

  mutable SharedFlags flags;
};

class DyingProcessesTest : public ProcessGroupTest {
 protected:
  DyingProcessesTest() {
    live_.group().start();
    first_ = children_of_all_threads();
  }
  ~DyingProcessesTest() override {
    // Also if the test has failed: else the processes would die as long as the end waits for them.
    dying_.flags.dies_at_start() = false;
    dying_.flags.dies_with_messages() = false;
    live_.end_and_expect_at_rest();
  }

  std::optional<LaneTroubles::Look> trouble(Trouble which, std::size_t lane = 0) {
    return live_.group().scoreboard().troubles(lane).look(which);
  }

  DyingService dying_;
  LiveProcesses live_{dying_, processes(ProcessUse::prefork, 2)};
  std::vector<pid_t> first_;
};

// Else processes that die at once would be started as fast as the machine can, and take all its
// time.
TEST_F(DyingProcessesTest, WhatDiesAtItsStartIsStartedLessAndLessOften) {
  ASSERT_EQ(first_.size(), 2u);
  dying_.flags.dies_at_start() = true;
  // The lanes count as awake, as if they were working.
  AwakeLanes& awake = live_.group().scoreboard().awake();
  for (const std::size_t lane : {0u, 1u}) awake.note_awake(lane);
  const auto begin = Clock::now();
  for (const pid_t child : first_) ::kill(child, SIGKILL);
  ASSERT_TRUE(live_.tick_until([&] { return awake.count() == 0; })) << "nobody is there";
  live_.tick_until([&] { return Clock::now() - begin >= 1500ms; });
  const std::uint64_t started = live_.total("processes_started");
  const auto time = Clock::now() - begin;
  EXPECT_GE(started, 2u + 2u);
  // A process that takes 100 ms to die is replaced at once, and the pauses begin anew: so each
  // place has at most four starts in 170 ms.
  EXPECT_LE(started, 2 + 2 * (max_failures_in(time) + static_cast<unsigned>(time / 40ms)));
  for (const std::size_t lane : {0u, 1u}) {
    ASSERT_TRUE(trouble(Trouble::process_death, lane));
    EXPECT_EQ(trouble(Trouble::process_death, lane)->number, SIGTERM);
  }
  dying_.flags.dies_at_start() = false;
  ASSERT_TRUE(live_.tick_until([&] {
    return !trouble(Trouble::process_death, 0) && !trouble(Trouble::process_death, 1);
  })) << "they get old";
  EXPECT_EQ(client_.ask(20, {live_.address()}), 20u);
  EXPECT_EQ(live_.ledger().residual, 0);
}

// A process that has counted a message is replaced at once, however often such messages come, since
// other messages may come, too.
TEST_F(DyingProcessesTest, WhatAMessageKillsIsFollowedAtOnce) {
  dying_.flags.dies_with_messages() = true;
  for (unsigned deaths = 1; deaths <= 30; ++deaths) {
    client_.send("x", live_.address());
    ASSERT_TRUE(live_.tick_until("processes_lost", deaths));
    live_.engine().tick();
    EXPECT_EQ(live_.total("processes_started"), 2 + deaths) << "without a pause";
  }
  dying_.flags.dies_with_messages() = false;
  EXPECT_EQ(live_.reason("failed.dead_process"), 30u);
}

// Both ways: a group whose processes die again and again, and answer nothing, is stuck; a group
// with a process that is killed now and then is not.
TEST_F(DyingProcessesTest, TheGroupIsStuckWhileAllDieAndNoMessageIsEnded) {
  LiveProcesses live(dying_, processes(ProcessUse::prefork, 1));
  live.group().start();
  const auto group = [&live] { return live.group().pulses().back(); };
  EXPECT_TRUE(group().waiting);
  std::this_thread::sleep_for(1100ms);
  for (const pid_t child : children_of_all_threads())
    if (std::ranges::find(first_, child) == first_.end()) ::kill(child, SIGKILL);
  ASSERT_TRUE(live.tick_until("processes_lost", 1));
  EXPECT_TRUE(group().waiting) << "it had got old";
  EXPECT_FALSE(live.group().scoreboard().troubles(0).look(Trouble::process_death));
  dying_.flags.dies_with_messages() = true;
  // A process that lives for a second because the machine is busy does not count.
  unsigned deaths = 1;
  const auto last_died_young = [&] {
    client_.send("x", live.address());
    return live.tick_until("processes_lost", ++deaths) && !group().waiting;
  };
  ASSERT_TRUE(eventually(last_died_young, 20s, 0ms));
  const LanePulse dying = group();
  EXPECT_TRUE(live.group().scoreboard().troubles(0).look(Trouble::process_death));
  EXPECT_NE(live.group().why_stuck(1).find("die"), std::string::npos);
  EXPECT_NE(live.group().why_stuck(0).find("proc-0"), std::string::npos);
  ASSERT_TRUE(eventually(last_died_young, 20s, 0ms)) << "and the next";
  EXPECT_EQ(group().rounds, dying.rounds) << "nothing was ended";
  dying_.flags.dies_with_messages() = false;
  EXPECT_EQ(client_.ask(1, {live.address()}), 1u);
  EXPECT_TRUE(live.tick_until([&] { return group().waiting; }));
  EXPECT_GT(group().rounds, dying.rounds);
  EXPECT_FALSE(live.group().scoreboard().troubles(0).look(Trouble::process_death));
  live.end_and_expect_at_rest();
}

// Else a process that never comes to its first round would count as one that waits.
TEST_F(DyingProcessesTest, OneThatHasNotComeToItsFirstRoundDoesNotCountAsWaiting) {
  class Sleeper final : public Service {
   public:
    std::unique_ptr<LaneState> make_lane_state() const override {
      while (flags.dies_at_start()) ::usleep(1000);
      return nullptr;
    }
    void process(std::span<Message>, LaneState*) override {}
    mutable SharedFlags flags;
  } sleeper;
  LiveProcesses live(sleeper, processes(ProcessUse::prefork, 1));
  live.group().start();
  sleeper.flags.dies_at_start() = true;
  const auto is_new = [this](pid_t child) {
    return std::ranges::find(first_, child) == first_.end();
  };
  const auto children = children_of_all_threads();
  ::kill(*std::ranges::find_if(children, is_new), SIGKILL);
  ASSERT_TRUE(live.tick_until("processes_started", 2));
  EXPECT_FALSE(live.group().pulses().front().waiting);
  sleeper.flags.dies_at_start() = false;
  EXPECT_TRUE(eventually([&] { return live.group().pulses().front().waiting; }));
  live.end_and_expect_at_rest();
}

// However long it lived before.
TEST_F(ProcessGroupTest, OneThatDiesBeforeItsFirstRoundHasDiedYoung) {
  class DiesLate final : public Service {
   public:
    std::unique_ptr<LaneState> make_lane_state() const override {
      if (!flags.dies_at_start()) return nullptr;
      std::this_thread::sleep_for(1100ms);
      ::raise(SIGTERM);
      return nullptr;
    }
    void process(std::span<Message>, LaneState*) override {}
    mutable SharedFlags flags;
  } service;
  LiveProcesses live(service, processes(ProcessUse::prefork, 1));
  live.group().start();
  service.flags.dies_at_start() = true;
  const LaneTroubles& troubles = live.group().scoreboard().troubles(0);
  for (const pid_t child : children_of_all_threads()) ::kill(child, SIGKILL);
  EXPECT_TRUE(live.tick_until("processes_lost", 2));
  EXPECT_TRUE(troubles.look(Trouble::process_death));
  EXPECT_FALSE(live.group().pulses().back().waiting);
  service.flags.dies_at_start() = false;
  EXPECT_TRUE(live.tick_until([&] { return !troubles.look(Trouble::process_death); }));
  EXPECT_TRUE(live.group().pulses().back().waiting);
  live.end_and_expect_at_rest();
}

TEST_F(DyingProcessesTest, TheEndEndsAPauseAtOnce) {
  dying_.flags.dies_at_start() = true;
  for (const pid_t child : first_) ::kill(child, SIGKILL);
  ASSERT_TRUE(live_.tick_until("processes_lost", 12));  // pauses of half a second by now
  const std::uint64_t started = live_.total("processes_started");
  dying_.flags.dies_at_start() = false;
  int looks = 0;
  EXPECT_TRUE(live_.group().end([&] {
    if (++looks == 1) {
      EXPECT_GT(live_.total("processes_started"), started) << "not after the pause";
    }
    return false;
  }));
}

TEST_F(ProcessGroupTest, WhereNoneOfTheirCpusIsLeftTheyRunOnWhatThereIs) {
  PipelineOptions options = processes(ProcessUse::prefork);
  options.receive.cpus = {CPU_SETSIZE - 1};
  LiveProcesses live(service_, options);
  live.group().start();
  const pid_t process = who_answers(live, client_);
  ASSERT_GT(process, 0);
  ASSERT_TRUE(live.wait_for("completed", 1));
  ::kill(process, SIGKILL);
  ASSERT_TRUE(live.tick_until("processes_started", 4));
  EXPECT_NE(who_answers(live, client_), 0);
  live.end_and_expect_at_rest();
}

// A process may die between any two of its stores: when it has said that it sleeps, but not yet
// that it waits, or the other way round. The count of awake lanes must be right in either case.
TEST_F(ProcessGroupTest, OneThatDiedBetweenItsTwoStoresLeavesTheCountRight) {
  LiveProcesses live(service_, processes(ProcessUse::prefork, 1));
  live.group().start();
  AwakeLanes& awake = live.group().scoreboard().awake();
  for (unsigned deaths = 1; deaths <= 4; ++deaths) {
    const pid_t process = who_answers(live, client_);
    ASSERT_GT(process, 0);
    ASSERT_TRUE(
        eventually([&] { return live.group().scoreboard().progress(0).waiting(); }, 20s, 1ms));
    // Undoes one of the two stores that the lane made in its wait place.
    if (deaths % 2 == 0)
      awake.note_awake(0);
    else
      live.group().scoreboard().progress(0).waits(false);
    ASSERT_EQ(::kill(process, SIGKILL), 0);
    ASSERT_TRUE(live.tick_until("processes_lost", deaths));
    ASSERT_TRUE(eventually([&] { return awake.count() == 0; }, 20s, 1ms)) << awake.count();
  }
  live.end_and_expect_at_rest();
}

TEST_F(ProcessGroupTest, TheEndAnswersWhatTheSocketsStillHold) {
  EchoService echo;
  LiveProcesses live(echo, processes(ProcessUse::prefork));
  for (int i = 0; i < 100; ++i) client_.send(std::to_string(i), live.address());
  live.group().start();
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.ledger().received, 100u);
  EXPECT_EQ(client_.receive(100).size(), 100u);
}

TEST_F(ProcessGroupTest, WhatTheNextServerIsToReadStaysInTheSockets) {
  PipelineOptions options = processes(ProcessUse::prefork, 1);
  options.stop_reading = true;
  options.slots = 1;
  LiveProcesses live(service_, options);
  live.group().start();
  client_.send("stay", live.address());
  ASSERT_TRUE(live.wait_for("received", 1));
  for (int i = 0; i < 10; ++i) client_.send(kWho, live.address());
  int asked = 0;
  EXPECT_FALSE(live.group().end([&] { return ++asked == 3; }));
  live.group().stop_receiving();
  ASSERT_TRUE(eventually([&] { return live.group().seize_all() == 1; }, 20s, 1ms));
  live.expect_at_rest();
  EXPECT_EQ(live.ledger().received, 1u);
}

TEST_F(ProcessGroupTest, AForcedEndKillsThemAndBooksWhatTheyHeld) {
  LiveProcesses live(service_, processes(ProcessUse::prefork));
  live.group().start();
  for (unsigned i = 1; i <= 3; ++i) {
    client_.send("stay", live.address());
    ASSERT_TRUE(live.wait_for("received", i));
  }
  int asked = 0;
  EXPECT_FALSE(live.group().end([&] { return ++asked == 3; }));
  EXPECT_EQ(asked, 3);
  live.group().stop_receiving();
  std::uint64_t seized = 0;
  ASSERT_TRUE(eventually([&] { return (seized += live.group().seize_all()) >= 3; }, 20s, 1ms));
  EXPECT_EQ(seized, 3u);
  EXPECT_EQ(live.reason("failed.forced_end"), 3u);
  EXPECT_EQ(live.group().seize_all(), 0u) << "nothing is told twice";
  EXPECT_EQ(live.total("processes_started"), 3u) << "no other ones for them";
  EXPECT_EQ(live.total("processes_lost"), 0u) << "they did not end by themselves";
  live.end_and_expect_at_rest();
}

// The process reads the socket alone: no other one takes the datagrams in it.
TEST_F(ProcessGroupTest, OneThatDiesInTheDrainIsReplacedAndItsSocketIsEmptied) {
  PipelineOptions options = processes(ProcessUse::prefork, 1);
  options.slots = 1;
  LiveProcesses live(service_, options);
  live.group().start();
  const pid_t process = who_answers(live, client_);
  ASSERT_GT(process, 0);
  client_.send("stay", live.address());
  ASSERT_TRUE(live.wait_for("received", 2));
  for (int i = 0; i < 20; ++i) client_.send(kWho, live.address());
  int asked = 0;
  EXPECT_TRUE(live.group().end([&] {
    if (++asked == 2) ::kill(process, SIGKILL);
    return false;
  }));
  live.expect_at_rest();
  EXPECT_EQ(live.reason("failed.dead_process"), 1u);
  EXPECT_EQ(client_.receive(20).size(), 20u);
  EXPECT_EQ(live.total("processes_started"), 2u);
}

TEST_F(ProcessGroupTest, AStartThatFailsSaysWhyAndLeavesNoProcess) {
  PipelineOptions options = processes(ProcessUse::prefork);
  options.receive.real_time_priority = 100;  // the max is 99
  LiveProcesses live(service_, options);
  try {
    live.group().start();
    ADD_FAILURE() << "started";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code().value(), EINVAL);
    EXPECT_NE(std::string(error.what()).find("proc-"), std::string::npos) << error.what();
  }
  live.group().stop_receiving();
  EXPECT_EQ(live.group().seize_all(), 0u);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "there is still a child";
}

TEST_F(ProcessGroupTest, AStartIsGivenUpWhileItForks) {
  LiveProcesses live(service_, processes(ProcessUse::prefork, 8));
  int asked = 0;
  EXPECT_FALSE(live.group().start_unless([&] { return ++asked == 4; }));
  EXPECT_EQ(live.total("processes_started"), 3u);
  live.group().stop_receiving();
  EXPECT_TRUE(eventually([&] {
    live.group().seize_all();
    return live.group().all_taken();
  }));
  live.expect_at_rest();
}

// The first of two processes runs and is killed; the second never comes to its first round, so the
// start goes on; the third is to replace the first.
class ThirdProcessTest : public ProcessGroupTest {
 protected:
  class StartsInOrder final : public Service {
   public:
    std::unique_ptr<LaneState> make_lane_state() const override {
      const pid_t number = shared_[0]++;
      if (number == 0) shared_[1] = ::getpid();
      if (number == 1)
        for (;;) ::pause();
      if (number == 2) third();
      return nullptr;
    }
    void process(std::span<Message>, LaneState*) override {}
    pid_t first() const { return shared_[1]; }

    std::function<void()> third;

   private:
    Memory memory_{64, Sharing::process_shared};
    std::atomic<pid_t>* shared_ = reinterpret_cast<std::atomic<pid_t>*>(memory_.data());
  };

  // The error of the start after the third process has failed.
  static std::string why_not_started(std::function<void()> third) {
    StartsInOrder service;
    service.third = std::move(third);
    LiveProcesses live(service, processes(ProcessUse::prefork, 2));
    Scoreboard& scoreboard = live.group().scoreboard();
    bool killed = false;
    std::string why;
    try {
      live.group().start_unless([&] {
        const bool one_runs = scoreboard.progress(0).rounds() + scoreboard.progress(1).rounds() > 0;
        if (one_runs && !std::exchange(killed, true)) ::kill(service.first(), SIGKILL);
        return false;
      });
      ADD_FAILURE() << "started";
    } catch (const std::exception& error) {
      why = error.what();
    }
    live.group().stop_receiving();
    EXPECT_TRUE(eventually([&] {
      live.group().seize_all();
      return live.group().all_taken();
    }));
    return why;
  }
};

TEST_F(ThirdProcessTest, SaysItselfWhyItDoesNotStart) {
  EXPECT_THAT(
      why_not_started([] { throw std::runtime_error("no licence"); }),
      testing::AllOf(testing::StartsWith("process proc-"), testing::EndsWith(": no licence")));
  EXPECT_THAT(
      why_not_started([] { throw std::system_error(ENOENT, std::generic_category(), "licence"); }),
      testing::EndsWith(": No such file or directory"));
}

TEST_F(ThirdProcessTest, WhoseEndIsAllThatIsKnownIsSaidToHaveEndedSo) {
  EXPECT_THAT(why_not_started([] { ::raise(SIGKILL); }),
              testing::EndsWith(" died at its start (Killed)"));
  EXPECT_THAT(why_not_started([] { ::_exit(3); }),
              testing::EndsWith(" died at its start (exit code 3)"));
}

TEST_F(ProcessGroupTest, AKilledProcessThatDoesNotEndIsBookedOnceHoweverOftenOneSeizes) {
  LiveProcesses live(service_, processes(ProcessUse::prefork, 1));
  live.group().start();
  const pid_t process = who_answers(live, client_);
  ASSERT_GT(process, 0);
  Tracer tracer(process);
  if (!tracer.traces()) {
    live.end_and_expect_at_rest();
    GTEST_SKIP() << "may not trace: a process of this user";
  }
  client_.send("stay", live.address());
  ASSERT_TRUE(live.wait_for("received", 2));
  EXPECT_FALSE(live.group().end([] { return true; }));
  live.group().stop_receiving();
  std::uint64_t seized = 0;
  for (int i = 0; i < 2; ++i) seized += live.group().seize_all();
  EXPECT_LE(seized, 1u);
  tracer.let_go();
  ASSERT_TRUE(eventually([&] { return (seized += live.group().seize_all()) >= 1; }));
  EXPECT_EQ(live.group().seize_all(), 0u);
  EXPECT_EQ(seized, 1u);
  EXPECT_EQ(live.reason("failed.forced_end"), 1u);
  live.end_and_expect_at_rest();
}

}  // namespace
}  // namespace cpss
