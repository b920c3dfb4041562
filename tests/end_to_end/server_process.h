// A running server under test, on free ports of the loopback interface, with a stats region of its
// own. Stopped, at the latest killed, when the object goes.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "net/address.h"
#include "tests/support/program.h"

namespace cpss {

// For a test that runs servers in a network of its own (run_in_namespace()): what their starts and
// drains, and waits for both, may take on a busy machine.
inline constexpr std::chrono::seconds kServersInNamespace{240};

class ServerProcess {
 public:
  // Starts `program` and waits until it is live, be it degraded; the test fails if it does not get
  // there. A command instead of a program has to execute the server in its own process: sh -c 'exec
  // ...'. CPSS_LISTEN is 127.0.0.1:0, CPSS_STATS_FILE a fresh file and CPSS_DRAIN_TIMEOUT 40 s
  // unless the environment says otherwise.
  ServerProcess(const std::string& program, Environment environment);
  ServerProcess(std::vector<std::string> command, Environment environment);

  Program& process() noexcept { return process_; }
  pid_t pid() const noexcept { return process_.pid(); }
  const std::string& stats_file() const noexcept { return stats_file_; }
  SocketAddress address(std::size_t listener = 0) const;
  std::uint16_t port(std::size_t listener = 0) const { return address(listener).port(); }

  nlohmann::json stats() const;
  nlohmann::json stage(const std::string& name) const;  // "service", ...: its part of stats()
  std::uint64_t ledger(const std::string& name) const;  // "received", "invalid", ...
  std::uint64_t reason(const std::string& name) const;  // "invalid.too_short", ...

  // Waits until nothing is inside and as many datagrams as `received` came, at most 20 s. A reply
  // reaches its client before it is counted: whoever counts replies waits here first. What the
  // socket may still hold is not known; after a flood FloodAccount is (flooded_server.h).
  void wait_until_idle(std::uint64_t received = 0) const;
  // Waits until exactly `messages` are inside and all that came is counted, at most 20 s.
  void wait_until_inside(std::uint64_t messages) const;
  // Waits until the log has `text`, at most 20 s: what writes it is a thread of its own, so a line
  // is there some time after what it tells. That it never says something shows after its end.
  void wait_until_logged(const std::string& text) const;
  // Waits until nothing that is sent from now on is for a server that was told to end, and cannot
  // yet; at most 20 s.
  void wait_until_draining() const;
  // getstat --verify says 0: every identity holds. The residual is 0, under traffic at some moment.
  void expect_ledger_balances() const;
  // SIGTERM; exit code 0; nothing is left inside; and the ledger balances.
  void expect_clean_end();
  // The same of a server that has been told to end.
  void expect_to_end_well();

 private:
  TemporaryFolder folder_;
  std::string stats_file_;
  Program process_;
};

// Runs a command as ServerProcess would, where the server must refuse to start: it says why on
// standard error and prints nothing else.
Finished run_refused(std::vector<std::string> command, Environment environment,
                     const std::string& stats_file);

}  // namespace cpss
