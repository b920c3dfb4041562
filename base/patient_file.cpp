#include "base/patient_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

namespace cpss {
namespace {

using Clock = std::chrono::steady_clock;

// 1: `fd` has bytes or is at its end. 0: neither within `patience`.
int wait_readable(int fd, std::chrono::milliseconds patience) noexcept {
  const Clock::time_point deadline = Clock::now() + patience;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd input{fd, POLLIN, 0};
    const int ready = ::poll(&input, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready > 0 || (ready == 0 && left.count() <= 0)) return ready;
    if (ready < 0 && errno != EINTR) return ready;
  }
}

}  // namespace

PatientFile::PatientFile(const std::string& path, std::chrono::milliseconds patience)
    : patience_(patience),
      fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)),
      error_(fd_ < 0 ? errno : 0) {
  if (error_ == EMFILE || error_ == ENFILE || error_ == ENOMEM)
    throw std::system_error(error_, std::generic_category(), path + ": cannot be read");
}

PatientFile::~PatientFile() {
  if (fd_ >= 0) ::close(fd_);
}

// poll(2) must come first: read(2) from a FIFO that no writer has opened yet reports its end at
// once.
ssize_t PatientFile::read(std::span<char> room) noexcept {
  if (fd_ < 0) {
    errno = error_;
    return -1;
  }
  for (;;) {
    const int ready = wait_readable(fd_, patience_);
    if (ready < 0) return -1;
    if (ready == 0) {
      errno = ETIMEDOUT;
      return -1;
    }
    const ssize_t got = ::read(fd_, room.data(), room.size());
    if (got >= 0 || (errno != EAGAIN && errno != EINTR)) return got;
  }
}

std::string PatientFile::explain(int error) const {
  if (error != ETIMEDOUT) return std::strerror(error);
  return fmt::format("no byte came for {:g} s: does nobody write to it?",
                     std::chrono::duration<double>(patience_).count());
}

}  // namespace cpss
