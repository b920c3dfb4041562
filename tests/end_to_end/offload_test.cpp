// Segmentation offload, whole: udpblast and cpssd with many messages in a packet, every reply
// checked, every datagram accounted for.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"

namespace cpss {
namespace {

struct Kind {
  const char* name;
  Environment settings;
  std::vector<std::string> load;
};

class Offload : public testing::TestWithParam<Kind> {};

TEST_P(Offload, EveryReplyIsRightAndTheBooksBalance) {
  constexpr std::uint64_t kMessages = 100'000;
  Environment settings = GetParam().settings;
  settings.emplace("CPSS_SERVICE", "echo");
  ServerProcess server(program::kServer, settings);
  const SocketAddress address = server.address();
  std::vector<std::string> command = {
      program::kBlast,
      "-s",
      address.ip().is_unspecified() ? "127.0.0.1" : address.ip().to_string(),
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
        Kind{"without_gro", {{"CPSS_GRO", "false"}}, {"--segment", "32", "-q", "512"}},
        Kind{"without_gso", {{"CPSS_GSO", "false"}}, {"--segment", "32", "-q", "512"}},
        Kind{"strict", {{"CPSS_HANDOVER", "strict"}}, {"--segment", "32", "-q", "512"}},
        Kind{
            "two_lanes_a_stage",
            {{"CPSS_RECV_THREADS", "2"}, {"CPSS_SERVICE_THREADS", "2"}, {"CPSS_RESP_THREADS", "2"}},
            {"--segment", "32", "-q", "512"}},
        Kind{"any_address", {{"CPSS_LISTEN", "0.0.0.0:0"}}, {"--segment", "32", "-q", "512"}},
        Kind{"v6", {{"CPSS_LISTEN", "[::1]:0"}}, {"--segment", "32", "-q", "512"}},
        Kind{"plain", {}, {}}),
    [](const auto& kind) { return std::string(kind.param.name); });

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
