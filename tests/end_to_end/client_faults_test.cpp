// A server that misbehaves once: udpblast must report exactly that fault, and the server's ledger
// must balance all the same.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/native_wire.h"
#include "tests/end_to_end/break_counter.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"

namespace cpss {
namespace {

constexpr std::uint64_t kMessages = 100'000;

class ClientFaults : public testing::Test {
 protected:
  ClientFaults() {
    // A number of the shipped sample that matches, and one that does not.
    write_file(data_, "+12025550123\t" + expected_body() + "\n+999\t\n");
  }
  // The body of the sample's reply for that number, asked of a server.
  static std::string expected_body() {
    ServerProcess server(program::kServer, {});
    UdpClient client(server.address());
    const std::string reply = client.ask(lookup_request("+12025550123", 1, 512)).value();
    const std::size_t length = native::read_header(std::as_bytes(std::span(reply)))->body_length;
    return reply.substr(native::kHeaderBytes, length);
  }
  // Blasts the server; returns the report as JSON with the exit code added as "code".
  nlohmann::json blast(const ServerProcess& server, std::vector<std::string> more = {}) {
    std::vector<std::string> command = {
        program::kBlast, "-p",      std::to_string(server.port()), "-d",
        data_,           "--count", std::to_string(kMessages),     "--json"};
    command.insert(command.end(), more.begin(), more.end());
    const Finished run = run_program(command);
    nlohmann::json report = nlohmann::json::parse(run.output);
    report["code"] = run.code;
    return report;
  }

  TemporaryFolder folder_;
  const std::string data_ = folder_.file("data.tsv");
};

TEST_F(ClientFaults, NothingWrong) {
  ServerProcess server(program::kTestServer, {});
  const nlohmann::json report = blast(server);
  EXPECT_EQ(report.at("code"), 0) << report.dump(1);
  EXPECT_EQ(report.at("right"), kMessages);
  server.expect_clean_end();
}

TEST_F(ClientFaults, OneWrongRow) {
  ServerProcess server(program::kTestServer,
                       {{"CPSS_SERVICE", "wrong-lookup"}, {"TEST_EVERY", "99999"}});
  const nlohmann::json report = blast(server);
  EXPECT_EQ(report.at("code"), 1);
  EXPECT_EQ(report.at("wrong"), 1) << report.dump(1);
  EXPECT_EQ(report.at("right"), kMessages - 1);
  EXPECT_EQ(report.at("lost"), 0);
  server.expect_clean_end();
}

TEST_F(ClientFaults, OneLost) {
  ServerProcess server(program::kTestServer,
                       {{"TEST_SENDS", "drop"}, {"TEST_SENDS_EVERY", "99999"}});
  const nlohmann::json report = blast(server, {"-t", "1"});
  EXPECT_EQ(report.at("code"), 1);
  EXPECT_EQ(report.at("lost"), 1) << report.dump(1);
  EXPECT_EQ(report.at("right"), kMessages - 1);
  server.expect_clean_end();
}

TEST_F(ClientFaults, OneRepeated) {
  ServerProcess server(program::kTestServer,
                       {{"TEST_SENDS", "repeat"}, {"TEST_SENDS_EVERY", "99999"}});
  const nlohmann::json report = blast(server);
  EXPECT_EQ(report.at("code"), 1);
  EXPECT_EQ(report.at("duplicate"), 1) << report.dump(1);
  EXPECT_EQ(report.at("right"), kMessages);
  server.expect_clean_end();
}

TEST_F(ClientFaults, OneLate) {
  ServerProcess server(
      program::kTestServer,
      {{"TEST_SENDS", "delay"}, {"TEST_SENDS_EVERY", "60000"}, {"TEST_SENDS_DELAY_MS", "1500"}});
  // The time-out is longer than a busy machine delays the other replies.
  const nlohmann::json report = blast(server, {"-t", "1"});
  EXPECT_EQ(report.at("code"), 1);
  EXPECT_EQ(report.at("late"), 1) << report.dump(1);
  EXPECT_EQ(report.at("right"), kMessages - 1);
  server.expect_clean_end();
}

TEST_F(ClientFaults, BrokenCounterMakesVerifyFail) {
  ServerProcess server(program::kServer, {});
  blast(server);
  server.expect_ledger_balances();
  break_counter(server.stats_file(), "received");
  const Finished verify =
      run_program({program::kGetstat, "--verify", "--file", server.stats_file()});
  EXPECT_EQ(verify.code, 1);
  EXPECT_THAT(verify.output, testing::HasSubstr("residual 1"));
}

}  // namespace
}  // namespace cpss
