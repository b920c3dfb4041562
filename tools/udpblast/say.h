// What a person is told on standard error while a run goes on, or instead of one. Where that cannot
// be written, nobody can be told, and the run goes on.
#pragma once

#include <cstdio>
#include <string>

namespace cpss::udpblast {

inline void say(const std::string& text) noexcept {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace cpss::udpblast
