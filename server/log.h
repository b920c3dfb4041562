// The server's log: lines on standard error, from the main thread only. Lanes report events instead
// (stages/events.h).
#pragma once

#include <string>

namespace cpss::log {

void set_up();
void info(const std::string& line);
void warning(const std::string& line);
void error(const std::string& line);

}  // namespace cpss::log
