// Reads from a path that a user has named. It may be a pipe, a FIFO or a terminal whose writer
// never writes: then the read fails after a time instead of waiting for ever.
//
// Thread-safety: one thread per object.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>

#include <sys/types.h>

namespace cpss {

// How long no byte may come before the read fails.
inline constexpr std::chrono::milliseconds kInputPatience{30'000};

class PatientFile {
 public:
  // Does not wait for a FIFO's writer, as open(2) would. If opening fails, read() says why; but a
  // limit of the process (descriptors, memory) says nothing about the file, so it throws
  // std::system_error.
  PatientFile(const std::string& path, std::chrono::milliseconds patience);
  ~PatientFile();
  PatientFile(const PatientFile&) = delete;
  PatientFile& operator=(const PatientFile&) = delete;

  bool is_open() const noexcept { return fd_ >= 0; }
  int descriptor() const noexcept { return fd_; }

  // As read(2), but waits no longer than the patience for the next byte or the end: -1 with errno
  // ETIMEDOUT. It waits for a FIFO that no writer has opened yet, too. Signals do not end it.
  ssize_t read(std::span<char> room) noexcept;

  // For people: the meaning of `error`, an errno from opening or reading.
  std::string explain(int error) const;

 private:
  const std::chrono::milliseconds patience_;
  int fd_;
  int error_;  // of open(2)
};

}  // namespace cpss
