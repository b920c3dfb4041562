// Strict readers for the values of options: the whole text, in plain decimal, within the limits.
//
// Not left to Boost.Program_options, which takes -1 for an unsigned number and wraps it.
// No state, any thread. All throw BadValue, whose text says what is allowed.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string_view>

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

}  // namespace cpss::udpblast
