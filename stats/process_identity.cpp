#include "stats/process_identity.h"

#include <array>
#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stats/machine_clock.h"

namespace cpss {
namespace {

struct ProcStat {
  char state = 0;
  std::uint64_t start_ticks = 0;
};

// The kernel shows the time in the reader's time namespace.
std::uint64_t in_initial_time_namespace(std::uint64_t ticks) noexcept {
  const long per_second = ::sysconf(_SC_CLK_TCK);
  return ticks -
         static_cast<std::uint64_t>(clock_offsets().boottime_ns / (1'000'000'000 / per_second));
}

// `process`: a pid, or "self".
std::optional<ProcStat> proc_stat(const std::string& process) {
  std::ifstream file("/proc/" + process + "/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  // Field 2 is the program's name in parentheses and may hold anything, also a ')'.
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  ProcStat result;
  fields >> result.state;
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  fields >> result.start_ticks;
  if (!fields) return std::nullopt;
  result.start_ticks = in_initial_time_namespace(result.start_ticks);
  return result;
}

// Whether /proc shows the pids of our PID namespace: it may be the mount of another one.
bool proc_shows_our_pids() {
  std::array<char, 32> name{};
  const ssize_t bytes = ::readlink("/proc/self", name.data(), name.size() - 1);
  return bytes > 0 && std::to_string(::getpid()) == name.data();
}

bool same_start(std::uint64_t a, std::uint64_t b) noexcept {
  // The kernel rounds differently in different time namespaces.
  return (a > b ? a - b : b - a) <= 1;
}

}  // namespace

ProcessIdentity this_process() {
  ProcessIdentity result{static_cast<std::uint64_t>(::getpid()), 0, this_pid_namespace()};
  if (const auto stat = proc_stat("self")) result.start_ticks = stat->start_ticks;
  return result;
}

std::uint64_t this_pid_namespace() noexcept {
  struct stat status {};
  return ::stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

Running is_running(const ProcessIdentity& process) {
  if (process.pid_namespace != this_pid_namespace()) return Running::unknown;
  const auto pid = static_cast<pid_t>(process.pid);
  if (pid <= 0 || static_cast<std::uint64_t>(pid) != process.pid) return Running::no;
  if (::kill(pid, 0) != 0 && errno == ESRCH) return Running::no;
  const auto stat = proc_shows_our_pids() ? proc_stat(std::to_string(pid)) : std::nullopt;
  // The process may have ended since the first kill().
  if (!stat) return ::kill(pid, 0) == 0 || errno == EPERM ? Running::yes : Running::no;
  if (stat->state == 'Z' || stat->state == 'X') return Running::no;
  return process.start_ticks == 0 || same_start(stat->start_ticks, process.start_ticks)
             ? Running::yes
             : Running::no;
}

}  // namespace cpss
