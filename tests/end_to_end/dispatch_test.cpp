// Which thread runs the next stage's step: seen from outside, by system calls and threads' CPU
// time.
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/udp_client.h"
#include "tests/end_to_end/variable_test.h"
#include "tests/support/eventually.h"
#include "tests/support/threads.h"

namespace cpss {
namespace {

class Dispatch : public VariableTest {
 protected:
  static constexpr int kMessages = 200;

  struct Seen {
    std::uint64_t futex_calls;
    std::vector<std::string> handed_over_to;  // stages that most messages came to by their queue
  };
  // What kMessages messages cost, one after the other.
  static Seen serve(ServerProcess& server) {
    UdpClient client(server.address());
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.ask("what a message costs is learned"));
    // Waits until the idle lanes have gone to sleep, one after the other.
    std::uint64_t before = calls(server);
    EXPECT_TRUE(eventually([&] { return std::exchange(before, calls(server)) == before; }));
    for (int i = 0; i < kMessages; ++i) EXPECT_TRUE(client.ask("request"));
    Seen seen{calls(server) - before, {}};
    // What is run inline has waited for 0 ns. Futex calls would not tell: on a busy machine a lane
    // may find the next message before it has gone to sleep.
    for (const char* stage : {"service", "response"})
      if (server.stage(stage).at("wait_ns").at("p50") > 0) seen.handed_over_to.push_back(stage);
    return seen;
  }

 private:
  static std::uint64_t calls(ServerProcess& server) {
    std::uint64_t sum = 0;
    const nlohmann::json now = server.stats();
    for (const auto& stage : now.at("stages"))
      sum +=
          stage.at("sem_waits").get<std::uint64_t>() + stage.at("futex_wakes").get<std::uint64_t>();
    return sum;
  }
};

TEST_F(Dispatch, OneMessageAtATimeCostsNoFutexCall) {
  for (const bool pools : {false, true}) {
    SCOPED_TRACE(pools);
    // On a busy machine a batch may take long; the expected time of a batch is not tested here.
    Environment environment = echo_with({{"CPSS_INLINE_MAX_US", "1000000"}});
    if (pools) environment["CPSS_SERVICE_THREADS"] = "1";
    ServerProcess server(program::kServer, environment);
    const Seen seen = serve(server);
    EXPECT_EQ(seen.futex_calls, 0u);
    EXPECT_THAT(seen.handed_over_to, testing::IsEmpty());
    for (const char* stage : {"receive", "service", "response"})
      EXPECT_EQ(server.stage(stage).at("threads"), pools ? 1u : test::allowed_cpus().size() + 1)
          << "lanes that run it inline are none of the stage";
    server.expect_clean_end();
  }
}

TEST_F(Dispatch, QueuedHandsEveryMessageOver) {
  ServerProcess server(program::kServer,
                       echo_with({{"CPSS_DISPATCH", "queued"}, {"CPSS_SPIN_US", "0"}}));
  EXPECT_THAT(serve(server).handed_over_to, testing::ElementsAre("service", "response"));
  server.expect_clean_end();
}

TEST_F(Dispatch, LanesWithOtherCpusDoNotRunInline) {
  const std::vector<unsigned> cpus = test::allowed_cpus();
  if (cpus.size() < 2) GTEST_SKIP() << "needs two CPUs";
  ServerProcess server(program::kServer, echo_with({{"CPSS_RECV_CPUS", std::to_string(cpus[0])},
                                                    {"CPSS_SERVICE_CPUS", std::to_string(cpus[1])},
                                                    {"CPSS_SPIN_US", "0"}}));
  EXPECT_THAT(serve(server).handed_over_to, testing::Contains("service"));
  server.expect_clean_end();
}

TEST_F(Dispatch, LanesOfAnotherClassDoNotRunInline) {
  if (!test::may_use_real_time()) GTEST_SKIP() << "needs the right to the real-time class";
  ServerProcess server(program::kServer, echo_with({{"CPSS_RECV_THREADS_RT", "5"},
                                                    {"CPSS_RT_ALLOW_SMALL", "1"},
                                                    {"CPSS_SPIN_US", "0"}}));
  EXPECT_THAT(serve(server).handed_over_to, testing::Contains("service"));
  server.expect_clean_end();
}

// A batch that takes longer than one may that is run inline goes to the stage's own lane.
TEST_F(Dispatch, SlowServiceIsLeftToItsLane) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "work"},
                                          {"CPSS_WORK", "fixed:500;burn"},
                                          {"CPSS_INLINE_MAX_US", "50"},
                                          {"CPSS_SERVICE_THREADS", "1"}});
  UdpClient client(server.address());
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(client.ask("a request of some length"));
  const auto threads = test::threads_of(server.pid());
  EXPECT_GT(threads.at("svc-0").run_ns, 20'000'000u);
  EXPECT_LT(threads.at("recv-0").run_ns, threads.at("svc-0").run_ns);
  server.expect_clean_end();
}

// The lanes of the stages; without pools as many as CPUs, whichever of them.
TEST_F(Dispatch, AtSaturationAllLanesWork) {
  if (test::allowed_cpus().size() < 2) GTEST_SKIP() << "needs two CPUs";
  for (const bool pools : {false, true}) {
    SCOPED_TRACE(pools);
    Environment environment = {{"CPSS_SERVICE", "work"}, {"CPSS_WORK", "fixed:5;burn"}};
    if (pools) environment["CPSS_SERVICE_THREADS"] = "1";
    ServerProcess server(program::kServer, environment);
    const Finished blast =
        run_program({program::kBlast, "-p", std::to_string(server.port()), "--service", "work",
                     "-q", "512", "-l", "1", "--stats-file", server.stats_file()});
    EXPECT_EQ(blast.code, 0) << blast.output << blast.errors;
    std::size_t busy = 0;
    for (const auto& [name, thread] : test::threads_of(server.pid()))
      if (name.find('-') != std::string::npos && thread.run_ns > 10'000'000u) ++busy;
    EXPECT_GE(busy, pools ? 3u : 2u);
    server.expect_clean_end();
  }
}

TEST_F(Dispatch, AnIdleServerSleeps) {
  ServerProcess server(program::kServer, echo_with({{"CPSS_SPIN_US", "1000"}}));
  UdpClient client(server.address());
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(client.ask("request"));
  server.wait_until_idle(100);
  const auto run_ns = [&server] {
    std::uint64_t sum = 0;
    for (const auto& [name, thread] : test::threads_of(server.pid())) sum += thread.run_ns;
    return sum;
  };
  const std::uint64_t before = run_ns();
  std::this_thread::sleep_for(std::chrono::seconds(3));
  EXPECT_LT(run_ns() - before, 15'000'000u) << "0.5 % of 3 s";
  server.expect_clean_end();
}

}  // namespace
}  // namespace cpss
