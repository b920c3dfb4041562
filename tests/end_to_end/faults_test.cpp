// Things that go wrong around a running server (the fault catalogue's numbers are in the names).
#include <filesystem>
#include <random>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/eventually.h"
#include "tests/support/flood.h"
#include "tests/support/from_environment.h"
#include "tests/support/namespace.h"
#include "tests/support/run_isolated.h"
#include "tests/support/sanitizers.h"

namespace cpss {
namespace {

Finished getstat(const ServerProcess& server) {
  return run_program({program::kGetstat, "--file", server.stats_file()});
}

// Replies to clients that have gone come back as ICMP errors, which must count against no other
// client.
TEST(Faults, ClientsThatLeave) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"}});
  for (int i = 0; i < 200; ++i) UdpClient(server.address()).send("and away");
  UdpClient client(server.address());
  for (int i = 0; i < 200; ++i) EXPECT_EQ(client.ask("still there"), "still there");
  server.wait_until_idle(400);
  EXPECT_EQ(server.ledger("answered") + server.ledger("failed"), 400u);
  server.expect_clean_end();
}

// Interrupted system calls, injected into every lane. Not into futex: an injected error replaces
// the call, and a wake-up that is not made is no interruption. StopsAndContinuesUnderLoad
// interrupts waits.
TEST(Faults, InterruptedCalls) {
  if (kSanitized) GTEST_SKIP() << "sanitizers and ptrace do not go together";
  const std::string strace = "/usr/bin/strace";
  if (access(strace.c_str(), X_OK) != 0) GTEST_SKIP() << "needs strace";
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"}});
  Program tracer({strace, "-f", "-qq", "-o", "/dev/null", "-e",
                  "trace=recvmmsg,sendmmsg,epoll_wait", "-e",
                  "inject=recvmmsg,sendmmsg,epoll_wait:error=EINTR:when=2+3", "-p",
                  std::to_string(server.process().pid())});
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  if (!tracer.running()) GTEST_SKIP() << "may not trace: " << tracer.errors();
  UdpClient client(server.address());
  for (int i = 0; i < 300; ++i) {
    const std::string request = "request " + std::to_string(i);
    ASSERT_EQ(client.ask(request), request);
  }
  tracer.signal(SIGTERM);
  tracer.wait(std::chrono::seconds(10));
  server.wait_until_idle(300);
  EXPECT_EQ(server.ledger("answered"), 300u);
  server.expect_clean_end();
}

// The kernel says when no delivery is under way any more; on a machine that is behind with its own
// work that may take any time, and the end of the server has a limit.
TEST(Faults, ADeliveryThatDoesNotEndDoesNotHoldUpTheEnd) {
  if (kSanitized) GTEST_SKIP() << "sanitizers and ptrace do not go together";
  const std::string strace = "/usr/bin/strace";
  if (access(strace.c_str(), X_OK) != 0) GTEST_SKIP() << "needs strace";
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"}});
  EXPECT_EQ(UdpClient(server.address()).ask("before"), "before");
  Program tracer({strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace=membarrier", "-e",
                  "inject=membarrier:delay_enter=30s", "-p",
                  std::to_string(server.process().pid())});
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  if (!tracer.running()) GTEST_SKIP() << "may not trace: " << tracer.errors();
  server.process().signal(SIGTERM);
  EXPECT_EQ(server.process().wait(std::chrono::seconds(20)), 0) << server.process().errors();
  server.expect_ledger_balances();
}

TEST(Faults, StopsAndContinuesUnderLoad) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"}});
  Program blast(
      {program::kBlast, "-p", std::to_string(server.port()), "--service", "echo", "-l", "2"});
  for (int i = 0; i < 50; ++i) {
    server.process().signal(SIGSTOP);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    server.process().signal(SIGCONT);
    std::this_thread::sleep_for(std::chrono::milliseconds(15));
  }
  EXPECT_EQ(blast.wait(std::chrono::seconds(30)), 0) << blast.output() << blast.errors();
  server.expect_clean_end();
}

// A packet to A that claims to come from B: two echo servers on the same port, as two default
// installations are.
TEST(Faults, TwoServersDoNotTalkToEachOther) {
  ServerProcess a(program::kServer, {{"CPSS_SERVICE", "echo"}, {"CPSS_LISTEN", "127.0.0.1:0"}});
  ServerProcess b(program::kServer, {{"CPSS_SERVICE", "echo"},
                                     {"CPSS_LISTEN", "127.0.0.2:" + std::to_string(a.port())}});
  const int error = send_forged(b.address(), a.address(), std::as_bytes(std::span("loop", 4)));
  if (error == EPERM || error == EACCES) GTEST_SKIP() << "raw sockets need root";
  ASSERT_EQ(error, 0);
  EXPECT_TRUE(eventually([&] { return a.reason("refused.service_port") == 1; }));
  a.expect_clean_end();
  b.expect_clean_end();
  EXPECT_LE(a.ledger("sent") + b.ledger("sent"), 1u);
  EXPECT_EQ(a.reason("refused.service_port"), 1u);
}

// An echo is not longer than its request.
TEST(Faults, EchoDoesNotAmplify) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"}});
  UdpClient client(server.address());
  for (const std::size_t size : {1u, 2u, 15u, 16u, 100u, 511u, 512u, 1023u, 1024u}) {
    const std::string request(size, 'e');
    EXPECT_EQ(client.ask(request), request);
  }
  server.expect_clean_end();
}

TEST(Faults, H02RegionTruncated) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"}});
  UdpClient client(server.address());
  ASSERT_EQ(client.ask("before"), "before");
  std::filesystem::resize_file(server.stats_file(), 0);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.ask("after"), "after");
  EXPECT_EQ(getstat(server).code, 2);
  server.process().signal(SIGTERM);
  EXPECT_EQ(server.process().wait(std::chrono::seconds(10)), 0) << server.process().errors();
}

TEST(Faults, H02RegionRemoved) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"}});
  UdpClient client(server.address());
  std::filesystem::remove(server.stats_file());
  ASSERT_EQ(client.ask("after"), "after");
  EXPECT_EQ(getstat(server).code, 2);
  server.process().signal(SIGTERM);
  EXPECT_EQ(server.process().wait(std::chrono::seconds(10)), 0) << server.process().errors();
}

TEST(Faults, H02RegionReplacedByAnotherFile) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"}});
  UdpClient client(server.address());
  write_file(server.stats_file() + ".other", std::string(100'000, 'x'));
  std::filesystem::rename(server.stats_file() + ".other", server.stats_file());
  ASSERT_EQ(client.ask("after"), "after");
  EXPECT_EQ(getstat(server).code, 2);
  server.process().signal(SIGTERM);
  EXPECT_EQ(server.process().wait(std::chrono::seconds(10)), 0) << server.process().errors();
}

// Datagrams from and to group addresses, on a wire of the test's own.
TEST(Faults, GroupAddresses) {
  run_isolated([] {
    OtherNamespace other;
    other.connect("near", "far");
    ip_command("addr add 10.77.0.1/24 broadcast 10.77.0.255 dev near");
    other.inside([] { ip_command("addr add 10.77.0.2/24 broadcast 10.77.0.255 dev far"); });
    ServerProcess server(program::kServer,
                         {{"CPSS_SERVICE", "echo"}, {"CPSS_LISTEN", "0.0.0.0:7700"}});
    const SocketAddress asked(*IpAddress::parse("10.77.0.1"), 7700);
    other.inside([&] {
      // The answer shows that the wire works.
      UdpClient client(asked, SocketAddress(*IpAddress::parse("10.77.0.2"), 0));
      EXPECT_EQ(client.ask("hello"), "hello");
      for (const char* source : {"10.77.0.255", "255.255.255.255", "224.0.0.1", "127.0.0.1"})
        send_forged(SocketAddress(*IpAddress::parse(source), 4000), asked,
                    std::as_bytes(std::span("forged", 6)));
      send_forged(SocketAddress(*IpAddress::parse("10.77.0.2"), 4000),
                  SocketAddress(*IpAddress::parse("10.77.0.255"), 7700),
                  std::as_bytes(std::span("to all", 6)));
      // This one comes after all of them.
      EXPECT_EQ(client.ask("goodbye"), "goodbye");
    });
    EXPECT_TRUE(eventually([&] { return server.reason("refused.group_address") >= 1; }));
    server.expect_clean_end();
    // The kernel drops martians itself; the server refuses those that the kernel lets through. None
    // is answered.
    EXPECT_EQ(server.ledger("sent"), 2u);
    EXPECT_EQ(server.ledger("failed"), 0u);
    EXPECT_EQ(server.ledger("refused"), server.ledger("received") - 2);
  });
}

// Replies that the kernel refuses, among others that it sends.
TEST(Faults, UnreachablePeerAmongOthers) {
  run_isolated([] {
    OtherNamespace other;
    other.connect("near", "far");
    add_address("10.77.0.1/24", "near");
    other.inside([] {
      add_address("10.77.0.2/24", "far");
      add_address("10.77.0.3/24", "far");
    });
    const TemporaryFolder folder;
    write_file(folder.file("gate"), "");
    ServerProcess server(program::kTestServer, {{"CPSS_SERVICE", "gated"},
                                                {"TEST_GATE", folder.file("gate")},
                                                {"CPSS_DISPATCH", "queued"},
                                                {"CPSS_LISTEN", "10.77.0.1:7700"}});
    const SocketAddress asked(*IpAddress::parse("10.77.0.1"), 7700);
    other.inside([&] {
      UdpClient good(asked, SocketAddress(*IpAddress::parse("10.77.0.2"), 0));
      UdpClient bad(asked, SocketAddress(*IpAddress::parse("10.77.0.3"), 0));
      for (int i = 0; i < 16; ++i) {
        EXPECT_EQ(good.send("good"), 0);
        EXPECT_EQ(bad.send("bad"), 0);
      }
      for (int i = 0; i < 300 && server.ledger("received") < 32; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    });
    ip_command("route add prohibit 10.77.0.3/32");
    unlink(folder.file("gate").c_str());
    server.wait_until_idle(32);
    EXPECT_EQ(server.ledger("answered"), 16u);
    EXPECT_EQ(server.reason("failed.send_not_permitted") + server.reason("failed.send_unreachable"),
              16u);
    server.expect_clean_end();
  });
}

// Half of the requests are valid ones with 1 to 3 bytes changed, half are noise. scripts/check
// raises their number to a million with MUTATIONS.
TEST(Faults, MutatedRequests) {
  const unsigned count = test::from_environment("MUTATIONS", 10'000);
  ServerProcess server(program::kServer, {});
  Flood flood(server.address(), 1);
  std::mt19937_64 random(42);
  const auto below = [&](std::size_t limit) { return random() % limit; };
  std::uint64_t sent = 0;
  // In parts, so that no full buffer loses any.
  for (unsigned part = 0; part < count; part += 1000) {
    sent += flood
                .send(1000,
                      [&](std::size_t, std::uint64_t, std::span<std::byte> room) -> std::size_t {
                        std::string payload;
                        if (below(2) == 0) {
                          payload = lookup_request("+1202555" + std::to_string(below(10'000)),
                                                   random(), 16 + below(200));
                          for (std::size_t i = 1 + below(3); i > 0; --i)
                            payload[below(std::min<std::size_t>(payload.size(), 32))] =
                                static_cast<char>(random());
                        } else {
                          payload.resize(below(300));
                          for (char& byte : payload) byte = static_cast<char>(random());
                        }
                        std::memcpy(room.data(), payload.data(), payload.size());
                        return payload.size();
                      })
                .datagrams;
    server.wait_until_idle(sent);
    flood.receive_replies(1000, std::chrono::milliseconds(20));
  }
  EXPECT_EQ(server.ledger("received"), sent);
  EXPECT_EQ(server.ledger("answered") + server.ledger("invalid"), sent);
  EXPECT_GT(server.ledger("answered"), sent / 4);
  EXPECT_GT(server.ledger("invalid"), sent / 4);
  UdpClient client(server.address());
  EXPECT_TRUE(client.ask(lookup_request("+12025550123")));
  server.expect_clean_end();
}

}  // namespace
}  // namespace cpss
