// Reading of what a user has named as a file: it may be a pipe, a FIFO, a terminal, and who writes
// that may never do so. Then there is an error instead of a wait for ever.
//
// One thread each.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>

#include <sys/types.h>

namespace cpss {

// How long nothing may come before it is an error.
inline constexpr std::chrono::milliseconds kInputPatience{30'000};

class PatientFile {
 public:
  // Does not wait for a FIFO's writer, as open(2) would. If it cannot be opened, read() says why;
  // but where a limit of the process is in the way, which says nothing about the file, it throws
  // std::system_error.
  PatientFile(const std::string& path, std::chrono::milliseconds patience);
  ~PatientFile();
  PatientFile(const PatientFile&) = delete;
  PatientFile& operator=(const PatientFile&) = delete;

  bool is_open() const noexcept { return fd_ >= 0; }
  int descriptor() const noexcept { return fd_; }

  // As read(2), but waits no longer than the patience for the next byte or the end: -1 with errno
  // ETIMEDOUT. A FIFO that nobody has opened for writing yet is waited for, too. Signals do not end
  // it.
  ssize_t read(std::span<char> room) noexcept;

  // For people: what `error`, an errno that opening or reading gave, means.
  std::string explain(int error) const;

 private:
  const std::chrono::milliseconds patience_;
  int fd_;
  int error_;  // of open(2)
};

}  // namespace cpss
