#include "stats/process_identity.h"

#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include <signal.h>
#include <unistd.h>

namespace cpss {
namespace {

struct ProcStat {
  char state = 0;
  std::uint64_t start_ticks = 0;
};

std::optional<ProcStat> proc_stat(std::uint64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
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
  return result;
}

}  // namespace

ProcessIdentity this_process() {
  ProcessIdentity result{static_cast<std::uint64_t>(::getpid()), 0};
  if (const auto stat = proc_stat(result.pid)) result.start_ticks = stat->start_ticks;
  return result;
}

bool is_running(const ProcessIdentity& process) {
  const auto pid = static_cast<pid_t>(process.pid);
  if (pid <= 0 || static_cast<std::uint64_t>(pid) != process.pid) return false;
  if (::kill(pid, 0) != 0 && errno == ESRCH) return false;
  const auto stat = proc_stat(process.pid);
  if (!stat) return ::kill(pid, 0) == 0 || errno == EPERM;
  if (stat->state == 'Z' || stat->state == 'X') return false;
  return process.start_ticks == 0 || stat->start_ticks == process.start_ticks;
}

}  // namespace cpss
