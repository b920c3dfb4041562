#include "server/standard_streams.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace cpss {

void secure_standard_streams() {
  // open() takes the lowest number that is free. For reading only, so that writing is still an
  // error.
  int fd = 0;
  while (fd >= STDIN_FILENO && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDONLY);
  if (fd > STDERR_FILENO) ::close(fd);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

void print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
    throw std::system_error(errno, std::generic_category(), "standard output");
}

void complain(const std::string& errors) {
  for (std::size_t begin = 0; begin < errors.size();) {
    const std::size_t end = std::min(errors.find('\n', begin), errors.size());
    if (end > begin)
      std::fputs(("cpssd: error: " + errors.substr(begin, end - begin) + '\n').c_str(), stderr);
    begin = end + 1;
  }
}

}  // namespace cpss
