// Counts, bytes and seconds: reads and writes them.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "config/table.h"

namespace cpss {

// Nothing if the text was accepted; else its error, to follow the text: "is not ...".
using Complaint = std::optional<std::string>;

// Decimal digits only. Sets `out` only if there is no complaint.
Complaint read_count(std::string_view text, SettingRange range, unsigned& out);

// A count with one of k, K, M, G, KiB, MiB, GiB behind it, or none; all are powers of 1024.
Complaint read_bytes(std::string_view text, SettingRange range, std::size_t& out);
// As read_bytes() takes it: 4MiB, 1024.
std::string bytes_text(std::size_t bytes);

// A count, or one with a point and at most 9 further digits.
Complaint read_seconds(std::string_view text, SettingRange range, std::chrono::nanoseconds& out);
// The shortest form read_seconds() takes: 5, 0.25.
std::string seconds_text(std::chrono::nanoseconds duration);

// Whether no byte is a control character; bytes above ASCII count as printable.
bool is_printable(std::string_view text);

}  // namespace cpss
