#include "tests/end_to_end/flooded_server.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/flood.h"

namespace cpss {

std::uint64_t resident_kib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; status >> word;)
    if (word == "VmRSS:") {
      std::uint64_t kib = 0;
      status >> kib;
      return kib;
    }
  return 0;
}

void expect_all_accounted(const ServerProcess& server, std::uint64_t sent,
                          std::uint64_t backlog_drops_before) {
  const std::uint64_t lost_before_us = backlog_drops() - backlog_drops_before;
  EXPECT_EQ(sent, server.ledger("received") + server.ledger("kernel_dropped") + lost_before_us);
}

}  // namespace cpss
