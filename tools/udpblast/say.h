// What a person is told on standard error while a run goes on, or instead of one. Nothing waits for
// it to be read: what a terminal that was stopped, or a pipe that nobody reads, does not take is
// lost, and the run goes on.
//
// Main thread.
#pragma once

#include <string>

namespace cpss::udpblast {

void say(const std::string& text) noexcept;
// What is worth nothing a moment later: not said while something else waits to be written.
void say_for_now(const std::string& text) noexcept;

}  // namespace cpss::udpblast
