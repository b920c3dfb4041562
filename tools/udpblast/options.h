// What the command line asks for.
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

#include "net/address.h"

namespace cpss::udpblast {

enum class ServiceKind : std::uint8_t { lookup, echo };

// At least one of data_file, run_ns and count is set, so every run ends.
struct Options {
  SocketAddress server;
  ServiceKind service = ServiceKind::lookup;
  std::optional<std::string> data_file;  // only with lookup; none: pings
  std::optional<std::uint64_t> run_ns;
  std::optional<std::uint64_t> count;  // messages
  std::size_t size = 256;              // bytes of each message
  std::uint32_t clients = 1;           // sockets
  std::uint32_t threads = 1;           // at most one for each client
  std::uint32_t outstanding = 100;     // messages in all, at least one for each client
  std::uint64_t timeout_ns = 5'000'000'000;
  std::optional<std::uint64_t> interval_ns;
  double max_loss = 0;  // ratio
  bool check = true;    // the content of replies
  bool json = false;
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
