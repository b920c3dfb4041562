#include "tests/tools/udpblast/program.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <system_error>

#include <pty.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cpss::udpblast {
namespace {

std::string content_of(int file) {
  std::string text;
  std::array<char, 4096> part;
  for (ssize_t got;
       (got = ::pread(file, part.data(), part.size(), static_cast<off_t>(text.size()))) > 0;)
    text.append(part.data(), static_cast<std::size_t>(got));
  return text;
}

}  // namespace

Program::Program(const std::vector<std::string>& arguments, Errors errors, unsigned open_files)
    : out_(::memfd_create("out", MFD_CLOEXEC)), err_(::memfd_create("err", MFD_CLOEXEC)) {
  std::vector<std::string> line{CPSS_UDPBLAST};
  line.insert(line.end(), arguments.begin(), arguments.end());
  std::vector<char*> words;
  for (std::string& word : line) words.push_back(word.data());
  words.push_back(nullptr);

  FileDescriptor master;
  FileDescriptor terminal;
  if (errors == Errors::on_a_terminal) {
    int master_fd = -1;
    int terminal_fd = -1;
    if (::openpty(&master_fd, &terminal_fd, nullptr, nullptr, nullptr) != 0)
      throw std::system_error(errno, std::generic_category(), "openpty");
    master = FileDescriptor(master_fd);
    terminal = FileDescriptor(terminal_fd);
  }
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    ::dup2(out_.get(), STDOUT_FILENO);
    ::dup2(terminal.valid() ? terminal.get() : err_.get(), STDERR_FILENO);
    if (open_files != 0) {
      const rlimit limit{open_files, open_files};
      ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    ::execv(words[0], words.data());
    ::_exit(127);
  }
  if (master.valid())
    terminal_reader_ = std::thread([this, from = std::move(master)] {
      std::array<char, 4096> part;
      // EIO: the last process that had the terminal open has ended.
      for (ssize_t got; (got = ::read(from.get(), part.data(), part.size())) > 0;)
        terminal_text_.append(part.data(), static_cast<std::size_t>(got));
    });
}

Program::~Program() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (terminal_reader_.joinable()) terminal_reader_.join();
}

void Program::signal(int number) const {
  ::kill(pid_, number);
}

ProgramResult Program::wait() {
  ProgramResult result;
  const auto latest = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  int status = 0;
  while (::waitpid(pid_, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > latest) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, &status, 0);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  pid_ = -1;
  if (terminal_reader_.joinable()) terminal_reader_.join();
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  result.out = content_of(out_.get());
  result.err = content_of(err_.get()) + terminal_text_;
  return result;
}

ProgramResult run_program(const std::vector<std::string>& arguments) {
  return Program(arguments).wait();
}

}  // namespace cpss::udpblast
