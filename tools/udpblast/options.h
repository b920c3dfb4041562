// The options of the command line.
//
// For set-up: one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "net/address.h"
#include "services/work_profile.h"

namespace cpss::udpblast {

enum class ServiceKind : std::uint8_t { lookup, echo, work };

// Which half of a run this process does: both, or one of them (docs/udpblast.md).
enum class Part : std::uint8_t { both, send, verify };

struct Burst {
  std::uint64_t messages = 0;
  std::uint64_t gap_ns = 0;
};

inline constexpr std::uint32_t kDefaultOutstanding = 100;  // of a closed loop
inline constexpr double kDefaultMaxMissed = 0.01;
inline constexpr std::uint32_t kMaxOutstanding = 1'000'000;
inline constexpr std::uint64_t kMaxVerified = std::uint64_t{1} << 32;  // messages, a bit each

// At least one of data_file, run_ns and count is set, so every run ends; for `verify` at least one
// of data_file and count, so the messages are known. At most one of rate and burst is set; if one
// is, the loop is open.
struct Options {
  Part part = Part::both;
  SocketAddress server;                    // `verify`: where the replies arrive
  std::string server_name;                 // as the user gave it; empty: by its address
  std::vector<std::string> server_others;  // the other addresses of that name
  std::optional<SocketAddress> source;     // the messages leave from it; port 0
  ServiceKind service = ServiceKind::lookup;
  std::optional<WorkProfile> work;       // only with work: the server's CPSS_WORK
  std::optional<std::string> data_file;  // only with lookup; none: pings
  std::optional<std::uint64_t> run_ns;
  std::optional<std::uint64_t> count;  // messages
  std::size_t size = 256;              // bytes of each message
  std::uint32_t clients = 1;           // sockets
  std::uint32_t threads = 1;           // at most one for each client
  std::uint32_t segments = 1;          // messages in one packet; 1: UDP_SEGMENT is not used
  // Max messages under way over all clients, at least one for each. None: kDefaultOutstanding in a
  // closed loop, no limit in an open one.
  std::optional<std::uint32_t> outstanding;
  std::optional<std::uint64_t> rate;  // messages a second
  std::optional<Burst> burst;
  std::uint64_t timeout_ns = 5'000'000'000;
  std::optional<std::uint64_t> interval_ns;
  double max_loss = 0;               // ratio
  std::optional<double> max_missed;  // ratio
  std::optional<std::string> stats_file;
  std::optional<std::uint64_t> seed;  // of transaction ids; always set for `verify`
  bool check = true;                  // the content of replies
  bool json = false;

  bool open_loop() const noexcept { return rate || burst; }
  // By default `send` may miss no message: the verifying half would count it as lost.
  double missed_allowed() const noexcept {
    return max_missed.value_or(part == Part::send ? 0 : kDefaultMaxMissed);
  }
  // `localhost (127.0.0.1:7700)`, `127.0.0.1:7700`.
  std::string server_text() const;
};

// what() has one line for each wrong option.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// --help or --version was asked for: print this and end.
struct Information {
  std::string text;
};

// `arguments` without the program's name. Throws UsageError.
std::variant<Options, Information> parse_options(std::span<const char* const> arguments);

}  // namespace cpss::udpblast
