// The server's log: lines on standard error, from the main thread only. Lanes report events instead
// (stages/lane/events.h).
//
// Nothing waits for the log: if no process reads it, lines are lost and counted, and one line says
// how many as soon as there is room again.
#pragma once

#include <cstdint>
#include <string>

namespace cpss::log {

// Starts the thread that writes. Throws std::bad_alloc, std::system_error.
void set_up();
void info(const std::string& line);
void warning(const std::string& line);
void error(const std::string& line);

// Says how many lines were lost, if any were and there is room. To be called now and then.
void tell_losses();
// Lines lost so far.
std::uint64_t lost();
// At the end of the process: waits until all lines are written, at most 1 s.
void flush();

}  // namespace cpss::log
