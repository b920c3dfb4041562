#include "tests/end_to_end/child_processes.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

namespace cpss {
namespace {

struct Status {
  std::string name;
  char state = 0;
  pid_t parent = 0;
};

// Reads /proc/PID/stat, proc(5): PID (NAME) STATE PARENT ... nullopt if there is no such process.
std::optional<Status> status_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  const std::size_t open = line.find('(');
  const std::size_t close = line.rfind(')');
  if (open == std::string::npos || close == std::string::npos) return std::nullopt;
  Status status;
  status.name = line.substr(open + 1, close - open - 1);
  std::istringstream(line.substr(close + 1)) >> status.state >> status.parent;
  return status;
}

bool has_ended(const Status& status) {
  return status.state == 'Z' || status.state == 'X';
}

}  // namespace

std::map<pid_t, std::string> children_of(pid_t parent) {
  std::map<pid_t, std::string> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (!std::ranges::all_of(name, [](unsigned char c) { return std::isdigit(c) != 0; })) continue;
    const pid_t process = std::stoi(name);
    const auto status = status_of(process);
    if (status && status->parent == parent && !has_ended(*status))
      children.emplace(process, status->name);
  }
  return children;
}

bool runs(pid_t process) {
  const auto status = status_of(process);
  return status && !has_ended(*status);
}

}  // namespace cpss
