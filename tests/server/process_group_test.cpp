// Processes that serve message after message, and processes of one message each, on loopback; their
// parent, the test, ticks as the server's main thread does.
#include "server/process_group.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "services/echo.h"
#include "tests/server/live_pipeline.h"
#include "tests/support/eventually.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using test::Client;
using test::LivePipeline;
using test::LiveProcesses;

// Answers with the number of its process. On "die" it is killed; on "stay" it blocks for good.
class TellingService final : public Service {
 public:
  void process(std::span<Message> batch, LaneState*) override {
    for (Message& message : batch) {
      const std::string_view request(reinterpret_cast<const char*>(message.request().data()),
                                     message.request().size());
      if (request == "die") ::raise(SIGKILL);
      while (request == "stay") ::pause();
      const std::string pid = std::to_string(::getpid());
      // No longer than its request, as for peers that are not trusted.
      const auto bytes = std::as_bytes(std::span(pid));
      std::copy(bytes.begin(), bytes.end(), message.reply_window().begin());
      message.reply(bytes.size());
    }
  }
};

constexpr std::string_view kWho = "who are you?";

PipelineOptions processes(ProcessUse use, unsigned lanes = 3) {
  PipelineOptions options = test::small_pipeline(use == ProcessUse::fork ? 8 * lanes : 64);
  options.model = ServerModel::mp;
  options.process_use = use;
  options.lanes = lanes;
  options.cpus = 2;
  return options;
}

class ProcessGroupTest : public testing::Test {
 protected:
  // The process that answers one request; none within the tests' patience: 0.
  static pid_t who_answers(LiveProcesses& live, Client& client) {
    client.send(kWho, live.address());
    const auto replies = client.receive(1);
    return replies.empty() ? 0 : static_cast<pid_t>(std::stol(replies[0].text));
  }
  static bool tick_until(test::LiveServer& live, std::string_view counter, std::uint64_t value) {
    return eventually(
        [&] {
          live.engine().tick();
          return live.total(counter) >= value;
        },
        20s, 1ms);
  }
  static bool lives(pid_t process) { return ::kill(process, 0) == 0; }

  TellingService service_;
  Client client_;
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
    // The reply is out before it is booked.
    ASSERT_TRUE(live.wait_for("retired", 2 * deaths - 1));
    ASSERT_EQ(::kill(process, SIGKILL), 0);
    ASSERT_TRUE(tick_until(live, "processes_lost", deaths));
    EXPECT_EQ(live.total("processes_started"), 3u + deaths);
    EXPECT_FALSE(lives(process));
    EXPECT_NE(who_answers(live, client_), 0);
  }
  EXPECT_EQ(live.reason("failed.dead_process"), 0u) << "they held nothing";
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.total("processes_lost"), 5u);
  unsigned told = 0;
  live.group().board().take_events([&](const std::string& lane, const Event& event) {
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
    ASSERT_TRUE(tick_until(live, "processes_lost", deaths));
    EXPECT_EQ(live.reason("failed.dead_process"), deaths);
    EXPECT_EQ(live.ledger().residual, 0);
    EXPECT_NE(who_answers(live, client_), 0) << "the others go on, and a new one";
  }
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.reason("answered"), 6u);
}

// Where a lane counts as awake for good, no other one would ever spin again.
TEST_F(ProcessGroupTest, OneThatDiedDoesNotCountAsAwake) {
  PipelineOptions options = processes(ProcessUse::prefork, 1);
  options.cpus = 1;
  LiveProcesses live(service_, options);
  live.group().start();
  for (unsigned deaths = 1; deaths <= 3; ++deaths) {
    client_.send("die", live.address());
    ASSERT_TRUE(tick_until(live, "processes_lost", deaths));
  }
  EXPECT_NE(who_answers(live, client_), 0);
  EXPECT_TRUE(live.group().board().awake().have_a_cpu_each());
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
  options.leave_unread = true;
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

// With a socket of its own nobody else takes what is in it.
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
  options.receive.cpus = {CPU_SETSIZE - 1};
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

// --- a process for each message ---

class MessageProcessesTest : public ProcessGroupTest {
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
  // More than there are places.
  for (unsigned deaths = 1; deaths <= 12; ++deaths) {
    client_.send("die", live.address());
    ASSERT_TRUE(tick_until(live, "processes_lost", deaths));
    EXPECT_EQ(live.reason("failed.dead_process"), deaths);
  }
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
  // All places are taken, and more waits.
  for (int i = 0; i < 12; ++i) client_.send("stay", live.address());
  ASSERT_TRUE(live.wait_for("received", 8));
  int asked = 0;
  EXPECT_FALSE(live.pipeline().end([&] { return ++asked == 3; }));
  live.pipeline().stop_receiving();
  EXPECT_EQ(live.pipeline().seize_all(), 0u) << "of slots: they are the processes'";
  EXPECT_EQ(live.reason("failed.forced_end"), 8u);
  live.end_and_expect_at_rest();
}

}  // namespace
}  // namespace cpss
