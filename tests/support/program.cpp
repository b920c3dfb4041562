#include "tests/support/program.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file_descriptor.h"

namespace cpss {
namespace {

constexpr std::chrono::milliseconds kPoll{2};

std::vector<std::string> environment_lines(const Environment& added) {
  Environment all = added;
  for (const char* name : {"PATH", "TMPDIR", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"})
    if (const char* value = std::getenv(name)) all.emplace(name, value);
  std::vector<std::string> lines;
  for (const auto& [name, value] : all) lines.push_back(name + "=" + value);
  return lines;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// Attributes with which a program does not ignore the signals that end it, whatever the tests do. A
// shell lets programs that it runs in the background ignore SIGINT and SIGQUIT, nohup(1) SIGHUP;
// and programs keep what they inherit.
class DefaultSignals {
 public:
  DefaultSignals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::posix_spawnattr_init(&attributes_);
    for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) ::sigaddset(&signals, number);
    ::posix_spawnattr_setsigdefault(&attributes_, &signals);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF);
  }
  ~DefaultSignals() { ::posix_spawnattr_destroy(&attributes_); }
  DefaultSignals(const DefaultSignals&) = delete;
  DefaultSignals& operator=(const DefaultSignals&) = delete;

  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

// The master end of a new terminal: reads what a program writes to the other end.
FileDescriptor open_terminal() {
  FileDescriptor terminal(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal.valid() || ::grantpt(terminal.get()) != 0 || ::unlockpt(terminal.get()) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot make a terminal");
  return terminal;
}

// Returns when the last program that has the terminal open has ended (EIO).
void copy_to_file(const FileDescriptor& terminal, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  std::array<char, 4096> part;
  for (ssize_t got; (got = ::read(terminal.get(), part.data(), part.size())) > 0;)
    file.write(part.data(), got).flush();
}

}  // namespace

Program::Program(std::vector<std::string> arguments, const Environment& environment, Errors errors)
    : name_(arguments.at(0)) {
  const bool to_terminal = errors == Errors::to_a_terminal;
  FileDescriptor terminal = to_terminal ? open_terminal() : FileDescriptor();
  const std::string error_place = to_terminal ? ::ptsname(terminal.get()) : error_file_;
  std::vector<std::string> lines = environment_lines(environment);

  constexpr int kWrite = O_WRONLY | O_APPEND | O_NOCTTY;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output_file_.c_str(), kWrite, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, error_place.c_str(), kWrite, 0);
  const int error = ::posix_spawn(&pid_, name_.c_str(), &actions, DefaultSignals().get(),
                                  pointers(arguments).data(), pointers(lines).data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::system_error(error, std::generic_category(), name_);

  if (to_terminal)
    terminal_reader_ =
        std::jthread([this, from = std::move(terminal)] { copy_to_file(from, error_file_); });
}

Program::~Program() {
  if (!running()) return;
  signal(SIGKILL);
  wait(std::chrono::seconds(10));
}

void Program::signal(int number) const noexcept {
  if (!code_) ::kill(pid_, number);
}

bool Program::running() {
  return !wait(std::chrono::milliseconds(0)).has_value();
}

std::optional<int> Program::wait(std::chrono::milliseconds longest) {
  const auto deadline = std::chrono::steady_clock::now() + longest;
  while (!code_) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      left_core_ = WIFSIGNALED(status) && WCOREDUMP(status);
      code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      if (terminal_reader_.joinable()) terminal_reader_.join();
    } else if (std::chrono::steady_clock::now() >= deadline) {
      return std::nullopt;
    } else {
      std::this_thread::sleep_for(kPoll);
    }
  }
  return code_;
}

Finished Program::finish(std::chrono::seconds longest) {
  const std::optional<int> code = wait(longest);
  if (!code)
    throw std::runtime_error(name_ + " did not end within " + std::to_string(longest.count()) +
                             " s: " + errors());
  return {*code, output(), errors()};
}

std::string Program::output() const {
  return read_file(output_file_);
}
std::string Program::errors() const {
  return read_file(error_file_);
}

Finished run_program(std::vector<std::string> arguments, const Environment& environment,
                     std::chrono::seconds longest) {
  return Program(std::move(arguments), environment).finish(longest);
}

}  // namespace cpss
