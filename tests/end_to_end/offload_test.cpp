// Segmentation offload, end to end: udpblast and cpssd with many messages in a packet, every reply
// checked, every datagram accounted for.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "net/udp_socket.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/net/inbox.h"

namespace cpss {
namespace {

struct Kind {
  const char* name;
  Environment settings;
  std::vector<std::string> load;
};

// An address of this host at which the server can be asked.
std::string asked(const SocketAddress& address) {
  if (!address.ip().is_unspecified()) return address.ip().to_string();
  return address.family() == AF_INET6 ? "::1" : "127.0.0.1";
}

class Offload : public testing::TestWithParam<Kind> {};

TEST_P(Offload, EveryReplyIsRightAndTheLedgerBalances) {
  constexpr std::uint64_t kMessages = 100'000;
  Environment settings = GetParam().settings;
  settings.emplace("CPSS_SERVICE", "echo");
  ServerProcess server(program::kServer, settings);
  const SocketAddress address = server.address();
  std::vector<std::string> command = {program::kBlast,
                                      "-s",
                                      asked(address),
                                      "-p",
                                      std::to_string(address.port()),
                                      "--service",
                                      "echo",
                                      "--count",
                                      std::to_string(kMessages),
                                      "--stats-file",
                                      server.stats_file()};
  command.insert(command.end(), GetParam().load.begin(), GetParam().load.end());
  const Finished blast = run_program(command);
  EXPECT_EQ(blast.code, 0) << blast.output << blast.errors;
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("received"), kMessages);
  EXPECT_EQ(server.ledger("answered"), kMessages);
  EXPECT_EQ(server.ledger("sent"), kMessages);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Offload,
    testing::Values(
        Kind{"merged", {}, {"--segment", "32", "-q", "512"}},
        Kind{"of_many_clients", {}, {"--segment", "8", "-q", "512", "-c", "16"}},
        Kind{"odd_packets", {}, {"--segment", "7", "-q", "512", "--size", "333"}},
        Kind{"as_large_as_packets_get",
             {{"CPSS_MSGSIZE", "8192"}},
             {"--segment", "8", "--size", "8000", "-q", "64"}},
        Kind{"few_slots", {{"CPSS_QSLOTS", "5"}}, {"--segment", "32", "-q", "512"}},
        Kind{"one_slot", {{"CPSS_QSLOTS", "1"}}, {"--segment", "32", "-q", "512"}},
        Kind{"small_batches", {{"CPSS_BATCH", "3"}}, {"--segment", "32", "-q", "512"}},
        Kind{"without_gro", {{"CPSS_GRO", "false"}}, {"--segment", "32", "-q", "128"}},
        Kind{"without_gso", {{"CPSS_GSO", "false"}}, {"--segment", "32", "-q", "128"}},
        Kind{"queued", {{"CPSS_DISPATCH", "queued"}}, {"--segment", "32", "-q", "512"}},
        Kind{
            "two_lanes_a_stage",
            {{"CPSS_RECV_THREADS", "2"}, {"CPSS_SERVICE_THREADS", "2"}, {"CPSS_RESP_THREADS", "2"}},
            {"--segment", "32", "-q", "512"}},
        Kind{"any_address", {{"CPSS_LISTEN", "0.0.0.0:0"}}, {"--segment", "32", "-q", "512"}},
        Kind{"any_v6_address", {{"CPSS_LISTEN", "[::]:0"}}, {"--segment", "32", "-q", "512"}},
        Kind{"v6", {{"CPSS_LISTEN", "[::1]:0"}}, {"--segment", "32", "-q", "512"}},
        Kind{"plain", {}, {}}),
    [](const auto& kind) { return std::string(kind.param.name); });

// The number of arrivals in which the 32 replies to the requests of one packet come.
std::size_t arrivals_of_32_replies(const Environment& settings) {
  constexpr std::size_t kCount = 32;
  Environment environment = settings;
  environment.emplace("CPSS_SERVICE", "echo");
  ServerProcess server(program::kServer, environment);
  UdpSocketOptions offload;
  offload.gro = offload.gso = true;
  UdpSocket client(address_of("127.0.0.1"), offload);
  const SocketAddress to = server.address();
  const std::string text(100, 'x');
  const std::vector<OutgoingDatagram> requests(
      kCount, {reinterpret_cast<const std::byte*>(text.data()), text.size(), &to, nullptr});
  EXPECT_EQ(client.send(requests).accepted, kCount);
  Inbox inbox(kCount, 8 << 10);
  std::size_t arrivals = 0;
  std::size_t replies = 0;
  for (int calls = 0; replies < kCount && calls < 100; ++calls) {
    const std::size_t filled = inbox.wait_and_receive(client).filled;
    arrivals += filled;
    for (std::size_t i = 0; i < filled; ++i) replies += inbox.text(i).size() / text.size();
  }
  EXPECT_EQ(replies, kCount);
  server.expect_clean_end();
  return arrivals;
}

TEST(OffloadFacts, EachDirectionIsMergedOrIsNot) {
  if (UdpSocket(address_of("127.0.0.1"), {.gso = true}).max_segments() == 1)
    GTEST_SKIP() << "this kernel has no UDP_SEGMENT";
  // Without pools the first messages are shared out, since nothing is known of their cost yet.
  const Environment pools{{"CPSS_SERVICE_THREADS", "1"}};
  EXPECT_EQ(arrivals_of_32_replies(pools), 1u);
  Environment one_by_one = pools;
  one_by_one["CPSS_GSO"] = "false";
  EXPECT_EQ(arrivals_of_32_replies(one_by_one), 32u);
}

TEST(OffloadFacts, DropsAreOfPacketsWhereTheKernelMerges) {
  for (const bool gro : {false, true}) {
    ServerProcess server(program::kServer,
                         {{"CPSS_SERVICE", "echo"}, {"CPSS_GRO", gro ? "true" : "false"}});
    EXPECT_EQ(server.stats().at("ledger").at("kernel_dropped_exact"), !gro);
    server.expect_clean_end();
  }
}

}  // namespace
}  // namespace cpss
