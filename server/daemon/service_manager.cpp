#include "server/daemon/service_manager.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/quote.h"

namespace cpss {
namespace {

constexpr int kFirstInherited = 3;  // SD_LISTEN_FDS_START
// More sockets are a mistake: each would be one of ours.
constexpr std::int64_t kMaxInherited = 4096;

constexpr std::int64_t kMaxPid = std::numeric_limits<pid_t>::max();
constexpr std::int64_t kMaxMicroseconds =
    std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::nanoseconds::max()).count();

struct Variable {
  const char* name;
  std::optional<std::string> value = {};
};

Variable read_variable(const char* const* environment, const char* name) {
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view assignment = *environment;
    const std::size_t equals = assignment.find('=');
    if (equals != std::string_view::npos && assignment.substr(0, equals) == name)
      return {name, std::string(assignment.substr(equals + 1))};
  }
  return {name};
}

[[noreturn]] void refuse(const Variable& variable, const std::string& problem) {
  throw ServiceManagerError(fmt::format("{}: {} {} (a service manager sets it, not a person)",
                                        variable.name, in_quotes(*variable.value), problem));
}

// The variable must be set.
std::int64_t number_of(const Variable& variable, std::int64_t max) {
  const std::string& text = *variable.value;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1 || number > max)
    refuse(variable, fmt::format("is not a number from 1 to {}", max));
  return number;
}

bool is_this_process(const Variable& pid) {
  return number_of(pid, kMaxPid) == ::getpid();
}

// Returns the length of the address that `name` stands for: a path or, after an @, an abstract name
// (unix(7)); 0 if it is neither.
socklen_t fill_address(std::string_view name, sockaddr_un& address) {
  const bool abstract = name.starts_with('@');
  if (!abstract && !name.starts_with('/')) return 0;
  // A path ends with a zero byte, an abstract name begins with one in the place of the @.
  const std::size_t bytes = abstract ? name.size() : name.size() + 1;
  if (name.size() < 2 || bytes > sizeof address.sun_path) return 0;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  if (abstract) address.sun_path[0] = '\0';
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + bytes);
}

std::string cannot_tell(std::string_view address) {
  return fmt::format(
      "NOTIFY_SOCKET: {} is not the address of a Unix socket (/PATH or @NAME, as long as unix(7) "
      "allows): the service manager is told nothing, and one that waits for READY=1 or WATCHDOG=1 "
      "takes the server for failed",
      in_quotes(std::string(address)));
}

// For so long the manager waits for the next extension, whatever time it has set (sd_notify(3)).
std::string extension(std::chrono::microseconds another) {
  return fmt::format("EXTEND_TIMEOUT_USEC={}", another.count());
}

std::optional<std::chrono::nanoseconds> watchdog_interval(const char* const* environment) {
  const Variable interval = read_variable(environment, "WATCHDOG_USEC");
  if (!interval.value) return std::nullopt;
  const Variable pid = read_variable(environment, "WATCHDOG_PID");
  if (pid.value && !is_this_process(pid)) return std::nullopt;
  return std::chrono::microseconds(number_of(interval, kMaxMicroseconds));
}

// No process reads these sockets: the manager waits for a server that takes them.
std::string not_ours(const Variable& pid, const Variable& count) {
  const std::string whose = pid.value
                                ? fmt::format("for process {} (LISTEN_PID), and this is process {}",
                                              in_quotes(*pid.value), ::getpid())
                                : "for nobody: LISTEN_PID is not set";
  return fmt::format(
      "the service manager's sockets (LISTEN_FDS={}) are {}: they are left unread, and this server "
      "opens its own; where a script starts it, 'exec' keeps the process id",
      in_quotes(*count.value), whose);
}

// The end of a line would begin another assignment.
std::string status_assignment(std::string_view line) {
  std::string assignment = "STATUS=" + std::string(line);
  std::replace(assignment.begin(), assignment.end(), '\n', ' ');
  return assignment;
}

}  // namespace

InheritedSockets inherited_sockets(const char* const* environment) {
  const Variable pid = read_variable(environment, "LISTEN_PID");
  const Variable count = read_variable(environment, "LISTEN_FDS");
  for (const char* name : {pid.name, count.name, "LISTEN_FDNAMES"}) ::unsetenv(name);

  if (!count.value) return {};
  if (!pid.value || !is_this_process(pid)) return {{}, not_ours(pid, count)};
  std::vector<int> sockets;
  const int end = kFirstInherited + static_cast<int>(number_of(count, kMaxInherited));
  for (int fd = kFirstInherited; fd < end; ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags < 0 || ::fcntl(fd, F_SETFD, flags | FD_CLOEXEC) != 0)
      refuse(count, fmt::format("promises descriptor {}, which is not open", fd));
    sockets.push_back(fd);
  }
  return {std::move(sockets), {}};
}

ServiceManager::ServiceManager(const char* const* environment) {
  const Variable address = read_variable(environment, "NOTIFY_SOCKET");
  if (address.value) address_length_ = fill_address(*address.value, address_);
  if (address_length_ == 0) {
    if (address.value && !address.value->empty()) warning_ = cannot_tell(*address.value);
    return;
  }
  socket_ = FileDescriptor(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_.valid())
    throw std::system_error(errno, std::generic_category(),
                            "no socket to tell the service manager (NOTIFY_SOCKET) by");
  watchdog_ = watchdog_interval(environment);
}

bool ServiceManager::ready(std::string_view line) {
  return tell_state("READY=1\n" + status_assignment(line));
}

// The time tells the manager which of its requests this answers.
bool ServiceManager::reloading() {
  return tell_state(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", monotonic_ns() / 1'000));
}

bool ServiceManager::stopping(std::string_view line, std::chrono::microseconds another) {
  return tell_state(fmt::format("STOPPING=1\n{}\n{}", status_assignment(line), extension(another)));
}

bool ServiceManager::still_stopping(std::chrono::microseconds another) {
  return tell(extension(another));
}

bool ServiceManager::alive() {
  const bool told = tell("WATCHDOG=1");
  owes_alive_ = lost_;
  return told;
}

bool ServiceManager::retry() {
  const bool owed = owes_alive_ || !owed_state_.empty();
  if (!owed_state_.empty() && send(owed_state_)) owed_state_.clear();
  if (owes_alive_ && send("WATCHDOG=1")) owes_alive_ = false;
  return owed && !owes_alive_ && owed_state_.empty();
}

// A later state replaces an earlier one, so only the last one is owed.
bool ServiceManager::tell_state(std::string assignments) {
  const bool told = tell(assignments);
  owed_state_ = lost_ ? std::move(assignments) : std::string();
  return told;
}

bool ServiceManager::tell(std::string_view assignments) {
  const bool lost_before = lost_;
  return send(assignments) || lost_before;
}

bool ServiceManager::send(std::string_view assignments) {
  if (!socket_.valid()) return true;
  lost_ =
      ::sendto(socket_.get(), assignments.data(), assignments.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
               reinterpret_cast<const sockaddr*>(&address_), address_length_) < 0;
  return !lost_;
}

}  // namespace cpss
