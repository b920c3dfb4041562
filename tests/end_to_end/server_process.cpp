#include "tests/end_to_end/server_process.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "tests/end_to_end/programs.h"
#include "tests/support/eventually.h"

namespace cpss {
namespace {

Environment with_defaults(Environment environment, const std::string& stats_file) {
  environment.emplace("CPSS_LISTEN", "127.0.0.1:0");
  environment.emplace("CPSS_STATS_FILE", stats_file);
  // On a busy machine a drain takes as long as other programs let it.
  environment.emplace("CPSS_DRAIN_TIMEOUT", "40");
  return environment;
}

SocketAddress parse_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  std::string ip = text.substr(0, colon);
  if (ip.front() == '[') ip = ip.substr(1, ip.size() - 2);
  const ScopedAddress address = ScopedAddress::parse(ip).value();
  return {address.ip, static_cast<std::uint16_t>(std::stoul(text.substr(colon + 1))),
          address.interface_index().value_or(0)};
}

}  // namespace

ServerProcess::ServerProcess(const std::string& program, Environment environment)
    : ServerProcess(std::vector{program}, std::move(environment)) {}

ServerProcess::ServerProcess(std::vector<std::string> command, Environment environment)
    : stats_file_(environment.contains("CPSS_STATS_FILE") ? environment["CPSS_STATS_FILE"]
                                                          : folder_.file("stats")),
      process_(std::move(command), with_defaults(std::move(environment), stats_file_)) {
  const auto is_live = [this] {
    if (!process_.running()) return true;
    const nlohmann::json now = stats();
    const std::string state = now.is_object() ? now.value("state", "") : "";
    return (state == "live" || state == "degraded") && now.value("pid", 0) == process_.pid();
  };
  const bool live = eventually(is_live, kPatience);
  EXPECT_TRUE(live && process_.running()) << process_.errors();
}

SocketAddress ServerProcess::address(std::size_t listener) const {
  return parse_address(stats().at("listen").at(listener));
}

nlohmann::json ServerProcess::stats() const {
  return program::stats_of(stats_file_);
}

nlohmann::json ServerProcess::stage(const std::string& name) const {
  const nlohmann::json now = stats();
  for (const nlohmann::json& stage : now.at("stages"))
    if (stage.at("name") == name) return stage;
  ADD_FAILURE() << "no stage " << name;
  return {};
}

std::uint64_t ServerProcess::ledger(const std::string& name) const {
  return stats().at("ledger").at(name);
}

std::uint64_t ServerProcess::reason(const std::string& name) const {
  return stats().at("reasons").at(name);
}

void ServerProcess::wait_until_idle(std::uint64_t received) const {
  nlohmann::json last;
  const bool idle = eventually([&] {
    last = stats()["ledger"];
    // Datagrams are counted as received before they count as inside, so "none inside" alone is not
    // enough.
    return last.at("received") >= received && last.at("in_flight") == 0 && last.at("residual") == 0;
  });
  EXPECT_TRUE(idle) << "expected " << received << " received and none inside: " << last.dump();
}

void ServerProcess::wait_until_inside(std::uint64_t messages) const {
  nlohmann::json last;
  const bool inside = eventually([&] {
    last = stats()["ledger"];
    return last.at("in_flight") == messages && last.at("residual") == 0;
  });
  EXPECT_TRUE(inside) << "expected " << messages << " inside: " << last.dump();
}

void ServerProcess::wait_until_logged(const std::string& text) const {
  EXPECT_TRUE(eventually([&] { return process_.errors().find(text) != std::string::npos; }))
      << text << " is not in the log:\n"
      << process_.errors();
}

// The first heartbeat after the line shows it: main tells the sockets before that heartbeat.
void ServerProcess::wait_until_draining() const {
  wait_until_logged("draining");
  const auto logged = std::chrono::steady_clock::now();
  EXPECT_TRUE(eventually([&] {
    const std::chrono::duration<double> since = std::chrono::steady_clock::now() - logged;
    return stats().at("heartbeat_age_s").get<double>() < since.count();
  })) << process_.errors();
}

void ServerProcess::expect_ledger_balances() const {
  const Finished verify = run_program({program::kGetstat, "--verify", "--file", stats_file_});
  EXPECT_EQ(verify.code, 0) << verify.output << verify.errors;
  nlohmann::json now;
  EXPECT_TRUE(eventually([&] {
    now = stats();
    return now.at("ledger").at("residual") == 0;
  })) << now.at("ledger").dump();
  EXPECT_EQ(now.at("reasons").at("failed.stale_slot"), 0);
}

void ServerProcess::expect_clean_end() {
  process_.signal(SIGTERM);
  expect_to_end_well();
}

void ServerProcess::expect_to_end_well() {
  EXPECT_EQ(process_.wait(kPatience), 0) << process_.errors();
  expect_ledger_balances();
  EXPECT_EQ(ledger("in_flight"), 0u);
  EXPECT_EQ(stats().at("state"), "stopped");
}

Finished run_refused(std::vector<std::string> command, Environment environment,
                     const std::string& stats_file) {
  Finished result =
      run_program(std::move(command), with_defaults(std::move(environment), stats_file));
  EXPECT_EQ(result.output, "");
  return result;
}

}  // namespace cpss
