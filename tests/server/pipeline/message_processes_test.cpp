// A process for each message, on loopback; its parent, the test, ticks as the server's main thread
// does.
#include "server/pipeline/message_processes.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
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
using test::LivePipeline;
using Clock = std::chrono::steady_clock;

class MessageProcessesTest : public ProcessesTest {
 protected:
  // Traffic from another thread, while the parent ticks.
  void while_ticking(LivePipeline& live, const std::function<void()>& traffic) {
    std::atomic<bool> over = false;
    std::thread client([&] {
      traffic();
      over = true;
    });
    while (!over) {
      live.engine().tick();
      std::this_thread::sleep_for(1ms);
    }
    client.join();
  }
};

TEST_F(MessageProcessesTest, EachMessageHasAProcessOfItsOwn) {
  LivePipeline live(service_, processes(ProcessUse::fork));
  live.pipeline().start();
  std::set<std::string> seen;
  while_ticking(live, [&] {
    for (int i = 0; i < 20; ++i) {
      client_.send(kWho, live.address());
      for (const test::Datagram& reply : client_.receive(1)) seen.insert(reply.text);
    }
  });
  EXPECT_EQ(seen.size(), 20u);
  EXPECT_FALSE(seen.contains(std::to_string(::getpid())));
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.reason("answered"), 20u);
  EXPECT_EQ(live.total("processes_lost"), 0u);
}

TEST_F(MessageProcessesTest, ManyAtOnceAreAnsweredWithFewPlaces) {
  EchoService echo;
  LivePipeline live(echo, processes(ProcessUse::fork, 1));
  live.pipeline().start();
  unsigned right = 0;
  while_ticking(live, [&] { right = client_.ask(100, {live.address()}); });
  EXPECT_EQ(right, 100u);
  live.end_and_expect_at_rest();
}

TEST_F(MessageProcessesTest, TheMessageOfOneThatDiesIsBookedAndItsSlotServesAgain) {
  LivePipeline live(service_, processes(ProcessUse::fork, 1));
  live.pipeline().start();
  // More than the eight places.
  for (unsigned deaths = 1; deaths <= 12; ++deaths) {
    client_.send("die", live.address());
    ASSERT_TRUE(live.tick_until("processes_lost", deaths));
    EXPECT_EQ(live.reason("failed.dead_process"), deaths);
  }
  live.end_and_expect_at_rest();
}

TEST_F(MessageProcessesTest, OnesThatDieAreATroubleUntilOneEndsItsMessageOrNoneDiesAnyMore) {
  LivePipeline live(service_, processes(ProcessUse::fork, 1));
  live.pipeline().start();
  const LaneTroubles& troubles = live.pipeline().scoreboard().troubles(0);
  const auto dying = [&] { return troubles.look(Trouble::process_death); };
  while_ticking(live, [&] {
    client_.send(kWho, live.address());
    EXPECT_EQ(client_.receive(1).size(), 1u);
  });
  EXPECT_FALSE(dying());
  client_.send("die", live.address());
  ASSERT_TRUE(live.tick_until([&] { return dying().has_value(); }));
  EXPECT_EQ(dying()->number, SIGKILL);
  const auto died = Clock::now();
  client_.send(kWho, live.address());
  ASSERT_TRUE(live.tick_until([&] { return !dying(); }));
  client_.send("die", live.address());
  ASSERT_TRUE(live.tick_until([&] { return dying().has_value(); }));
  EXPECT_EQ(dying()->times, 2u);
  ASSERT_TRUE(live.tick_until([&] { return !dying(); })) << "it was a single one";
  EXPECT_GE(Clock::now() - died, 1s);
  live.end_and_expect_at_rest();
}

TEST_F(MessageProcessesTest, TheEndWaitsForThemWithoutATick) {
  LivePipeline live(service_, processes(ProcessUse::fork));
  live.pipeline().start();
  for (int i = 0; i < 10; ++i) client_.send(kWho, live.address());
  ASSERT_TRUE(live.wait_for("received", 10));
  live.end_and_expect_at_rest();
  EXPECT_EQ(client_.receive(10).size(), 10u);
}

TEST_F(MessageProcessesTest, AForcedEndKillsThemAndBooksTheirMessages) {
  LivePipeline live(service_, processes(ProcessUse::fork, 1));
  live.pipeline().start();
  // All places are taken, and four more messages wait.
  for (int i = 0; i < 12; ++i) client_.send("stay", live.address());
  ASSERT_TRUE(live.wait_for("processes_started", 8));
  int asked = 0;
  EXPECT_FALSE(live.pipeline().end([&] { return ++asked == 3; }));
  live.pipeline().stop_receiving();
  EXPECT_TRUE(eventually([&] {
    EXPECT_EQ(live.pipeline().seize_all(), 0u) << "of slots: they are the processes'";
    return live.pipeline().all_taken();
  }));
  EXPECT_EQ(live.reason("failed.forced_end"), 8u);
  live.end_and_expect_at_rest();
}

// The message must not be booked at the first seizing and again when the process is reaped at last.
TEST_F(MessageProcessesTest, AKilledProcessThatDoesNotEndIsBookedOnceHoweverOftenOneSeizes) {
  LivePipeline live(service_, processes(ProcessUse::fork, 1));
  live.pipeline().start();
  client_.send("stay", live.address());
  ASSERT_TRUE(live.wait_for("processes_started", 1));
  const std::vector<pid_t> children = children_of_all_threads();
  ASSERT_EQ(children.size(), 1u);
  Tracer tracer(children.front());
  if (!tracer.traces()) {
    ::kill(children.front(), SIGKILL);
    live.end_and_expect_at_rest();
    GTEST_SKIP() << "may not trace: a process of this user";
  }
  EXPECT_FALSE(live.pipeline().end([] { return true; }));
  live.pipeline().stop_receiving();
  for (int i = 0; i < 2; ++i) {
    live.pipeline().seize_all();
    EXPECT_LE(live.reason("failed.forced_end"), 1u);
    EXPECT_EQ(live.ledger().residual, 0);
  }
  tracer.let_go();
  ASSERT_TRUE(eventually([&] {
    live.pipeline().seize_all();
    return live.total("processes_lost") == 1;
  }));
  EXPECT_EQ(live.reason("failed.forced_end"), 1u);
  live.end_and_expect_at_rest();
}

// A message whose process cannot be started waits without a limit, and its lane with it; such a
// lane does not count as hanging.
TEST_F(MessageProcessesTest, WithoutProcessesTheLaneWaitsAndTriesLessAndLessOften) {
  LivePipeline live(service_, processes(ProcessUse::fork, 1));
  // fork(2) fails; threads are started by another call.
  std::thread([&] {
    test::let_calls_fail({SYS_clone}, EAGAIN);
    live.pipeline().start();
  }).join();
  const auto begin = Clock::now();
  client_.send(kWho, live.address());
  LaneTroubles& troubles = live.pipeline().scoreboard().troubles(0);
  ASSERT_TRUE(eventually([&] { return troubles.look(Trouble::process_start).has_value(); }));
  EXPECT_EQ(troubles.look(Trouble::process_start)->number, EAGAIN);
  std::this_thread::sleep_for(500ms);
  const unsigned times = troubles.look(Trouble::process_start)->times;
  EXPECT_LE(times, max_failures_in(Clock::now() - begin));
  EXPECT_TRUE(eventually([&] { return live.engine().pulses().front().waiting; }));
  // At a stop the lane tries at once, and does not give up; at a forced end it does.
  int asked = 0;
  EXPECT_FALSE(live.pipeline().end([&] { return ++asked > 3; }));
  EXPECT_EQ(live.ledger().in_flight, 1);
  live.pipeline().stop_receiving();
  EXPECT_EQ(live.pipeline().seize_all(), 1u);
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.reason("failed.forced_end"), 1u);
}

}  // namespace
}  // namespace cpss
