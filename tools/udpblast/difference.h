// Puts bytes into words for the report. Allocates, so only for the rare case. No state, any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace cpss::udpblast {

// In double quotes, bytes that are not printable ASCII as \xHH; cut with "..." after 300 bytes.
std::string in_quotes(std::string_view text);

// "byte 17 is 0x00 instead of 0x5a" or "80 bytes instead of 256"; nullopt if both are equal.
std::optional<std::string> first_difference(std::span<const std::byte> expected,
                                            std::span<const std::byte> got);

}  // namespace cpss::udpblast
