#include "base/standard_error.h"

#include <cerrno>
#include <chrono>

#include <poll.h>
#include <unistd.h>

namespace cpss {
namespace {

constexpr std::chrono::seconds kLongestFarewell{1};
constexpr const char* kThread = "log";

struct Owned {
  pid_t process = 0;
  AsyncWriter* writer = nullptr;  // not destroyed at exit: its thread may still be inside a write
};

Owned& owned() noexcept {
  static Owned instance;
  return instance;
}

// Null if this process has none. A writer that fork(2) has copied has no thread.
AsyncWriter* the_writer() noexcept {
  return owned().process == ::getpid() ? owned().writer : nullptr;
}

}  // namespace

AsyncWriter& standard_error() {
  if (the_writer() == nullptr) owned() = {::getpid(), new AsyncWriter(STDERR_FILENO, kThread)};
  return *owned().writer;
}

void give_up_rights_of_standard_error() {
  if (the_writer() != nullptr) the_writer()->change_thread(kThread);
}

void flush_standard_error() noexcept {
  if (the_writer() != nullptr) the_writer()->flush(kLongestFarewell);
}

void say_at_once(std::string_view text) noexcept {
  constexpr int kPatienceMs = 100;
  const int error = errno;  // a handler must leave it as it was
  pollfd room{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&room, 1, kPatienceMs) == 1 && (room.revents & POLLOUT) != 0) [[maybe_unused]]
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
  errno = error;
}

}  // namespace cpss
