// Large numbers as people read them. Pure functions.
#pragma once

#include <cstdint>
#include <string>

namespace cpss {

std::string format_count(std::uint64_t value);        // 2,020,222
std::string format_signed_count(std::int64_t value);  // -1,024
std::string format_bytes(std::uint64_t bytes);        // 812 bytes, 64.0 KiB, 49.1 MiB

}  // namespace cpss
