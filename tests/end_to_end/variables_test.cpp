// Variables, each test named after its own: the twelve of the article on staged servers, CPU lists
// and socket buffers, which go with them, and others whose effect no other file tests; all as seen
// from outside the server.
// How to see the same by hand: docs/variables.md.
#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/end_to_end/variable_test.h"
#include "tests/support/eventually.h"
#include "tests/support/sanitizers.h"
#include "tests/support/threads.h"

namespace cpss {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Names = std::set<std::string>;

bool belongs_to(const std::string& thread, const std::string& pool) {
  return thread.starts_with(pool + "-");
}

Names names_of(ServerProcess& server, const std::string& pool) {
  Names names;
  for (const auto& [name, thread] : test::threads_of(server.process().pid()))
    if (belongs_to(name, pool)) names.insert(name);
  return names;
}

void expect_echo(ServerProcess& server, int times = 1) {
  UdpClient client(server.address());
  for (int i = 0; i < times; ++i) {
    const std::string request = "request " + std::to_string(i);
    ASSERT_EQ(client.ask(request), request);
  }
}

std::string table_of(const ServerProcess& server) {
  return run_program({program::kGetstat, "--file", server.stats_file()}).output;
}

class Variables : public VariableTest {};

// The server on some of the CPUs only.
std::vector<std::string> on_cpus(const std::string& cpus) {
  return {"/usr/bin/taskset", "-c", cpus, program::kServer};
}

// --- threads of each stage ---

void expect_pool(const std::string& variable, const std::string& pool, Environment more = {}) {
  more[variable] = "3";
  ServerProcess server(program::kServer, echo_with(std::move(more)));
  EXPECT_EQ(names_of(server, pool), (Names{pool + "-0", pool + "-1", pool + "-2"}));
  expect_echo(server, 20);
  server.expect_clean_end();
}

// Without workers; beside the main thread and who waits for standard error.
Names threads_without_settings(Environment more) {
  ServerProcess server(program::kServer, echo_with(std::move(more)));
  Names all;
  for (const auto& [name, thread] : test::threads_of(server.process().pid())) all.insert(name);
  EXPECT_EQ(all.erase("cpssd") + all.erase("log"), 2u);
  server.expect_clean_end();
  return all;
}

TEST_F(Variables, WithoutANumberThreadsAreOfNoStageAndOneMoreThanCpus) {
  Names expected;
  for (std::size_t i = 0; i <= test::allowed_cpus().size(); ++i)
    expected.insert("lane-" + std::to_string(i));
  EXPECT_EQ(threads_without_settings({}), expected);
}

TEST_F(Variables, OneNumberMakesThemTheArticlesThreads) {
  const Names expected{"recv-0", "svc-0", "resp-0"};
  for (const char* variable : {"CPSS_RECV_THREADS", "CPSS_SERVICE_THREADS", "CPSS_RESP_THREADS"})
    EXPECT_EQ(threads_without_settings({{variable, "1"}}), expected) << variable;
  EXPECT_EQ(threads_without_settings({{"CPSS_DISPATCH", "queued"}}), expected);
}

TEST_F(Variables, CPSS_RECV_THREADS) {
  expect_pool("CPSS_RECV_THREADS", "recv");
}
TEST_F(Variables, CPSS_RESP_THREADS) {
  expect_pool("CPSS_RESP_THREADS", "resp");
}
TEST_F(Variables, CPSS_SERVICE_THREADS) {
  expect_pool("CPSS_SERVICE_THREADS", "svc");
}
TEST_F(Variables, CPSS_WORKER_THREADS) {
  expect_pool("CPSS_WORKER_THREADS", "work", {{"CPSS_DEFER", "all"}});
}

TEST_F(Variables, CPSS_ONDEMAND_THREADS) {
  const Finished alone = refused({{"CPSS_ONDEMAND_THREADS", "2"}});
  EXPECT_EQ(alone.code, 78);
  EXPECT_THAT(alone.errors,
              AllOf(HasSubstr("CPSS_ONDEMAND_THREADS"), HasSubstr("set CPSS_WORKER_THREADS")));

  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "work"},
                                          {"CPSS_WORK", "fixed:300000;sleep"},
                                          {"CPSS_DEFER", "all"},
                                          {"CPSS_WORKER_THREADS", "1"},
                                          {"CPSS_ONDEMAND_THREADS", "2"}});
  EXPECT_THAT(names_of(server, "demand"), IsEmpty()) << "nothing to do, nobody there";
  UdpClient client(server.address());
  for (int i = 0; i < 6; ++i) ASSERT_EQ(client.send("request that takes long"), 0);
  Names seen;
  EXPECT_TRUE(eventually([&] {
    seen.merge(names_of(server, "demand"));
    return seen.size() == 2;
  })) << "demand-N seen: "
      << seen.size();
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(client.receive(std::chrono::seconds(20))) << i;
  EXPECT_TRUE(eventually([&] { return names_of(server, "demand").empty(); })) << "they stay";
  EXPECT_EQ(seen, (Names{"demand-0", "demand-1"}));
  EXPECT_EQ(server.stage("on_demand").at("threads_max"), 2);
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 6u);
}

// --- the real-time class ---

constexpr const char* kNoRealTime = "needs the right to the real-time class";

// Threads of `pools` have their priority in SCHED_FIFO; all others are in the normal class.
void expect_real_time(ServerProcess& server, const std::map<std::string, int>& pools) {
  for (const auto& [name, thread] : test::threads_of(server.process().pid())) {
    const auto pool = std::ranges::find_if(
        pools, [&](const auto& entry) { return belongs_to(name, entry.first); });
    const bool chosen = pool != pools.end();
    EXPECT_EQ(thread.policy, chosen ? SCHED_FIFO : SCHED_OTHER) << name;
    EXPECT_EQ(thread.priority, chosen ? pool->second : 0) << name;
  }
}

Environment with_two_of_each(Environment more) {
  for (const char* pool : {"RECV", "SERVICE", "WORKER", "RESP"})
    more["CPSS_" + std::string(pool) + "_THREADS"] = "2";
  more["CPSS_DEFER"] = "all";
  return echo_with(std::move(more));
}

void expect_real_time_lanes(const std::map<std::string, int>& pools, Environment environment) {
  ServerProcess server(program::kServer, with_two_of_each(std::move(environment)));
  expect_real_time(server, pools);
  expect_echo(server, 50);
  expect_real_time(server, pools);
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 50u);
}

TEST_F(Variables, CPSS_RECV_THREADS_RT) {
  if (!test::may_use_real_time()) GTEST_SKIP() << kNoRealTime;
  expect_real_time_lanes({{"recv", 7}},
                         {{"CPSS_RECV_THREADS_RT", "7"}, {"CPSS_RT_ALLOW_SMALL", "1"}});
}
TEST_F(Variables, CPSS_RESP_THREADS_RT) {
  if (!test::may_use_real_time()) GTEST_SKIP() << kNoRealTime;
  expect_real_time_lanes({{"resp", 3}},
                         {{"CPSS_RESP_THREADS_RT", "3"}, {"CPSS_RT_ALLOW_SMALL", "1"}});
}
TEST_F(Variables, BothPoolsInTheRealTimeClassEachAtItsPriority) {
  if (!test::may_use_real_time()) GTEST_SKIP() << kNoRealTime;
  expect_real_time_lanes({{"recv", 1}, {"resp", 99}}, {{"CPSS_RECV_THREADS_RT", "1"},
                                                       {"CPSS_RESP_THREADS_RT", "99"},
                                                       {"CPSS_RT_ALLOW_SMALL", "1"}});
}

// A receiver in the real-time class, with more load than the server can serve: the other lanes
// still get to work.
TEST_F(Variables, ARealTimeReceiverThatShedsDoesNotStarveTheOthers) {
  if (!test::may_use_real_time()) GTEST_SKIP() << kNoRealTime;
  ServerProcess server(on_cpus(std::to_string(test::first_allowed_cpu())),
                       {{"CPSS_RECV_THREADS_RT", "50"},
                        {"CPSS_RT_ALLOW_SMALL", "1"},
                        {"CPSS_OVERLOAD", "shed"},
                        {"CPSS_QSLOTS", "4"}});
  const Finished blast =
      run_program({program::kBlast, "-p", std::to_string(server.port()), "-l", "2", "-q", "500",
                   "-c", "4", "-t", "1", "--max-loss", "1", "--no-check"});
  EXPECT_LE(blast.code, 1) << blast.errors;
  server.expect_clean_end();
  EXPECT_GT(server.ledger("answered"), 0u);
}

TEST_F(Variables, RealTimeOnFewCpusIsRefusedWithAnExplanation) {
  const std::vector<unsigned> cpus = test::allowed_cpus();
  for (std::size_t count = 1; count <= std::min<std::size_t>(cpus.size(), 2); ++count) {
    const std::string list = std::to_string(cpus.front()) +
                             (count == 2 ? "," + std::to_string(cpus.at(1)) : std::string());
    for (const char* variable : {"CPSS_RECV_THREADS_RT", "CPSS_RESP_THREADS_RT"}) {
      SCOPED_TRACE(list + " " + variable);
      const Finished result = refused(on_cpus(list), {{variable, "5"}});
      EXPECT_EQ(result.code, 78);
      EXPECT_THAT(result.errors, AllOf(HasSubstr(variable), HasSubstr("starve"),
                                       HasSubstr(count == 1 ? "1 CPU only" : "2 CPUs only"),
                                       HasSubstr("CPSS_RT_ALLOW_SMALL=1")));
    }
  }
}

TEST_F(Variables, RealTimeOnManyCpusIsNotRefused) {
  if (test::allowed_cpus().size() <= 2) GTEST_SKIP() << "needs more than two CPUs";
  if (!test::may_use_real_time()) GTEST_SKIP() << kNoRealTime;
  expect_real_time_lanes({{"recv", 5}}, {{"CPSS_RECV_THREADS_RT", "5"}});
}

// Not even root has a capability that is gone from its bounding set.
TEST_F(Variables, RealTimeWithoutPermissionIs77AndSaysWhatToDo) {
  const std::string command =
      geteuid() == 0 ? "exec /usr/bin/setpriv --bounding-set=-sys_nice \"$0\"" : "exec \"$0\"";
  for (const char* variable : {"CPSS_RECV_THREADS_RT", "CPSS_RESP_THREADS_RT"}) {
    SCOPED_TRACE(variable);
    const Finished result = refused({"/bin/sh", "-c", "ulimit -r 0; " + command, program::kServer},
                                    {{variable, "5"}, {"CPSS_RT_ALLOW_SMALL", "1"}});
    EXPECT_EQ(result.code, 77);
    EXPECT_THAT(result.errors, AllOf(HasSubstr("not permitted"), HasSubstr(variable),
                                     HasSubstr("CAP_SYS_NICE"), HasSubstr("ulimit -r")));
  }
}

// --- shared memory ---

// The names of the shared memory files that the server has mapped.
Names shared_memory_of(ServerProcess& server) {
  const std::string pid = std::to_string(server.process().pid());
  std::istringstream maps(read_file("/proc/" + pid + "/maps"));
  const std::string kind = "/memfd:cpss-";
  Names names;
  for (std::string line; std::getline(maps, line);) {
    const std::size_t at = line.find(kind);
    if (at == std::string::npos) continue;
    EXPECT_THAT(line, HasSubstr(" rw-s "));
    names.insert(line.substr(at + kind.size(), line.find(' ', at) - at - kind.size()));
  }
  return names;
}

const Environment kWithWorkers = {
    {"CPSS_SERVICE", "echo"}, {"CPSS_WORKER_THREADS", "1"}, {"CPSS_DEFER", "all"}};

TEST_F(Variables, CPSS_SYNCH_PROCESS) {
  Environment shared = kWithWorkers;
  shared["CPSS_SYNCH_PROCESS"] = "1";
  ServerProcess with(program::kServer, shared);
  ServerProcess without(program::kServer, kWithWorkers);
  EXPECT_EQ(shared_memory_of(with), (Names{"slot-pool", "request-queue", "response-queue",
                                           "worker-queue", "slot-headers", "requests", "replies"}));
  EXPECT_EQ(shared_memory_of(without), Names{});
  for (ServerProcess* server : {&with, &without}) {
    expect_echo(*server, 500);
    server->expect_clean_end();
    EXPECT_EQ(server->ledger("answered"), 500u);
  }
}

// The futex calls of lanes that sleep and wake each other while `server` is at work; nullopt if it
// cannot be traced. Each line begins with a thread's number. Without the log's thread, whose queue
// is never shared.
std::optional<std::vector<std::string>> futex_calls(ServerProcess& server,
                                                    const std::string& log_file) {
  Program tracer({"/usr/bin/strace", "-f", "-qq", "-o", log_file, "-e", "trace=futex", "-p",
                  std::to_string(server.process().pid())});
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  if (!tracer.running()) return std::nullopt;
  expect_echo(server, 100);
  const int of_the_log = test::threads_of(server.process().pid()).at("log").tid;
  tracer.signal(SIGTERM);
  tracer.wait(std::chrono::seconds(10));
  std::vector<std::string> calls;
  std::istringstream log(read_file(log_file));
  for (std::string line; std::getline(log, line);)
    if (line.find("futex(") != std::string::npos && std::stoi(line) != of_the_log)
      calls.push_back(line);
  return calls;
}

TEST_F(Variables, SharedFutexesAreNotPrivateAndOthersAre) {
  if (kSanitized) GTEST_SKIP() << "sanitizers and ptrace do not go together";
  for (const bool shared : {false, true}) {
    SCOPED_TRACE(shared);
    Environment environment = kWithWorkers;
    environment["CPSS_SYNCH_PROCESS"] = shared ? "1" : "0";
    ServerProcess server(program::kServer, environment);
    const auto calls = futex_calls(server, folder_.file("futex"));
    if (!calls) GTEST_SKIP() << "may not trace: strace ended at once";
    std::size_t private_ones = 0;
    for (const std::string& call : *calls)
      private_ones += call.find("_PRIVATE") != std::string::npos;
    EXPECT_GT(calls->size(), 100u);
    EXPECT_EQ(private_ones, shared ? 0 : calls->size()) << calls->front();
    server.expect_clean_end();
  }
}

// Then every wait between lanes ends by itself, so an idle server looks around.
TEST_F(Variables, SharedWaitsEndByThemselves) {
  ServerProcess server(program::kServer,
                       echo_with({{"CPSS_SYNCH_PROCESS", "1"}, {"CPSS_RECV_THREADS", "1"}}));
  EXPECT_TRUE(eventually([&] {
    const auto threads = test::threads_of(server.process().pid());
    return std::ranges::all_of(std::array{"recv-0", "svc-0", "resp-0"},
                               [&threads](const char* lane) { return threads.at(lane).waits > 5; });
  })) << server.stats().dump();
  EXPECT_EQ(server.stage("service").at("sem_waits"), 0u) << "nothing was waited for";
  server.expect_clean_end();
}

TEST_F(Variables, TwoServersAtOnceShareNothing) {
  const Environment shared = echo_with({{"CPSS_SYNCH_PROCESS", "1"}, {"CPSS_QSLOTS", "64"}});
  ServerProcess one(program::kServer, shared);
  ServerProcess two(program::kServer, shared);
  expect_echo(one, 300);
  expect_echo(two, 200);
  one.expect_clean_end();
  expect_echo(two, 100);
  two.expect_clean_end();
  EXPECT_EQ(one.ledger("received"), 300u);
  EXPECT_EQ(two.ledger("received"), 300u);
}

// Files only: folders of other tests come and go.
Names files_in_shared_memory() {
  Names names;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm"))
    if (entry.path().filename().string().find("cpss") != std::string::npos &&
        entry.is_regular_file())
      names.insert(entry.path());
  return names;
}

TEST_F(Variables, AKilledServerLeavesNoSharedMemoryAndARegionThatSaysSo) {
  const Names before = files_in_shared_memory();
  ServerProcess server(program::kServer, echo_with({{"CPSS_SYNCH_PROCESS", "1"}}));
  expect_echo(server, 100);
  server.wait_until_idle(100);  // the last reply arrives before it is booked
  server.process().signal(SIGKILL);
  ASSERT_EQ(server.process().wait(std::chrono::seconds(10)), 128 + SIGKILL);
  const Finished getstat = run_program({program::kGetstat, "--file", server.stats_file()});
  EXPECT_EQ(getstat.code, 3);
  EXPECT_THAT(getstat.output, HasSubstr("STALE"));
  EXPECT_EQ(server.stats().at("state"), "stale");
  EXPECT_EQ(server.ledger("answered"), 100u);
  EXPECT_EQ(files_in_shared_memory(), before);
}

// --- slots and their windows ---

// The max over all queues.
std::uint64_t high_water(const ServerProcess& server) {
  std::uint64_t max = 0;
  const nlohmann::json stats = server.stats();
  for (const nlohmann::json& stage : stats.at("stages"))
    max = std::max<std::uint64_t>(max, stage.at("queue_high_water"));
  return max;
}

TEST_F(Variables, CPSS_QSLOTS) {
  const std::pair<const char*, const char*> cases[] = {{"1", "slots 1\n"},
                                                       {"1000000", "slots 1,000,000\n"}};
  for (const auto& [slots, shown] : cases) {
    SCOPED_TRACE(slots);
    ServerProcess server(program::kServer,
                         echo_with({{"CPSS_QSLOTS", slots}, {"CPSS_DISPATCH", "queued"}}));
    EXPECT_THAT(table_of(server), HasSubstr(shown));
    UdpClient client(server.address());
    for (int i = 0; i < 200; ++i) ASSERT_EQ(client.send("request"), 0);
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(client.receive()) << i;
    server.expect_clean_end();
    EXPECT_EQ(server.ledger("answered"), 200u);
    EXPECT_GE(high_water(server), 1u);
    EXPECT_LE(high_water(server), std::stoull(slots));
  }
}

TEST_F(Variables, CPSS_MSGSIZE) {
  constexpr std::size_t kLargestDatagram = 65'507;
  const std::pair<const char*, std::size_t> cases[] = {
      {"512", 512}, {"1024", 1024}, {"9001", 9001}, {"65535", kLargestDatagram}};
  for (const auto& [variable, largest] : cases) {
    SCOPED_TRACE(variable);
    ServerProcess server(program::kServer, echo_with({{"CPSS_MSGSIZE", variable}}));
    UdpClient client(server.address());
    const std::string request(largest, 'x');
    EXPECT_EQ(client.ask(request), request);
    EXPECT_EQ(server.reason("invalid.truncated"), 0u);
    const bool one_more = largest < kLargestDatagram;
    if (one_more) {
      EXPECT_EQ(client.send(request + "x"), 0);
      server.wait_until_idle(2);
      EXPECT_EQ(server.reason("invalid.truncated"), 1u);
    }
    EXPECT_EQ(client.ask("short"), "short") << "no reply to the one before";
    server.expect_clean_end();
    EXPECT_EQ(server.ledger("answered"), 2u);
    EXPECT_EQ(server.ledger("received"), one_more ? 3u : 2u);
  }
}

// --- measured and unmeasured stages ---

void expect_measured(const nlohmann::json& stage, bool measured) {
  SCOPED_TRACE(stage.dump());
  EXPECT_EQ(stage.at("measured"), measured);
  if (measured) {
    EXPECT_GT(stage.at("busy_ns"), 0);
    EXPECT_GT(stage.at("batch").at("count"), 0);
  } else {
    for (const char* counter : {"syscalls", "syscall_ns", "sem_waits", "sem_wait_ns", "futex_wakes",
                                "slot_wait_ns", "queue_wait_ns", "busy_ns", "busy"})
      EXPECT_EQ(stage.at(counter), 0) << counter;
    for (const char* histogram : {"wait_ns", "service_ns", "cost_ns", "batch"})
      EXPECT_EQ(stage.at(histogram).at("count"), 0) << histogram;
  }
  EXPECT_EQ(stage.at("entered"), 50);
  EXPECT_EQ(stage.at("forwarded").get<int>() + stage.at("completed").get<int>(), 50);
}

// The table shows a stage that is not measured with dashes, since zeros would be read as measured.
void expect_dashes(const std::string& table, const std::string& stage) {
  EXPECT_THAT(table, ContainsRegex("\n" + stage + " +1 +50 +[0-9]+ +[0-9]+ +[-0-9]+ +[-0-9]+ +-\n"))
      << "busy";
  EXPECT_THAT(table, ContainsRegex("\n" + stage + "( +-){8}\n")) << "times";
  EXPECT_THAT(table, ContainsRegex("\n" + stage + "( +-){6}\n")) << "calls and waits";
}

void expect_not_measured(const char* variable, const std::string& stage) {
  ServerProcess server(program::kServer, echo_with({{variable, "0"}, {"CPSS_RECV_THREADS", "1"}}));
  expect_echo(server, 50);
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("received"), 50u);
  EXPECT_EQ(server.ledger("answered"), 50u);
  EXPECT_EQ(server.ledger("sent"), 50u);
  for (const char* name : {"receive", "service", "response"})
    expect_measured(server.stage(name), name != stage);
  expect_dashes(table_of(server), stage);
  // Queues are measured all the same: they belong to the stage behind them.
  for (const char* name : {"service", "response"})
    EXPECT_GE(server.stage(name).at("queue_high_water"), 1) << name;
}

TEST_F(Variables, CPSS_RECV_STATS) {
  expect_not_measured("CPSS_RECV_STATS", "receive");
}
TEST_F(Variables, CPSS_RESP_STATS) {
  expect_not_measured("CPSS_RESP_STATS", "response");
}

// --- CPUs ---

struct CpuVariable {
  const char* variable;
  std::vector<const char*> pools;
};

const CpuVariable kCpuVariables[] = {{"CPSS_RECV_CPUS", {"recv"}},
                                     {"CPSS_SERVICE_CPUS", {"svc"}},
                                     {"CPSS_WORKER_CPUS", {"work", "starter"}},
                                     {"CPSS_RESP_CPUS", {"resp"}}};

TEST_F(Variables, CpuListsHoldForTheThreadsOfTheirStageAlone) {
  const std::vector<unsigned> all = test::allowed_cpus();
  for (const auto& [variable, pools] : kCpuVariables) {
    SCOPED_TRACE(variable);
    ServerProcess server(
        program::kServer,
        with_two_of_each({{"CPSS_ONDEMAND_THREADS", "1"}, {variable, std::to_string(all.back())}}));
    expect_echo(server, 20);
    std::size_t pinned = 0;
    for (const auto& [name, thread] : test::threads_of(server.process().pid())) {
      const bool chosen = std::ranges::any_of(
          pools, [&](const char* pool) { return name == pool || belongs_to(name, pool); });
      EXPECT_EQ(thread.cpus, chosen ? std::vector{all.back()} : all) << name;
      pinned += chosen;
    }
    EXPECT_GE(pinned, 2u);
    server.expect_clean_end();
  }
}

TEST_F(Variables, ListsOfSeveralCpus) {
  const std::vector<unsigned> all = test::allowed_cpus();
  if (all.size() < 2) GTEST_SKIP() << "needs two CPUs";
  ServerProcess server(
      program::kServer,
      echo_with({{"CPSS_RECV_CPUS", std::to_string(all[0]) + "," + std::to_string(all[1])}}));
  EXPECT_THAT(test::threads_of(server.process().pid()).at("recv-0").cpus,
              ElementsAre(all[0], all[1]));
  server.expect_clean_end();
}

TEST_F(Variables, ACpuThatTheProcessMayNotUseIsRefused) {
  const std::vector<unsigned> all = test::allowed_cpus();
  const std::string one = std::to_string(all.front());
  const std::string other = all.size() > 1 ? std::to_string(all.back()) : "1023";
  for (const auto& [variable, pools] : kCpuVariables) {
    SCOPED_TRACE(variable);
    const Finished result =
        refused(on_cpus(one), {{variable, other}, {"CPSS_WORKER_THREADS", "1"}});
    EXPECT_EQ(result.code, 78);
    EXPECT_THAT(result.errors, AllOf(HasSubstr(variable), HasSubstr("may not use (" + other + ")"),
                                     HasSubstr("it may use " + one)));
  }
}

// --- sockets ---

// The server's own socket, as a descriptor of this process; invalid if that is not allowed.
FileDescriptor socket_of(ServerProcess& server) {
  const FileDescriptor process(
      static_cast<int>(syscall(SYS_pidfd_open, server.process().pid(), 0)));
  const std::string folder = "/proc/" + std::to_string(server.process().pid()) + "/fd";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const int number = std::stoi(entry.path().filename());
    FileDescriptor copy(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), number, 0)));
    int type = 0;
    socklen_t size = sizeof type;
    if (copy.valid() && getsockopt(copy.get(), SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
        type == SOCK_DGRAM)
      return copy;
  }
  return FileDescriptor();
}

TEST_F(Variables, CPSS_SOCKET_BUFFER) {
  constexpr int kAsked = 65'536;  // within the limit of every user
  ServerProcess server(program::kServer,
                       echo_with({{"CPSS_SOCKET_BUFFER", std::to_string(kAsked)}}));
  const FileDescriptor socket = socket_of(server);
  if (!socket.valid()) GTEST_SKIP() << "may not look at a child's sockets";
  for (const int option : {SO_RCVBUF, SO_SNDBUF}) {
    int bytes = 0;
    socklen_t size = sizeof bytes;
    ASSERT_EQ(getsockopt(socket.get(), SOL_SOCKET, option, &bytes, &size), 0);
    EXPECT_EQ(bytes, 2 * kAsked) << "the kernel doubles it for its own bookkeeping (socket(7))";
  }
  expect_echo(server, 20);
  server.expect_clean_end();
}

TEST_F(Variables, CPSS_DSCP) {
  for (const std::string value : {"", "46"}) {
    ServerProcess server(program::kServer, echo_with({{"CPSS_DSCP", value}}));
    const FileDescriptor socket = socket_of(server);
    if (!socket.valid()) GTEST_SKIP() << "may not look at a child's sockets";
    int tos = -1;
    socklen_t size = sizeof tos;
    ASSERT_EQ(getsockopt(socket.get(), IPPROTO_IP, IP_TOS, &tos, &size), 0);
    EXPECT_EQ(tos, value.empty() ? 0 : 46 * 4);
    expect_echo(server, 20);
    server.expect_clean_end();
  }
}

TEST_F(Variables, CPSS_FREEBIND) {
  Environment environment = echo_with({{"CPSS_LISTEN", "192.0.2.1:0"}});
  EXPECT_EQ(refused(environment).code, 69);
  environment["CPSS_FREEBIND"] = "1";
  ServerProcess server(program::kServer, environment);
  EXPECT_EQ(server.address().ip(), IpAddress::parse("192.0.2.1").value());
  server.expect_clean_end();
}

}  // namespace
}  // namespace cpss
