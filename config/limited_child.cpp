#include "config/limited_child.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/sandbox.h"

namespace cpss {
namespace {

using Clock = std::chrono::steady_clock;

// Exit codes of a child that has no answer.
constexpr int kExitOutOfMemory = 3;
constexpr int kExitThrew = 4;
constexpr int kExitNoLimits = 5;
constexpr int kExitNoSandbox = 6;

// The size goes before an answer, so that the parent does not take half of one for a whole.
using AnswerSize = std::uint64_t;

[[noreturn]] void fail(const char* call, int error) {
  throw std::system_error(error, std::generic_category(),
                          fmt::format("no child process for a parser: {}", call));
}

// Sanitizers map terabytes and open files of their own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

bool lower_limit(__rlimit_resource resource, rlim_t soft, rlim_t hard) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0) return false;
  limit.rlim_max = std::min(limit.rlim_max, hard);
  limit.rlim_cur = std::min({limit.rlim_cur, limit.rlim_max, soft});
  return setrlimit(resource, &limit) == 0;
}

bool apply_limits(const ChildLimits& limits) {
  // The parent expects a crash here and explains it: no core file, no crash reporter.
  if (prctl(PR_SET_DUMPABLE, 0) != 0 || !lower_limit(RLIMIT_CORE, 0, 0)) return false;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return false;
  const rlim_t memory = limits.address_space_bytes;
  if (!kSanitized && !lower_limit(RLIMIT_AS, memory, memory)) return false;
  if (!kSanitized && !lower_limit(RLIMIT_NOFILE, 0, 0)) return false;
  if (!lower_limit(RLIMIT_FSIZE, 0, 0)) return false;
  // The soft limit ends the child by SIGXCPU, which tells the parent why.
  return lower_limit(RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1);
}

// The child must not run the parent's handlers, nor block the signals that the parent blocks.
void reset_signals() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGXCPU, SIGSEGV, SIGABRT,
                           SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGALRM, SIGUSR1, SIGUSR2})
    signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void write_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t written = write(fd, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // the parent sees that the answer is not whole
    data += written;
    size -= static_cast<std::size_t>(written);
  }
}

// _exit: neither the parent's atexit functions nor its buffered output may run a second time.
[[noreturn]] void be_the_child(int fd, const std::function<std::string()>& work,
                               const ChildLimits& limits) {
  reset_signals();
  if (!apply_limits(limits)) _exit(kExitNoLimits);
  if (!enter_sandbox(fd)) _exit(kExitNoSandbox);
  try {
    const std::string answer = work();
    const AnswerSize size = answer.size();
    std::array<char, sizeof size> header{};
    std::memcpy(header.data(), &size, sizeof size);
    write_all(fd, header.data(), header.size());
    write_all(fd, answer.data(), answer.size());
  } catch (const std::bad_alloc&) {
    _exit(kExitOutOfMemory);
  } catch (...) {
    _exit(kExitThrew);
  }
  _exit(0);
}

enum class ReadEnd { end_of_file, time_out, too_long, error };

// Reads until the child has closed its end, or has reached a limit.
ReadEnd read_answer(int fd, const ChildLimits& limits, std::string& bytes) {
  const Clock::time_point deadline = Clock::now() + limits.wall_clock;
  std::array<char, 16 * 1024> chunk;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return ReadEnd::time_out;
    pollfd ready{fd, POLLIN, 0};
    const int events = poll(&ready, 1, static_cast<int>(left));
    if (events < 0 && errno != EINTR) return ReadEnd::error;
    if (events <= 0) continue;
    const ssize_t got = read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ReadEnd::error;
    if (got == 0) return ReadEnd::end_of_file;
    bytes.append(chunk.data(), static_cast<std::size_t>(got));
    if (bytes.size() > limits.answer_bytes + sizeof(AnswerSize)) return ReadEnd::too_long;
  }
}

bool is_whole_answer(const std::string& bytes) {
  AnswerSize size = 0;
  if (bytes.size() < sizeof size) return false;
  std::memcpy(&size, bytes.data(), sizeof size);
  return bytes.size() - sizeof size == size;
}

std::string explain(ReadEnd end, int status, const ChildLimits& limits) {
  const std::string too_much_memory =
      fmt::format("needed more than {} MiB of memory", limits.address_space_bytes >> 20);
  const std::string too_much_cpu =
      fmt::format("needed more than {} s of processor time", limits.cpu_seconds);
  switch (end) {
    case ReadEnd::time_out:
      return fmt::format("did not end within {} ms", limits.wall_clock.count());
    case ReadEnd::too_long:
      return fmt::format("gave more than {} bytes of answer", limits.answer_bytes);
    case ReadEnd::error:
      return "could not be read from";
    case ReadEnd::end_of_file:
      break;
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) return too_much_cpu;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
    return "made a system call that it may not make";
  if (WIFSIGNALED(status)) return fmt::format("crashed ({})", strsignal(WTERMSIG(status)));
  if (WIFEXITED(status) && WEXITSTATUS(status) == kExitOutOfMemory) return too_much_memory;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kExitNoLimits)
    return "could not be given its limits";
  if (WIFEXITED(status) && WEXITSTATUS(status) == kExitNoSandbox)
    return "could not be confined: a filter of system calls (seccomp(2)) is refused here, by the "
           "kernel or by a container's policy; allow it, or do without such a file: environment "
           "and command line say the same";
  return "ended without an answer";
}

}  // namespace

ChildOutcome run_in_limited_child(const std::function<std::string()>& work,
                                  const ChildLimits& limits) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe2", errno);
  const pid_t child = fork();
  if (child < 0) {
    const int error = errno;
    close(ends[0]);
    close(ends[1]);
    fail("fork", error);
  }
  if (child == 0) {
    close(ends[0]);
    be_the_child(ends[1], work, limits);
  }
  close(ends[1]);

  std::string bytes;
  const ReadEnd end = read_answer(ends[0], limits, bytes);
  close(ends[0]);

  // After the end of file the child ends by itself, and its status may explain a missing answer.
  if (end != ReadEnd::end_of_file) kill(child, SIGKILL);
  int status = 0;
  // Fails if SIGCHLD is ignored (the kernel reaps): `status` is then unknown, the answer is not.
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (end == ReadEnd::end_of_file && is_whole_answer(bytes))
    return {bytes.substr(sizeof(AnswerSize)), {}};
  return {std::nullopt, explain(end, status, limits)};
}

}  // namespace cpss
