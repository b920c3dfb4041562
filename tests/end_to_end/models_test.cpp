// The conformance suite of the server models: whatever lanes and sockets a model has, a server
// answers, counts, sheds, drains and ends alike. Features of single models are in
// model_features_test.cpp and model_processes_test.cpp.
#include <algorithm>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "config/server_models.h"
#include "net/udp_socket.h"
#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/gate_file.h"
#include "tests/end_to_end/model_cases.h"
#include "tests/end_to_end/peers.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/net/inbox.h"
#include "tests/support/eventually.h"
#include "tests/support/flood.h"

namespace cpss {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

SocketAddress loopback(const std::string& ip, std::uint16_t port) {
  return address_of(ip, port);
}

class Model : public testing::TestWithParam<ModelCase> {
 protected:
  // The settings of the model, with `more`.
  static Environment with(Environment more) {
    const Environment& settings = GetParam().settings;
    more.insert(settings.begin(), settings.end());
    return more;
  }
  static Environment service(const std::string& name, Environment more = {}) {
    more["CPSS_SERVICE"] = name;
    return with(std::move(more));
  }
  // A server whose service stands still as long as the gate is closed.
  Environment gated(Environment more = {}) const {
    more["TEST_GATE"] = gate_.path();
    return service("gated", std::move(more));
  }
  static bool has_workers() {
    return testing::Value(GetParam().stages, testing::Contains("worker"));
  }

  static void expect_blasted(const ServerProcess& server, Names load) {
    load.insert(load.begin(), {program::kBlast, "-p", std::to_string(server.port()), "--stats-file",
                               server.stats_file()});
    const Finished blast = run_program(std::move(load));
    EXPECT_EQ(blast.code, 0) << blast.output << blast.errors;
  }
  // A server that listens on `listen` is asked at each of these addresses, and answers from there.
  static void expect_answers_at(const std::string& listen, const Names& ips) {
    ServerProcess server(program::kServer, service("echo", {{"CPSS_LISTEN", listen}}));
    const std::uint16_t port = server.port();
    for (const std::string& ip : ips) {
      SCOPED_TRACE(ip);
      const SocketAddress asked = loopback(ip, port);
      UdpClient client(asked, loopback(asked.family() == AF_INET6 ? "::1" : "127.0.0.1", 0));
      EXPECT_EQ(client.ask(ip), ip);
      EXPECT_EQ(client.last_peer(), asked);
    }
    server.expect_clean_end();
    EXPECT_EQ(server.ledger("answered"), ips.size());
  }

  static void wait_until_something_is_inside(const ServerProcess& server) {
    ASSERT_TRUE(eventually([&] { return server.ledger("in_flight") > 0; }));
  }
  static void signal_and_wait_until_it_drains(ServerProcess& server) {
    server.process().signal(SIGTERM);
    server.wait_until_logged("draining");
  }
  // The server ends by itself, and has answered all that it received. Its log shows what it knew
  // before it ended; a process left behind could complete the region later.
  static void expect_to_end_with_all_answered(ServerProcess& server) {
    server.expect_to_end_well();
    EXPECT_EQ(server.ledger("answered"), server.ledger("received"));
    EXPECT_THAT(server.process().errors(),
                AllOf(ContainsRegex("in_flight +0\n"), ContainsRegex("residual +0\n")));
  }
  static void expect_forced_end(ServerProcess& server) {
    EXPECT_EQ(server.process().wait(kPatience), 1) << server.process().errors();
    EXPECT_THAT(server.process().errors(), HasSubstr("forced end"));
    server.expect_ledger_balances();
    EXPECT_GT(server.ledger("received"), 0u);
    EXPECT_EQ(server.reason("failed.forced_end"), server.ledger("received"));
    EXPECT_EQ(server.ledger("in_flight"), 0u);
  }
  // The server must not start, for one reason, and leaves no region behind.
  Finished refused(const Environment& environment) const {
    const std::string stats_file = folder_.file("stats");
    const Finished result = run_refused({program::kServer}, with(environment), stats_file);
    EXPECT_NE(access(stats_file.c_str(), F_OK), 0) << "a region was left behind";
    EXPECT_EQ(result.errors.find("error:"), result.errors.rfind("error:")) << result.errors;
    return result;
  }

  GateFile gate_;
  TemporaryFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Models, Model, testing::ValuesIn(model_cases()),
                         [](const auto& one) { return one.param.name; });

// --- answers ---

TEST_P(Model, AnswersEveryPeerOnEveryAddress) {
  ServerProcess server(program::kServer,
                       service("echo", {{"CPSS_LISTEN", "127.0.0.1:0,127.0.0.2:0"}}));
  Peers here(server.address(0), 5);
  Peers there(server.address(1), 5);
  for (Peers* peers : {&here, &there}) peers->send(6);
  for (Peers* peers : {&here, &there}) EXPECT_EQ(peers->receive().echoes, 30u);
  for (const std::size_t listener : {0u, 1u}) {
    UdpClient client(server.address(listener));
    EXPECT_EQ(client.ask("from where?"), "from where?");
    EXPECT_EQ(client.last_peer(), server.address(listener));
  }
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 62u);
  EXPECT_EQ(server.ledger("sent"), 62u);
}

TEST_P(Model, AnswersAtAWildcardFromTheAddressAsked) {
  expect_answers_at("0.0.0.0:0", {"127.0.0.1", "127.0.0.2", "127.3.4.5"});
}

TEST_P(Model, AnswersOverIpv6AndAtItsWildcard) {
  const std::string no_ipv6 = why_no_address(loopback("::1", 0));
  if (!no_ipv6.empty()) GTEST_SKIP() << no_ipv6;
  expect_answers_at("[::1]:0", {"::1"});
  expect_answers_at("[::]:0", {"::1", "127.0.0.1", "127.0.0.2"});
}

TEST_P(Model, LooksUpNumbers) {
  const std::string numbers =
      folder_.write("numbers.csv", "prefix,gateway\n44,gw1\n4420,gw2\n1202,gw3\n");
  const std::string queries = folder_.write("queries.tsv",
                                            "+442012345\tprefix=4420;gateway=gw2\n"
                                            "+441234567\tprefix=44;gateway=gw1\n"
                                            "12025550123\tprefix=1202;gateway=gw3\n"
                                            "+3312345\t\n");
  ServerProcess server(program::kServer, with({{"CPSS_NUMBERS", numbers}}));
  expect_blasted(server, {"-d", queries, "--count", "400", "-c", "4", "-q", "40"});
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 400u);
}

TEST_P(Model, EchoesPacketsOfManyMessages) {
  ServerProcess server(program::kServer, service("echo"));
  expect_blasted(server, {"--service", "echo", "--segment", "8", "--size", "333", "--count", "480",
                          "-c", "3", "-q", "96"});
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 480u);
}

// Every fifth message is deferred: to workers if there are any, else to be processed in place.
TEST_P(Model, WorksOnLongAndShortMessages) {
  const std::string work = "bimodal:0,300,0.2;sleep;defer=100";
  ServerProcess server(program::kServer, service("work", {{"CPSS_WORK", work}}));
  expect_blasted(server,
                 {"--service", "work", "--work", work, "--count", "300", "-c", "4", "-q", "40"});
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 300u);
  const nlohmann::json service = server.stage("service");
  EXPECT_GT(service.at(has_workers() ? "deferred" : "deferred_in_place"), 0);
  EXPECT_EQ(service.at(has_workers() ? "deferred_in_place" : "deferred"), 0);
}

TEST_P(Model, AnswersWithFewSlotsAndOneByOne) {
  for (const auto& [variable, value] : Environment{{"CPSS_QSLOTS", "1"}, {"CPSS_BATCH", "1"}}) {
    SCOPED_TRACE(variable);
    ServerProcess server(program::kServer, service("echo", {{variable, value}}));
    expect_blasted(server, {"--service", "echo", "--count", "200", "-c", "3", "-q", "30"});
    server.expect_clean_end();
    EXPECT_EQ(server.ledger("answered"), 200u);
  }
}

TEST_P(Model, AnswersPacketsWithTwoSlots) {
  ServerProcess server(program::kServer, service("echo", {{"CPSS_QSLOTS", "2"}}));
  expect_blasted(server,
                 {"--service", "echo", "--segment", "5", "--count", "200", "-c", "2", "-q", "40"});
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 200u);
}

// --- datagrams that are not answered ---

TEST_P(Model, CountsWhatIsNoRequestByReason) {
  ServerProcess server(program::kServer, with({}));
  UdpClient client(server.address());
  const auto request = [](std::size_t offset, char value, std::size_t size = 64) {
    std::string bytes = lookup_request("12025550123", 1, size);
    bytes.at(offset) = value;
    return bytes;
  };
  const std::pair<std::string, const char*> bad[] = {
      {"", "invalid.empty"},
      {lookup_request("1202").substr(0, 15), "invalid.too_short"},
      {lookup_request("1202", 1, 1025), "invalid.truncated"},
      {request(0, 'X'), "invalid.bad_magic"},
      {request(2, 9), "invalid.bad_version"},
      {request(3, 2), "invalid.wrong_direction"},
      {request(3, 9), "invalid.malformed"},
  };
  for (const auto& [payload, reason] : bad) ASSERT_EQ(client.send(payload), 0);
  const auto reply = client.ask(lookup_request("12025550123", 77));
  ASSERT_TRUE(reply) << "a good one among them is answered";
  EXPECT_FALSE(client.receive(std::chrono::milliseconds(0))) << "answered what is no request";
  server.expect_clean_end();
  for (const auto& [payload, reason] : bad) EXPECT_EQ(server.reason(reason), 1u) << reason;
  EXPECT_EQ(server.ledger("answered"), 1u);
  EXPECT_EQ(server.ledger("sent"), 1u);
}

TEST_P(Model, RefusesWhoMayNotAsk) {
  ServerProcess server(program::kServer, service("echo", {{"CPSS_ALLOW", "127.0.0.2"}}));
  UdpClient stranger(server.address());
  for (int i = 0; i < 5; ++i) ASSERT_EQ(stranger.send("may I?"), 0);
  UdpClient friendly(server.address(), loopback("127.0.0.2", 0));
  EXPECT_EQ(friendly.ask("I may"), "I may");
  server.wait_until_idle(6);
  EXPECT_FALSE(stranger.receive(std::chrono::milliseconds(0)));
  server.expect_clean_end();
  EXPECT_EQ(server.reason("refused.not_allowed"), 5u);
  EXPECT_EQ(server.ledger("answered"), 1u);
}

TEST_P(Model, AServiceThatThrowsFailsItsMessageOnly) {
  ServerProcess server(program::kTestServer, service("thrower"));
  UdpClient client(server.address());
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(client.send("!throw"), 0);
    EXPECT_EQ(client.ask("go on"), "go on");
  }
  server.expect_clean_end();
  EXPECT_EQ(server.reason("failed.service_threw"), 10u);
  EXPECT_EQ(server.ledger("answered"), 10u);
}

TEST_P(Model, BooksWhatAServiceDoesNotAnswer) {
  for (const auto& [name, reason] : Environment{{"silent", "no_answer"},
                                                {"mute", "failed.no_verdict"},
                                                {"too-long", "failed.reply_too_long"}}) {
    SCOPED_TRACE(name);
    ServerProcess server(program::kTestServer, service(name));
    Peers(server.address(), 4).send(5);
    server.wait_until_idle(20);
    server.expect_clean_end();
    EXPECT_EQ(server.reason(reason), 20u);
    EXPECT_EQ(server.ledger("sent"), 0u);
  }
}

TEST_P(Model, ProcessesWhatIsDeferredOnce) {
  ServerProcess server(program::kTestServer, service("deferring"));
  UdpClient client(server.address());
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(client.send("!again"), 0);
    EXPECT_EQ(client.ask("later"), "later");
  }
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 10u);
  EXPECT_EQ(server.reason("failed.deferred_twice"), 10u);
  const nlohmann::json service = server.stage("service");
  EXPECT_EQ(service.at(has_workers() ? "deferred" : "deferred_in_place"), 20);
}

// --- the end ---

TEST_P(Model, EndsWithoutTraffic) {
  ServerProcess server(program::kServer, with({}));
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("received"), 0u);
}

TEST_P(Model, AnswersAtTheSignalWhatIsInsideAndWhatTheSocketsHold) {
  ServerProcess server(program::kTestServer, gated({{"CPSS_QSLOTS", "4"}}));
  Peers peers(server.address(), 8);
  peers.send(5);
  wait_until_something_is_inside(server);
  signal_and_wait_until_it_drains(server);
  EXPECT_TRUE(server.process().running());
  gate_.open();
  EXPECT_EQ(peers.receive().echoes, 40u);
  expect_to_end_with_all_answered(server);
  EXPECT_EQ(server.ledger("answered"), 40u);
}

TEST_P(Model, DrainsUnderLoad) {
  ServerProcess server(program::kTestServer, service("slow", {{"TEST_SLEEP_US", "100"}}));
  Flood flood(server.address(), 2);
  Flood::Sent sent;
  std::thread sender([&] { sent = flood.send(400, std::as_bytes(std::span("load", 4))); });
  EXPECT_TRUE(eventually([&] { return server.ledger("received") > 0; }));
  server.process().signal(SIGTERM);
  expect_to_end_with_all_answered(server);
  sender.join();
  EXPECT_LE(server.ledger("received") + server.ledger("kernel_dropped"), sent.datagrams);
}

TEST_P(Model, ASecondSignalEndsItAndTheLedgerCloses) {
  ServerProcess server(program::kTestServer, gated());
  Peers(server.address(), 8).send(5);
  wait_until_something_is_inside(server);
  signal_and_wait_until_it_drains(server);
  server.process().signal(SIGINT);
  expect_forced_end(server);
}

TEST_P(Model, ADrainThatTakesTooLongEndsAndTheLedgerCloses) {
  ServerProcess server(program::kTestServer, gated({{"CPSS_DRAIN_TIMEOUT", "0.1"}}));
  Peers(server.address(), 8).send(5);
  wait_until_something_is_inside(server);
  server.process().signal(SIGTERM);
  expect_forced_end(server);
}

// --- overload ---

// There is one slot, and the service stands still.
TEST_P(Model, UnderBlockWhatFindsNoSlotWaitsInTheKernel) {
  ServerProcess server(program::kTestServer, gated({{"CPSS_QSLOTS", "1"}}));
  Peers peers(server.address(), 16);
  peers.send(3);
  wait_until_something_is_inside(server);
  gate_.open();
  EXPECT_EQ(peers.receive().echoes, 48u);
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 48u);
  EXPECT_EQ(server.ledger("kernel_dropped"), 0u);
}

TEST_P(Model, UnderShedItIsAnsweredBusyWhereSomebodyReceives) {
  ServerProcess server(
      program::kTestServer,
      gated({{"CPSS_QSLOTS", "1"}, {"CPSS_OVERLOAD", "shed"}, {"CPSS_BUSY_RATE", "10000000"}}));
  Peers peers(server.address(), 16);
  peers.send(3);
  wait_until_something_is_inside(server);
  if (GetParam().sheds) {
    EXPECT_TRUE(eventually([&] { return server.ledger("shed") > 0; }));
  }
  gate_.open();
  const Peers::Replies replies = peers.receive();
  EXPECT_EQ(replies.echoes + replies.busy, 48u);
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), replies.echoes);
  EXPECT_EQ(server.ledger("shed"), replies.busy);
  EXPECT_EQ(server.ledger("sent"), 48u);
}

// --- what getstat shows ---

TEST_P(Model, ShowsItsLanesAndTheirShares) {
  ServerProcess server(program::kServer, service("echo"));
  Peers peers(server.address(), 8);
  peers.send(5);
  EXPECT_EQ(peers.receive().echoes, 40u);
  server.wait_until_idle(40);
  server.expect_ledger_balances();
  const nlohmann::json now = server.stats();
  EXPECT_EQ(now.at("model"), GetParam().model);
  Names stages;
  for (const auto& stage : now.at("stages")) {
    stages.push_back(stage.at("name"));
    if (stages.back() == "receive") {
      EXPECT_EQ(stage.at("threads"), GetParam().receivers.size());
    }
  }
  EXPECT_EQ(stages, GetParam().stages);
  Names receivers;
  std::uint64_t received = 0;
  double shares = 0;
  for (const auto& lane : now.at("receivers")) {
    receivers.push_back(lane.at("lane"));
    received += lane.at("received").get<std::uint64_t>();
    shares += lane.at("share").get<double>();
  }
  EXPECT_EQ(receivers, GetParam().receivers);
  EXPECT_EQ(received, 40u);
  EXPECT_NEAR(shares, 1, 1e-5);

  const Finished table = run_program({program::kGetstat, "--file", server.stats_file()});
  EXPECT_THAT(table.output, HasSubstr("model " + GetParam().model));
  EXPECT_EQ(table.output.find("imbalance") != std::string::npos, receivers.size() > 1)
      << table.output;
  server.expect_clean_end();
}

TEST_P(Model, TheLedgerHoldsUnderTraffic) {
  ServerProcess server(program::kServer, service("echo"));
  // Patient: with a sanitizer a fork takes 5 ms and more.
  Program blast({program::kBlast, "-p", std::to_string(server.port()), "--service", "echo",
                 "--stats-file", server.stats_file(), "--burst", "20/10", "-l", "0.5", "-c", "4",
                 "-t", "60"});
  do {
    const Finished verify =
        run_program({program::kGetstat, "--verify", "--file", server.stats_file()});
    EXPECT_EQ(verify.code, 0) << verify.output << verify.errors;
  } while (blast.running());
  EXPECT_EQ(blast.wait(kPatience), 0) << blast.output() << blast.errors();
  server.expect_clean_end();
}

TEST_P(Model, KeepsItsLedgerWithoutHistogramsAndDetails) {
  for (const char* variable : {"CPSS_HISTOGRAMS", "CPSS_RECV_STATS"}) {
    SCOPED_TRACE(variable);
    ServerProcess server(program::kServer, service("echo", {{variable, "0"}}));
    Peers peers(server.address(), 4);
    peers.send(10);
    EXPECT_EQ(peers.receive().echoes, 40u);
    server.wait_until_idle(40);
    const nlohmann::json receive = server.stage("receive");
    EXPECT_EQ(receive.at("batch").at("count"), 0);
    EXPECT_EQ(receive.at("entered"), 40);
    server.expect_clean_end();
  }
}

// --- every model is in the lists that the tests of all models go through ---

TEST(EveryModel, IsUnderTest) {
  const std::vector<ModelCase> cases = model_cases();
  const std::vector<ModelUnderTest> models = every_model();
  for (const ModelTraits& model : kModels) {
    const std::string name(model.name);
    EXPECT_TRUE(std::ranges::any_of(cases, [&](const ModelCase& one) { return one.model == name; }))
        << name;
    EXPECT_TRUE(std::ranges::any_of(models, [&](const ModelUnderTest& one) {
      return one.environment.at("CPSS_MODEL") == name;
    })) << name;
  }
}

// --- starts that are refused ---

TEST_P(Model, AnAddressInUseIs69) {
  const UdpSocket other(loopback("127.0.0.1", 0), {});
  const std::string in_use = other.local_address().to_string();
  const Finished result = refused({{"CPSS_LISTEN", "127.0.0.1:0," + in_use}});
  EXPECT_EQ(result.code, 69);
  EXPECT_THAT(result.errors, HasSubstr(in_use));
}

TEST_P(Model, TheAddressOfAnotherServerOfTheKindIs69) {
  ServerProcess first(program::kServer, service("echo"));
  const SocketAddress address = first.address();
  EXPECT_EQ(refused({{"CPSS_LISTEN", address.to_string()}}).code, 69);
  UdpClient client(address);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(client.ask("still here"), "still here");
  first.expect_clean_end();
}

TEST_P(Model, ASettingOfOtherModelsIs78AndSaysOfWhich) {
  const auto& [setting, models] = GetParam().others;
  const Finished result = refused({{setting, "2"}});
  EXPECT_EQ(result.code, 78);
  EXPECT_THAT(result.errors, AllOf(HasSubstr(setting), HasSubstr("the model " + GetParam().model),
                                   HasSubstr("only to: " + models)));
}

}  // namespace
}  // namespace cpss
