// The threads and CPUs of a process as ps, top and chrt show them, and whether this process may use
// the real-time class.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace cpss::test {

struct ThreadSeen {
  std::vector<unsigned> cpus;  // it may use these
  int policy = -1;             // SCHED_OTHER, SCHED_FIFO
  int priority = -1;
  unsigned long waits = 0;   // times it gave up its CPU by itself: voluntary switches, proc(5)
  std::uint64_t run_ns = 0;  // time on a CPU
  pid_t tid = 0;
};

inline std::vector<unsigned> allowed_cpus(pid_t thread = 0) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(thread, sizeof allowed, &allowed);
  std::vector<unsigned> cpus;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);
  return cpus;
}

inline unsigned first_allowed_cpu() {
  return allowed_cpus().front();
}

inline unsigned long voluntary_switches(const std::filesystem::path& task) {
  std::ifstream status(task / "status");
  for (std::string key; status >> key; status.ignore(256, '\n'))
    if (unsigned long value = 0; key == "voluntary_ctxt_switches:" && status >> value) return value;
  return 0;
}

inline std::uint64_t run_time_ns(const std::filesystem::path& task) {
  std::uint64_t ns = 0;
  std::ifstream(task / "schedstat") >> ns;
  return ns;
}

// The threads by name, without those that end meanwhile.
inline std::map<std::string, ThreadSeen> threads_of(pid_t process) {
  std::map<std::string, ThreadSeen> threads;
  const std::string tasks = "/proc/" + std::to_string(process) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    const pid_t id = std::stoi(task.path().filename());
    std::string name;
    std::ifstream comm(task.path() / "comm");
    std::getline(comm, name);
    sched_param parameters{};
    const int policy = sched_getscheduler(id);
    if (name.empty() || policy < 0 || sched_getparam(id, &parameters) != 0) continue;
    threads[name] = {allowed_cpus(id),          policy,
                     parameters.sched_priority, voluntary_switches(task.path()),
                     run_time_ns(task.path()),  id};
  }
  return threads;
}

// Whether the process has a handler for the signal.
inline bool handles(pid_t process, int signal) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string key; status >> key; status.ignore(256, '\n'))
    if (std::uint64_t caught = 0; key == "SigCgt:" && status >> std::hex >> caught)
      return (caught >> (signal - 1) & 1) != 0;
  return false;
}

// Whether this process may put a thread into the real-time class.
inline bool may_use_real_time() {
  bool may = false;
  std::thread([&may] {
    sched_param parameters{};
    parameters.sched_priority = 1;
    may = sched_setscheduler(0, SCHED_FIFO, &parameters) == 0;
  }).join();
  return may;
}

// From now on it may not. Only for child processes: the right does not come back.
inline void give_up_real_time() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_RTPRIO, &none);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  syscall(SYS_capget, &header, sets);
  sets[0].effective &= ~(1U << CAP_SYS_NICE);
  syscall(SYS_capset, &header, sets);
}

}  // namespace cpss::test
