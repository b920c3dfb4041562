// Waiting until another thread sleeps.
#pragma once

#include <fstream>
#include <string>
#include <thread>

#include <sys/types.h>

namespace cpss {

// A thread of this process that has, until then, nothing else to sleep for. State 'S' of proc(5).
inline void wait_until_asleep(pid_t thread) {
  const std::string path = "/proc/self/task/" + std::to_string(thread) + "/stat";
  for (;; std::this_thread::yield()) {
    std::string text;
    std::getline(std::ifstream(path), text);
    const std::size_t name_end = text.rfind(") ");
    if (name_end != std::string::npos && text[name_end + 2] == 'S') return;
  }
}

}  // namespace cpss
