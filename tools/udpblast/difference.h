// Puts bytes into words for the report. Allocates, so only for the rare case. No state, any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace cpss::udpblast {

inline constexpr std::size_t kQuotedBytes = 300;  // of a datagram or its body, at most

// "byte 17 is 0x00 instead of 0x5a" or "80 bytes instead of 256"; nullopt if both are equal.
std::optional<std::string> first_difference(std::span<const std::byte> expected,
                                            std::span<const std::byte> got);

}  // namespace cpss::udpblast
