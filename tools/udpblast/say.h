// Tells the user something on standard error, during a run or instead of one. Never waits for it to
// be read: text that a stopped terminal, or a pipe that no process reads, does not take is lost,
// and the run goes on.
//
// Main thread.
#pragma once

#include <string>

namespace cpss::udpblast {

void say(const std::string& text) noexcept;
// For text that is worth nothing a moment later: drops it while other text waits to be written.
void say_for_now(const std::string& text) noexcept;

}  // namespace cpss::udpblast
