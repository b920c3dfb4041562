// The threads and CPUs of this process as ps and top would show them.
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include <sched.h>

namespace cpss::test {

// By thread name, the CPUs it may use ("0", "0-3").
inline std::map<std::string, std::string> threads_seen_from_outside() {
  std::map<std::string, std::string> threads;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::ifstream comm(task.path() / "comm");
    std::getline(comm, name);
    std::ifstream status(task.path() / "status");
    const std::string key = "Cpus_allowed_list:\t";
    for (std::string line; std::getline(status, line);)
      if (line.starts_with(key)) threads[name] = line.substr(key.size());
  }
  return threads;
}

inline unsigned first_allowed_cpu() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  unsigned cpu = 0;
  while (!CPU_ISSET(cpu, &allowed)) ++cpu;
  return cpu;
}

}  // namespace cpss::test
