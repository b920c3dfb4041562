// The programs under test, and what getstat shows.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/program.h"

namespace cpss::program {

extern const std::string kServer;      // cpssd
extern const std::string kTestServer;  // cpssd with misbehaving services and sockets
extern const std::string kGetstat;
extern const std::string kBlast;    // udpblast
extern const std::string kNumbers;  // cpss-numbers
// failing-calls (failing_calls_main.cpp): runs a program with system calls that fail.
extern const std::string kFailingCalls;

// getstat --json of a region; null if it printed nothing.
nlohmann::json stats_of(const std::string& stats_file);

}  // namespace cpss::program
