// Waiting until another thread sleeps.
#pragma once

#include <fstream>
#include <string>
#include <thread>

#include <sys/types.h>

namespace cpss {

// Returns once `thread`, of this process, sleeps (state 'S' of proc(5)). The test has to see to it
// that it sleeps only in the wait that is meant.
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
