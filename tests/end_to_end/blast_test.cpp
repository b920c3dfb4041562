// The load client against the real server: latency under a plan when the server stalls, and each
// lost message in its place.
#include <chrono>
#include <memory>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/support/eventually.h"

namespace cpss {
namespace {

using testing::HasSubstr;

using Arguments = std::vector<std::string>;

Arguments command(const ServerProcess& server, const Arguments& arguments) {
  Arguments all = {program::kBlast,     "-p",    std::to_string(server.port()), "--stats-file",
                   server.stats_file(), "--json"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

nlohmann::json report_of(const Finished& finished) {
  EXPECT_THAT(finished.output, HasSubstr("{")) << finished.errors;
  return nlohmann::json::parse(finished.output, nullptr, false);
}

nlohmann::json blast(const ServerProcess& server, const Arguments& arguments) {
  return report_of(run_program(command(server, arguments)));
}

std::uint64_t sum_of_places(const nlohmann::json& loss) {
  std::uint64_t sum = 0;
  for (const auto& [key, value] : loss.items())
    if (key != "total" && key != "unexplained") sum += value.get<std::uint64_t>();
  return sum;
}

// Every message without a right answer is in exactly one place (M05).
void expect_all_in_place(const nlohmann::json& report) {
  const nlohmann::json& loss = report.at("loss");
  ASSERT_TRUE(loss.is_object()) << report.dump();
  const std::uint64_t lost =
      report.at("lost").get<std::uint64_t>() + report.at("wrong").get<std::uint64_t>();
  EXPECT_EQ(loss.at("unexplained"), 0) << report.dump();
  EXPECT_EQ(loss.at("total"), lost) << report.dump();
  EXPECT_EQ(sum_of_places(loss), lost) << report.dump();
}

void expect_all_at(const nlohmann::json& report, const std::string& place) {
  expect_all_in_place(report);
  EXPECT_GT(report.at("lost"), 0) << report.dump();
  EXPECT_EQ(report.at("loss").at(place), report.at("lost")) << report.dump();
}

// M02: a closed loop measures a second in which the server stands still by the few messages under
// way; here all messages planned meanwhile measure it.
TEST(Blast, M02AStalledServerShowsInTheLatencies) {
  ServerProcess server(program::kServer, {});
  Program client(command(server, {"-Q", "2000", "-l", "10"}));
  std::this_thread::sleep_for(std::chrono::seconds(2));
  server.process().signal(SIGSTOP);
  std::this_thread::sleep_for(std::chrono::milliseconds(1'050));
  server.process().signal(SIGCONT);
  const nlohmann::json report = report_of(client.finish());
  EXPECT_EQ(report.at("planned"), 20'000) << report.dump();
  EXPECT_EQ(report.at("missed"), 0) << report.dump();
  EXPECT_EQ(report.at("sent"), 20'000) << report.dump();
  EXPECT_GE(report.at("latency_ns").at("max"), 1'000'000'000) << report.dump();
  EXPECT_GT(report.at("latency_ns").at("p999"), 900'000'000) << report.dump();
  expect_all_in_place(report);
  server.expect_clean_end();
}

TEST(Blast, WhatAStoppedServersKernelDroppedIsToldFromTheRest) {
  ServerProcess server(program::kServer, {{"CPSS_SOCKET_BUFFER", "8192"}});
  Program client(command(server, {"-Q", "500", "--count", "2500", "-t", "3"}));
  // Only now: before the client has looked at the server, it would find one that hangs.
  ASSERT_TRUE(eventually([&] { return server.ledger("received") > 0; }));
  server.process().signal(SIGSTOP);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  server.process().signal(SIGCONT);
  const nlohmann::json report = report_of(client.finish());
  expect_all_in_place(report);
  EXPECT_GT(report.at("loss").at("server_kernel"), 500) << report.dump();
  EXPECT_EQ(report.at("loss").at("to_server"), 0) << report.dump();
  server.expect_clean_end();
}

TEST(Blast, Refused) {
  ServerProcess server(program::kServer, {{"CPSS_ALLOW", "10.0.0.0/8"}});
  expect_all_at(blast(server, {"--count", "50", "-t", "0.3"}), "refused");
}

TEST(Blast, Invalid) {
  ServerProcess server(program::kServer, {});
  expect_all_at(blast(server, {"--count", "50", "-t", "0.3", "--service", "echo"}), "invalid");
}

TEST(Blast, FailedInTheService) {
  ServerProcess server(program::kTestServer, {{"CPSS_SERVICE", "mute"}});
  expect_all_at(blast(server, {"--count", "50", "-t", "0.3", "--service", "echo"}), "failed");
}

TEST(Blast, NoAnswer) {
  ServerProcess server(program::kTestServer, {{"CPSS_SERVICE", "silent"}});
  expect_all_at(blast(server, {"--count", "50", "-t", "0.3", "--service", "echo"}), "no_answer");
}

TEST(Blast, RepliesLostOnTheWayBack) {
  ServerProcess server(program::kTestServer, {{"TEST_SENDS", "drop"}, {"TEST_SENDS_EVERY", "4"}});
  const nlohmann::json report = blast(server, {"--count", "400", "-t", "1.5", "-Q", "1000"});
  EXPECT_EQ(report.at("lost"), 100) << report.dump();
  expect_all_at(report, "to_client");
}

TEST(Blast, RepliesThatAreTooLate) {
  ServerProcess server(
      program::kTestServer,
      {{"TEST_SENDS", "delay"}, {"TEST_SENDS_EVERY", "10"}, {"TEST_SENDS_DELAY_MS", "1500"}});
  // The time-out is longer than a busy machine delays the other replies.
  const nlohmann::json report = blast(server, {"--count", "200", "-t", "1", "-Q", "2000"});
  EXPECT_GE(report.at("late"), 20) << report.dump();
  expect_all_at(report, "too_late");
}

// Bursts that two slots cannot hold: some requests are shed, with a busy reply or without.
TEST(Blast, ShedWithBusyRepliesAndWithout) {
  ServerProcess server(program::kServer, {{"CPSS_QSLOTS", "2"},
                                          {"CPSS_OVERLOAD", "shed"},
                                          {"CPSS_BUSY_RATE", "50"},
                                          {"CPSS_DISPATCH", "queued"}});
  const nlohmann::json report = blast(server, {"--burst", "1000/50", "-l", "0.5", "-t", "0.5"});
  expect_all_in_place(report);
  EXPECT_GT(report.at("busy"), 0) << report.dump();
  EXPECT_GE(report.at("loss").at("shed"), report.at("busy")) << report.dump();
  server.expect_clean_end();
}

TEST(Blast, LongMessagesAreToldFromShortOnes) {
  const std::string work = "bimodal:0,20000,0.1;sleep;defer=100";
  ServerProcess server(
      program::kServer,
      {{"CPSS_SERVICE", "work"}, {"CPSS_WORK", work}, {"CPSS_WORKER_THREADS", "4"}});
  const nlohmann::json report =
      blast(server, {"--service", "work", "--work", work, "-Q", "500", "--count", "1000"});
  EXPECT_EQ(report.at("right"), 1'000) << report.dump();
  const nlohmann::json& classes = report.at("classes");
  ASSERT_EQ(classes.size(), 2u) << report.dump();
  EXPECT_EQ(classes.at(0).at("messages").get<int>() + classes.at(1).at("messages").get<int>(),
            1'000);
  EXPECT_GT(classes.at(1).at("messages"), 0) << report.dump();
  EXPECT_EQ(classes.at(1).at("latency_ns").at("count"), classes.at(1).at("messages"));
  EXPECT_GE(classes.at(1).at("latency_ns").at("p50"), 20'000'000) << report.dump();
  expect_all_in_place(report);
  server.expect_clean_end();
}

TEST(Blast, WrongReplies) {
  ServerProcess server(program::kTestServer,
                       {{"CPSS_SERVICE", "wrong-lookup"}, {"TEST_EVERY", "10"}});
  const nlohmann::json report = blast(server, {"--count", "200"});
  EXPECT_EQ(report.at("wrong"), 20) << report.dump();
  expect_all_in_place(report);
  EXPECT_EQ(report.at("loss").at("wrong"), 20) << report.dump();
}

TEST(Blast, StillInsideTheServer) {
  const TemporaryFolder folder;
  const std::string gate = folder.write("gate", "");
  ServerProcess server(
      program::kTestServer,
      {{"CPSS_SERVICE", "gated"}, {"TEST_GATE", gate}, {"CPSS_DISPATCH", "queued"}});
  expect_all_at(blast(server, {"--count", "20", "-t", "0.3", "--service", "echo"}), "in_server");
  unlink(gate.c_str());
}

TEST(Blast, NothingLostAndNothingUnexplained) {
  ServerProcess server(program::kServer, {});
  const nlohmann::json report = blast(server, {"--count", "20000", "-c", "4", "-T", "2"});
  EXPECT_EQ(report.at("right"), 20'000) << report.dump();
  expect_all_in_place(report);
}

TEST(Blast, AServerThatWasReplacedIsNotAccountable) {
  const TemporaryFolder folder;
  const std::string stats_file = folder.file("stats");
  auto server = std::make_unique<ServerProcess>(program::kServer,
                                                Environment{{"CPSS_STATS_FILE", stats_file}});
  // Runs until it is told to end, so that it runs with both servers.
  Program client(command(*server, {"-Q", "500", "-l", "300", "-t", "0.3"}));
  ASSERT_TRUE(eventually([&] { return server->ledger("received") > 0; }));
  server->expect_clean_end();
  server = std::make_unique<ServerProcess>(program::kServer,
                                           Environment{{"CPSS_STATS_FILE", stats_file}});
  client.signal(SIGINT);
  const nlohmann::json report = report_of(client.finish());
  EXPECT_EQ(report.at("loss"), nullptr) << report.dump();
  EXPECT_THAT(report.at("loss_notes").dump(), HasSubstr("another server")) << report.dump();
}

TEST(Blast, OtherClientsInTheRegionAreNoticed) {
  ServerProcess server(program::kServer, {});
  // Runs until it is told to end, so that it runs all the time, on a slow machine too.
  Program other(command(server, {"-l", "300"}));
  ASSERT_TRUE(eventually([&] { return server.ledger("received") > 0; }));
  const nlohmann::json report = blast(server, {"-Q", "100", "-l", "0.5"});
  EXPECT_LT(report.at("loss").at("unexplained"), 0) << report.dump();
  EXPECT_THAT(report.at("loss_notes").dump(), HasSubstr("other clients")) << report.dump();
  other.signal(SIGINT);
  EXPECT_EQ(other.finish().code, 0);
}

TEST(Blast, AStatsFileThatCannotBeReadIsAnErrorBeforeAnythingIsSent) {
  ServerProcess server(program::kServer, {});
  const Finished result =
      run_program({program::kBlast, "-p", std::to_string(server.port()), "--count", "10",
                   "--stats-file", server.stats_file() + ".missing"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.errors, HasSubstr("--stats-file: stats region " + server.stats_file() +
                                       ".missing does not exist"));
  EXPECT_EQ(server.ledger("received"), 0u);
}

}  // namespace
}  // namespace cpss
