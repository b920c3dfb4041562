// What the settings promise about lanes, sockets, slots and access, seen from outside the server.
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "services/work_profile.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/threads.h"

namespace cpss {
namespace {

nlohmann::json blast(const ServerProcess& server, std::vector<std::string> more) {
  std::vector<std::string> command = {program::kBlast, "-p",   std::to_string(server.port()),
                                      "--service",     "echo", "--json"};
  command.insert(command.end(), more.begin(), more.end());
  const Finished run = run_program(command, {}, std::chrono::seconds(120));
  EXPECT_EQ(run.code, 0) << run.output << run.errors;
  return nlohmann::json::parse(run.output, nullptr, false);
}

void expect_good_service(ServerProcess& server, const std::vector<std::string>& options) {
  const nlohmann::json report = blast(server, options);
  const std::uint64_t sent = report.at("sent");
  EXPECT_EQ(report.at("right"), sent);
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), sent);
}

TEST(Wiring, LanesHaveTheirNamesAndCpus) {
  const unsigned cpu = test::first_allowed_cpu();
  ServerProcess server(program::kServer, {{"CPSS_RECV_THREADS", "2"},
                                          {"CPSS_SERVICE_THREADS", "3"},
                                          {"CPSS_RESP_THREADS", "2"},
                                          {"CPSS_SERVICE_CPUS", std::to_string(cpu)}});
  const auto threads = test::threads_of(server.process().pid());
  for (const char* name : {"recv-0", "recv-1", "svc-0", "svc-1", "svc-2", "resp-0", "resp-1"})
    EXPECT_TRUE(threads.contains(name)) << name;
  EXPECT_EQ(threads.at("svc-1").cpus, std::vector<unsigned>{cpu});
  server.expect_clean_end();
}

TEST(Wiring, SeveralLanesOfEachStage) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"},
                                          {"CPSS_RECV_THREADS", "2"},
                                          {"CPSS_SERVICE_THREADS", "3"},
                                          {"CPSS_RESP_THREADS", "2"}});
  expect_good_service(server, {"--count", "100000", "-c", "8", "-T", "2", "-q", "500"});
}

TEST(Wiring, OneSlotManyLanes) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"},
                                          {"CPSS_QSLOTS", "1"},
                                          {"CPSS_RECV_THREADS", "3"},
                                          {"CPSS_SERVICE_THREADS", "3"},
                                          {"CPSS_RESP_THREADS", "3"}});
  expect_good_service(server, {"--count", "20000", "-c", "4", "-q", "50"});
}

TEST(Wiring, BatchOfOne) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"}, {"CPSS_BATCH", "1"}});
  expect_good_service(server, {"--count", "50000"});
  EXPECT_EQ(server.stats().at("stages").at(0).at("batch").at("max"), 1);
}

TEST(Wiring, FourMillionSlotsCostWhatIsUsed) {
  // The server might come to use all of them, which is more memory than this machine has.
  ServerProcess server(
      program::kServer,
      {{"CPSS_SERVICE", "echo"}, {"CPSS_QSLOTS", "4000000"}, {"CPSS_MEMORY_CHECK", "warn"}});
  expect_good_service(server, {"--count", "50000"});
}

TEST(Wiring, HistogramsCanBeOff) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"}, {"CPSS_HISTOGRAMS", "0"}});
  expect_good_service(server, {"--count", "1000"});
  EXPECT_EQ(server.stats().at("stages").at(1).at("wait_ns").at("count"), 0);
}

TEST(Wiring, SeveralAddressesOfBothFamilies) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"},
                                          {"CPSS_LISTEN", "127.0.0.1:0,[::1]:0,127.0.0.2:0"}});
  for (std::size_t i = 0; i < 3; ++i) {
    const SocketAddress address = server.address(i);
    UdpClient client(address,
                     SocketAddress(address.family() == AF_INET6 ? *IpAddress::parse("::1")
                                                                : *IpAddress::parse("127.0.0.1"),
                                   0));
    EXPECT_EQ(client.ask("hello"), "hello");
    EXPECT_EQ(client.last_peer(), address);
  }
  server.expect_clean_end();
}

// The reply leaves from the address that was asked, for IPv4 and IPv6 through one socket.
TEST(Wiring, WildcardAnswersFromTheAddressAsked) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"}, {"CPSS_LISTEN", "[::]:0"}});
  const std::uint16_t port = server.port();
  for (const char* ip : {"127.0.0.1", "127.0.0.9", "127.1.2.3", "::1"}) {
    const IpAddress asked = *IpAddress::parse(ip);
    UdpClient client(SocketAddress(asked, port),
                     SocketAddress(*IpAddress::parse(asked.is_v4() ? "127.0.0.1" : "::1"), 0));
    EXPECT_EQ(client.ask("hello"), "hello") << ip;
    EXPECT_EQ(client.last_peer(), SocketAddress(asked, port));
  }
  server.expect_clean_end();
}

TEST(Wiring, AllowRefusesTheOthersSilently) {
  ServerProcess server(program::kServer,
                       {{"CPSS_SERVICE", "echo"}, {"CPSS_ALLOW", "127.0.0.2,10.0.0.0/8"}});
  UdpClient stranger(server.address());
  EXPECT_EQ(stranger.send("hello"), 0);
  UdpClient friendly(server.address(), SocketAddress(*IpAddress::parse("127.0.0.2"), 0));
  EXPECT_EQ(friendly.ask("hello"), "hello");
  EXPECT_FALSE(stranger.receive(std::chrono::milliseconds(50)));
  EXPECT_EQ(server.reason("refused.not_allowed"), 1u);
  server.expect_clean_end();
}

TEST(Wiring, OnlyTrustedPeersGetLongerReplies) {
  ServerProcess server(program::kServer, {{"CPSS_TRUSTED", "127.0.0.2"}});
  const std::string request = lookup_request("+12025550123", 1, 30);
  UdpClient stranger(server.address());
  EXPECT_EQ(stranger.ask(request).value().size(), request.size());
  UdpClient trusted(server.address(), SocketAddress(*IpAddress::parse("127.0.0.2"), 0));
  EXPECT_GT(trusted.ask(request).value().size(), request.size());
  server.expect_clean_end();
}

TEST(Wiring, ServicesThatMisbehaveAreCounted) {
  const struct {
    const char* service;
    const char* payload;
    const char* reason;
  } cases[] = {{"silent", "x", "no_answer"},
               {"mute", "x", "failed.no_verdict"},
               {"too-long", "x", "failed.reply_too_long"},
               {"thrower", "!", "failed.service_threw"},
               {"deferring", "!", "failed.deferred_twice"}};
  for (const auto& [service, payload, reason] : cases) {
    SCOPED_TRACE(service);
    ServerProcess server(program::kTestServer, {{"CPSS_SERVICE", service}});
    UdpClient client(server.address());
    EXPECT_EQ(client.send(payload), 0);
    server.wait_until_idle(1);
    EXPECT_EQ(server.reason(reason), 1u);
    server.expect_clean_end();
  }
}

TEST(Wiring, ThrowingServiceGoesOnAndIsLoggedOnce) {
  ServerProcess server(program::kTestServer, {{"CPSS_SERVICE", "thrower"}});
  UdpClient client(server.address());
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(client.send("!"), 0);
  EXPECT_EQ(client.ask("good"), "good");
  server.wait_until_idle(1001);
  EXPECT_EQ(server.reason("failed.service_threw"), 1000u);
  server.expect_clean_end();
  const std::string log = server.process().errors();
  std::size_t lines = 0;
  for (std::size_t at = log.find("service threw"); at != std::string::npos;
       at = log.find("service threw", at + 1))
    ++lines;
  EXPECT_GE(lines, 1u);
  EXPECT_LE(lines, 4u) << log;
  EXPECT_THAT(log, testing::HasSubstr("asked to throw"));
}

TEST(Wiring, DeferredIsAnsweredInPlace) {
  ServerProcess server(program::kTestServer, {{"CPSS_SERVICE", "deferring"}});
  UdpClient client(server.address());
  EXPECT_EQ(client.ask("later"), "later");
  server.expect_clean_end();
}

TEST(Wiring, WorkEchoesAfterItsTime) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "work"}, {"CPSS_WORK", "exp:20"}});
  expect_good_service(server, {"--count", "10000"});
}

TEST(Wiring, WorkOfWhichAClientKnowsWhatTakesLong) {
  const std::string text = "bimodal:0,3000,0.3;sleep;defer=2000";
  const WorkProfile profile = WorkProfile::parse(text);
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "work"}, {"CPSS_WORK", text}});
  UdpClient client(server.address());
  std::uint64_t long_ones = 0;
  for (char i = 0; i < 50; ++i) {
    const std::string payload = "transact" + std::string(8, i) + "and more";
    const std::uint64_t key = WorkProfile::key_of(std::as_bytes(std::span(payload)));
    const auto sent = std::chrono::steady_clock::now();
    EXPECT_EQ(client.ask(payload), payload);
    EXPECT_GE(std::chrono::steady_clock::now() - sent,
              std::chrono::nanoseconds(profile.time_ns(key)));
    if (profile.is_long(key)) ++long_ones;
  }
  EXPECT_GT(long_ones, 0u);
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 50u);
}

TEST(Wiring, TwoServersAtOnce) {
  ServerProcess one(program::kServer, {{"CPSS_SERVICE", "echo"}});
  ServerProcess two(program::kServer, {{"CPSS_SERVICE", "echo"}});
  expect_good_service(one, {"--count", "10000"});
  expect_good_service(two, {"--count", "10000"});
}

TEST(Wiring, FirstLogLineSaysThatTheSampleIsUsed) {
  ServerProcess server(program::kServer, {});
  server.expect_clean_end();
  const std::string log = server.process().errors();
  EXPECT_THAT(log.substr(0, log.find('\n')), testing::HasSubstr("sample"));
}

}  // namespace
}  // namespace cpss
