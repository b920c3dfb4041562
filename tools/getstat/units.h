// Formats measures for people (counts: stats/format_count.h). Pure functions.
#pragma once

#include <cstdint>
#include <string>

namespace cpss::getstat {

std::string format_time(std::uint64_t ns);          // 830 ns, 1.24 us, 56.3 ms, 1.50 s
std::string format_share(double ratio);             // 45.2 %
std::string format_duration(double seconds);        // 12.3 s, 5 min 02 s, 3 h 05 min, 2 d 03 h
std::string format_rate(double events_per_second);  // 12,345/s, 0.5/s

}  // namespace cpss::getstat
