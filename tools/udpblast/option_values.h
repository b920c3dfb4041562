// Readers for the values of options: each turns the text of one option into its value.
//
// Numbers are read strictly: the whole text, in plain decimal, within the limits. They are not left
// to Boost.Program_options, which takes -1 for an unsigned number and wraps it.
//
// For set-up. No state, any thread. All throw BadValue, whose text says what is allowed.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"
#include "tools/udpblast/options.h"

namespace cpss::udpblast {

class BadValue : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Digits only, `min` to `max`.
std::uint64_t parse_whole(std::string_view text, std::uint64_t min, std::uint64_t max);

// Seconds with or without a fraction ("0.25"), more than 0 and at most a year. Returns ns.
std::uint64_t parse_seconds_ns(std::string_view text);

// A share of a whole: a ratio from 0 to 1 ("0.001"), or a percentage ("0.1%").
double parse_share(std::string_view text);

// "N/GAP": N messages (1 to 1,000,000) every GAP milliseconds, which may have a fraction.
Burst parse_burst(std::string_view text);

struct Host {
  SocketAddress address;            // the resolver's first (RFC 6724)
  std::vector<std::string> others;  // the name's other addresses; an address has none
};

// Whether the text is meant as an address, and not as a name.
bool is_numeric_host(const std::string& text);

// Finds a host that a user has named: by an address, with its interface if it is link-local, or by
// a name that the system's resolver knows (getaddrinfo(3)), which may take seconds.
//
// `family`: of the address that the option `other_end` gives, if it is known, else AF_UNSPEC.
// Throws BadValue.
Host find_host(const std::string& text, std::uint16_t port, sa_family_t family = AF_UNSPEC,
               const char* other_end = "--source");

}  // namespace cpss::udpblast
