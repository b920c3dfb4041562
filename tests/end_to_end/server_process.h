// A running server under test, on free ports of the loopback interface, with a stats region of its
// own. The destructor ends it, or kills it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "net/address.h"
#include "tests/support/program.h"

namespace cpss {

// The max time that a program of the tests takes for anything but a set time, on a busy machine.
inline constexpr std::chrono::seconds kPatience{60};

// For a test that runs servers in a network of its own (run_in_namespace()): the max time for their
// starts and drains, and for waits in both, on a busy machine.
inline constexpr std::chrono::seconds kServersInNamespace{240};

class ServerProcess {
 public:
  // Starts `program` and waits until it is live, or degraded; the test fails if it does not get
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

  // Waits until nothing is inside and at least `received` datagrams have come, at most 20 s. A
  // reply reaches its client before its message is counted, so a test that counts replies waits
  // here first. Datagrams in the socket are not known here; after a flood FloodAccount counts them
  // (flooded_server.h).
  void wait_until_idle(std::uint64_t received = 0) const;
  // Waits until exactly `messages` are inside and all that came are counted, at most 20 s.
  void wait_until_inside(std::uint64_t messages) const;
  // Waits until the log has `text`, at most 20 s: the log's thread writes a line some time after
  // the event. That a line is never written can be seen only after the server's end.
  void wait_until_logged(const std::string& text) const;
  // Waits until a server that was told to end, and cannot yet, gets no datagram that is sent from
  // now on; at most 20 s.
  void wait_until_draining() const;
  // getstat --verify exits with 0: every identity holds. The residual is 0, at some moment even
  // under traffic.
  void expect_ledger_balances() const;
  // SIGTERM; then exit code 0, nothing inside, and the ledger balances.
  void expect_clean_end();
  // The same for a server that has already been told to end.
  void expect_to_end_well();

 private:
  TemporaryFolder folder_;
  std::string stats_file_;
  Program process_;
};

// Runs a command as ServerProcess does, for a server that must refuse to start: it reports why on
// standard error and prints nothing else.
Finished run_refused(std::vector<std::string> command, Environment environment,
                     const std::string& stats_file);

}  // namespace cpss
