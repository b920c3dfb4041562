// Outputs that take nothing more: a full pipe that no process reads, and a terminal that was
// stopped (Ctrl-S).
#pragma once

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <utility>

#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/file_descriptor.h"

namespace cpss {

class FullPipe {
 public:
  FullPipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) throw std::runtime_error("pipe2");
    read_end_ = FileDescriptor(ends[0]);
    write_end_ = FileDescriptor(ends[1]);
    ::fcntl(ends[1], F_SETPIPE_SZ, 4096);
    // Byte by byte at the end, so that there is no room even for a short line.
    const std::string filler(4096, '\0');
    while (::write(ends[1], filler.data(), filler.size()) > 0) {
    }
    while (::write(ends[1], filler.data(), 1) > 0) {
    }
    ::fcntl(ends[1], F_SETFL, 0);
  }

  int descriptor() const noexcept { return write_end_.get(); }
  // For other programs to open, as long as this one runs.
  std::string path() const {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(write_end_.get());
  }

  // Empties the pipe, and returns its content without the filler.
  std::string read() {
    std::string text;
    std::array<char, 4096> part;
    for (ssize_t got; (got = ::read(read_end_.get(), part.data(), part.size())) > 0;)
      text.append(part.data(), static_cast<std::size_t>(got));
    text.erase(std::remove(text.begin(), text.end(), '\0'), text.end());
    return text;
  }
  void close_the_reading_end() { read_end_ = FileDescriptor(); }

 private:
  FileDescriptor read_end_;
  FileDescriptor write_end_;
};

class StoppedTerminal {
 public:
  StoppedTerminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)) {
    if (!master_.valid() || ::grantpt(master_.get()) != 0 || ::unlockpt(master_.get()) != 0)
      throw std::runtime_error("no terminal to be had");
    path_ = ::ptsname(master_.get());
    slave_ = FileDescriptor(::open(path_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!slave_.valid() || ::tcflow(slave_.get(), TCOOFF) != 0)
      throw std::runtime_error("the terminal cannot be stopped");
  }

  const std::string& path() const noexcept { return path_; }
  // Ctrl-Q.
  void go_on() { ::tcflow(slave_.get(), TCOON); }
  // The output since the last call.
  std::string read() {
    std::string text;
    std::array<char, 4096> part;
    for (ssize_t got; (got = ::read(master_.get(), part.data(), part.size())) > 0;)
      text.append(part.data(), static_cast<std::size_t>(got));
    return text;
  }

 private:
  FileDescriptor master_;
  FileDescriptor slave_;
  std::string path_;
};

}  // namespace cpss
