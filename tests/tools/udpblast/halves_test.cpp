// `udpblast send` and `udpblast verify` with a server between them that replies to a fixed address.
#include <chrono>
#include <csignal>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/program.h"
#include "tests/tools/udpblast/responder.h"

namespace cpss::udpblast {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// `udpblast verify` on a free port, ready to receive.
class Verifier {
 public:
  explicit Verifier(std::vector<std::string> arguments) : program_(with(std::move(arguments))) {
    const std::string before = " are to arrive at 127.0.0.1:";
    for (int i = 0; i < 5'000 && port_ == 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      const std::string errors = program_.errors();
      const std::size_t at = errors.find(before);
      if (at != std::string::npos && errors.back() == '\n')
        port_ = static_cast<std::uint16_t>(std::stoul(errors.substr(at + before.size())));
    }
    EXPECT_NE(port_, 0) << program_.errors();
  }

  SocketAddress address() const { return {*IpAddress::parse("127.0.0.1"), port_}; }
  Program& program() { return program_; }
  nlohmann::json report(int code) {
    const Finished finished = program_.finish();
    EXPECT_EQ(finished.code, code) << finished.output << finished.errors;
    return nlohmann::json::parse(finished.output);
  }

 private:
  static std::vector<std::string> with(std::vector<std::string> arguments) {
    for (const char* argument : {"--json", "0", "-p", "verify", CPSS_UDPBLAST})
      arguments.insert(arguments.begin(), argument);
    return arguments;
  }

  Program program_;
  std::uint16_t port_ = 0;
};

Finished send(const Responder& server, std::vector<std::string> arguments) {
  const std::string port = std::to_string(server.port());
  for (const std::string& argument :
       {port, std::string("-p"), std::string("send"), std::string(CPSS_UDPBLAST)})
    arguments.insert(arguments.begin(), argument);
  return run_program(std::move(arguments));
}

TEST(Halves, EveryReplyIsVerified) {
  Verifier verifier({"--seed", "42", "--count", "5000"});
  const Responder server(ping_replies(), {.reply_to = verifier.address()});
  const Finished sent = send(server, {"--seed", "42", "--count", "5000", "-Q", "20000", "--json"});
  EXPECT_EQ(sent.code, 0) << sent.output << sent.errors;
  const auto report = nlohmann::json::parse(sent.output);
  EXPECT_EQ(report.at("seed"), 42);
  EXPECT_EQ(report.at("planned"), 5'000);
  EXPECT_EQ(report.at("sent"), 5'000);
  EXPECT_EQ(report.at("missed"), 0);
  EXPECT_EQ(report.at("asked_rate_per_s"), 20'000);
  EXPECT_EQ(report.at("schedule").at("lag_ns").at("count"), 5'000);
  EXPECT_FALSE(report.contains("right"));
  const auto verified = verifier.report(0);
  EXPECT_EQ(verified.at("seed"), 42);
  EXPECT_EQ(verified.at("expected"), 5'000);
  EXPECT_EQ(verified.at("right"), 5'000);
  EXPECT_EQ(verified.at("missing"), 0);
  EXPECT_EQ(verified.at("packets_in"), 5'000);
}

// Two threads and several sockets, without a plan; few messages, so that nothing is dropped.
TEST(Halves, FlatOutWithContentFromTheSeed) {
  Verifier verifier({"--service", "echo", "--size", "100", "--seed", "7", "--count", "200"});
  const Responder server(echo_replies(), {.reply_to = verifier.address()});
  const Finished sent = send(server, {"--service", "echo", "--size", "100", "--seed", "7",
                                      "--count", "200", "-c", "3", "-T", "2"});
  EXPECT_EQ(sent.code, 0) << sent.output << sent.errors;
  EXPECT_THAT(sent.output, AllOf(HasSubstr("planned 200 = sent 200 + missed 0"),
                                 HasSubstr("seed        7;"), HasSubstr("all sent")));
  EXPECT_EQ(verifier.report(0).at("right"), 200);
}

TEST(Halves, EveryFaultIsToldApart) {
  Verifier verifier({"--seed", "1", "--count", "100", "-t", "0.5"});
  const Responder server(ping_replies(), {.mischief = {{10, Mischief::drop},
                                                       {20, Mischief::repeat},
                                                       {30, Mischief::busy},
                                                       {40, Mischief::change_last},
                                                       {50, Mischief::cut_to_4},
                                                       {60, Mischief::unknown_id}},
                                          .reply_to = verifier.address()});
  EXPECT_EQ(send(server, {"--seed", "1", "--count", "100", "-Q", "10000"}).code, 0);
  const auto verified = verifier.report(1);
  EXPECT_EQ(verified.at("right"), 95);
  EXPECT_EQ(verified.at("wrong"), 1);
  EXPECT_EQ(verified.at("busy"), 1);
  EXPECT_EQ(verified.at("duplicate"), 1);
  EXPECT_EQ(verified.at("malformed"), 1);
  EXPECT_EQ(verified.at("unknown"), 1);
  EXPECT_EQ(verified.at("missing"), 3);
  EXPECT_EQ(verified.at("lost"), 4);
  EXPECT_EQ(verified.at("packets_in"), 100);
}

TEST(Halves, AnotherSeedIsUnknown) {
  Verifier verifier({"--seed", "1", "--count", "10", "-t", "0.3"});
  const Responder server(ping_replies(), {.reply_to = verifier.address()});
  EXPECT_EQ(send(server, {"--seed", "2", "--count", "10"}).code, 0);
  const auto verified = verifier.report(1);
  EXPECT_EQ(verified.at("unknown"), 10);
  EXPECT_EQ(verified.at("missing"), 10);
}

TEST(Halves, LossWithinTheLimitIsAllRight) {
  Verifier verifier({"--seed", "1", "--count", "100", "-t", "0.3", "--max-loss", "1%"});
  const Responder server(ping_replies(),
                         {.mischief = {{10, Mischief::drop}}, .reply_to = verifier.address()});
  EXPECT_EQ(send(server, {"--seed", "1", "--count", "100", "-Q", "10000"}).code, 0);
  EXPECT_EQ(verifier.report(0).at("missing"), 1);
}

TEST(Halves, VerifyEndsAfterItsTimeLimitOrASignal) {
  Verifier limited({"--seed", "1", "--count", "10", "-l", "0.2"});
  const auto verified = limited.report(1);
  EXPECT_EQ(verified.at("missing"), 10);
  EXPECT_THAT(verified.at("problems").dump(), HasSubstr("no reply arrived at"));
  Verifier interrupted({"--seed", "1", "--count", "10"});
  interrupted.program().signal(SIGINT);
  EXPECT_EQ(interrupted.report(1).at("interrupted"), true);
}

TEST(Halves, ASeedIsMadeAndPrinted) {
  const Responder server(ping_replies(), {.answer_at_most = 0});
  const auto seed = [&] {
    const Finished sent = send(server, {"--count", "1", "--json"});
    EXPECT_EQ(sent.code, 0) << sent.errors;
    return nlohmann::json::parse(sent.output).at("seed").get<std::uint64_t>();
  };
  EXPECT_NE(seed(), seed());
}

TEST(Halves, SendEndsAtASignalAndBooksWhatItPlanned) {
  const Responder server(ping_replies(), {.answer_at_most = 0});
  Program sender({CPSS_UDPBLAST, "send", "-p", std::to_string(server.port()), "-Q", "1000", "-l",
                  "50", "--json"});
  for (int i = 0; i < 5'000 && server.received() < 50; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  sender.signal(SIGINT);
  const Finished sent = sender.finish();
  const auto report = nlohmann::json::parse(sent.output);
  EXPECT_EQ(report.at("interrupted"), true);
  EXPECT_GE(report.at("sent"), 50);
  EXPECT_LT(report.at("planned"), 50'000);
  EXPECT_EQ(report.at("planned"),
            report.at("sent").get<std::uint64_t>() + report.at("missed").get<std::uint64_t>());
}

}  // namespace
}  // namespace cpss::udpblast
