#include "tests/end_to_end/flooded_server.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/eventually.h"
#include "tests/support/flood.h"
#include "tests/support/sanitizers.h"

namespace cpss {

std::uint64_t allocated_kib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; status >> word;)
    if (word == "VmData:") {
      std::uint64_t kib = 0;
      status >> kib;
      return kib;
    }
  return 0;
}

void expect_no_more_allocated(pid_t pid, std::uint64_t before_kib) {
  constexpr std::uint64_t kKeptKib = 1024;
  if (kThreadSanitizer) return;
  EXPECT_LE(allocated_kib(pid), before_kib + kKeptKib) << "memory grew";
}

FloodAccount::FloodAccount(const ServerProcess& server)
    : server_(server), backlog_drops_before_(backlog_drops()) {}

void FloodAccount::wait_until_all_taken() const {
  const bool taken = eventually([this] { return missing() <= lost_before_us(); });
  EXPECT_TRUE(taken) << missing() << " of " << sent_ << " are in no counter";
  server_.wait_until_idle();
}

void FloodAccount::expect_all_accounted() const {
  EXPECT_GE(missing(), 0) << "more was counted than sent";
  EXPECT_LE(missing(), lost_before_us()) << "of " << sent_;
}

std::int64_t FloodAccount::missing() const {
  const nlohmann::json ledger = server_.stats().at("ledger");
  return static_cast<std::int64_t>(sent_) - ledger.at("received").get<std::int64_t>() -
         ledger.at("kernel_dropped").get<std::int64_t>();
}

std::int64_t FloodAccount::lost_before_us() const {
  return static_cast<std::int64_t>(backlog_drops() - backlog_drops_before_);
}

}  // namespace cpss
