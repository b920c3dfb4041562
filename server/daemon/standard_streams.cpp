#include "server/daemon/standard_streams.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/standard_error.h"

namespace cpss {
namespace {

// libstdc++'s handler says why, and would wait for ever until that is read: then the process
// neither serves nor ends.
const std::terminate_handler kVerboseTerminate = std::get_terminate();

[[noreturn]] void terminate_in_any_case() {
  constexpr int kPatienceMs = 100;
  pollfd room{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&room, 1, kPatienceMs) == 1 && (room.revents & POLLOUT) != 0) kVerboseTerminate();
  std::abort();
}

// Writing about an error must not keep the process from ending with its exit code.
void say(const std::string& text) {
  try {
    standard_error().put(text);
  } catch (const std::exception&) {  // no memory, or no thread can be started
    say_at_once(text);
  }
}

}  // namespace

void secure_standard_streams() {
  // open() takes the lowest free number. Read-only, so that writing is still an error.
  int fd = 0;
  while (fd >= STDIN_FILENO && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDONLY);
  if (fd > STDERR_FILENO) ::close(fd);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  std::set_terminate(terminate_in_any_case);
}

void print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
    throw std::system_error(errno, std::generic_category(), "standard output");
}

void complain(const std::string& errors) {
  for (std::size_t begin = 0; begin < errors.size();) {
    const std::size_t end = std::min(errors.find('\n', begin), errors.size());
    if (end > begin) say("cpssd: error: " + errors.substr(begin, end - begin) + '\n');
    begin = end + 1;
  }
}

}  // namespace cpss
