#include "server/daemon/control_groups.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace cpss {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

// mountinfo writes blanks and the like as \040 (proc_pid_mountinfo(5)).
std::string unescaped(const std::string& text) {
  const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
        is_octal(text[i + 3])) {
      result += static_cast<char>((text[i + 1] - '0') << 6 | (text[i + 2] - '0') << 3 |
                                  (text[i + 3] - '0'));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

// The path of a group below the group that is mounted; none: it is elsewhere.
std::optional<std::string> path_below(const std::string& root, const std::string& path) {
  if (path.find("/..") != std::string::npos) return std::nullopt;  // outside of our namespace
  if (root == "/") return path == "/" ? "" : path;
  if (path == root) return "";
  if (path.starts_with(root + "/")) return path.substr(root.size());
  return std::nullopt;
}

std::optional<std::string> first_line(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line)) return std::nullopt;
  return line;
}

// A number that is not negative; none for "max" and -1, which mean no limit.
std::optional<std::uint64_t> number_in(const std::string& text) {
  if (text.empty() || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  std::istringstream in(text);
  std::uint64_t value = 0;
  return in >> value ? std::optional(value) : std::nullopt;
}

// `quota` and `period` in microseconds.
std::optional<double> ratio_of(const std::string& quota, const std::string& period) {
  const auto time = number_in(quota);
  const auto each = number_in(period);
  if (!time || !each || *each == 0) return std::nullopt;
  return static_cast<double>(*time) / static_cast<double>(*each);
}

std::optional<double> quota_in(const std::string& folder, bool version_2) {
  if (!version_2)
    return ratio_of(first_line(folder + "/cpu.cfs_quota_us").value_or(""),
                    first_line(folder + "/cpu.cfs_period_us").value_or(""));
  const std::vector<std::string> parts = split(first_line(folder + "/cpu.max").value_or(""), ' ');
  return parts.size() == 2 ? ratio_of(parts[0], parts[1]) : std::nullopt;
}

}  // namespace

// proc_pid_cgroup(5), proc_pid_mountinfo(5)
ControlGroups::ControlGroups(const std::string& proc) {
  std::ifstream groups(proc + "/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    // The format is hierarchy:controllers:path, and the path may hold colons.
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    memberships_.push_back(
        {line.substr(second + 1), line.starts_with("0:"), split(controllers, ',')});
  }
  std::ifstream mounts(proc + "/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const std::vector<std::string> where = split(line.substr(0, dash), ' ');
    const std::vector<std::string> what = split(line.substr(dash + 3), ' ');
    if (where.size() < 5 || what.size() < 3 || !what[0].starts_with("cgroup")) continue;
    mounts_.push_back(
        {unescaped(where[3]), unescaped(where[4]), what[0] == "cgroup2", split(what[2], ',')});
  }
}

std::vector<ControlGroups::Folders> ControlGroups::folders_of(const std::string& controller) const {
  const auto has_it = [&controller](const std::vector<std::string>& controllers) {
    return std::ranges::find(controllers, controller) != controllers.end();
  };
  std::vector<Folders> result;
  for (const Membership& member : memberships_) {
    if (!member.version_2 && !has_it(member.controllers)) continue;
    for (const Mount& mount : mounts_) {
      if (mount.version_2 != member.version_2) continue;
      if (!mount.version_2 && !has_it(mount.controllers)) continue;
      const std::optional<std::string> below = path_below(mount.root, member.path);
      if (!below) continue;
      Folders& folders = result.emplace_back(Folders{mount.version_2, {}});
      std::string path = mount.point + *below;
      while (path.size() > mount.point.size()) {
        folders.paths.push_back(path);
        path.resize(path.rfind('/'));
      }
      folders.paths.push_back(mount.point);
    }
  }
  return result;
}

std::optional<MemoryLimit> ControlGroups::memory_limit() const {
  std::optional<MemoryLimit> min;
  for (const Folders& folders : folders_of("memory")) {
    for (const std::string& path : folders.paths) {
      const std::string file =
          path + (folders.version_2 ? "/memory.max" : "/memory.limit_in_bytes");
      const auto bytes = number_in(first_line(file).value_or(""));
      if (bytes && (!min || *bytes < min->bytes)) min = {*bytes, file};
    }
  }
  return min;
}

std::optional<double> ControlGroups::cpu_quota() const {
  std::optional<double> min;
  for (const Folders& folders : folders_of("cpu"))
    for (const std::string& path : folders.paths)
      if (const auto quota = quota_in(path, folders.version_2); quota && (!min || *quota < *min))
        min = quota;
  return min;
}

}  // namespace cpss
