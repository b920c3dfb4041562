#include "tests/end_to_end/child_process.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cpss {
namespace {

constexpr std::chrono::milliseconds kPoll{2};

std::string temporary_base() {
  return std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : testing::TempDir();
}

std::string temporary_file() {
  std::string name = temporary_base() + "/cpss-output-XXXXXX";
  const int fd = mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) throw std::runtime_error("mkostemp: " + std::string(std::strerror(errno)));
  close(fd);
  return name;
}

std::vector<std::string> environment_lines(const Environment& added) {
  Environment all;
  for (const char* name : {"PATH", "TMPDIR", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"})
    if (const char* value = std::getenv(name)) all[name] = value;
  for (const auto& [name, value] : added) all[name] = value;
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

}  // namespace

ChildProcess::ChildProcess(std::vector<std::string> arguments, const Environment& environment)
    : output_file_(temporary_file()), error_file_(temporary_file()) {
  std::vector<std::string> lines = environment_lines(environment);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, output_file_.c_str(), O_WRONLY | O_APPEND, 0);
  posix_spawn_file_actions_addopen(&actions, 2, error_file_.c_str(), O_WRONLY | O_APPEND, 0);
  const int error = posix_spawn(&pid_, arguments.at(0).c_str(), &actions, nullptr,
                                pointers(arguments).data(), pointers(lines).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error(arguments.at(0) + ": " + std::strerror(error));
}

ChildProcess::~ChildProcess() {
  if (running()) {
    signal(SIGKILL);
    wait(std::chrono::seconds(10));
  }
  unlink(output_file_.c_str());
  unlink(error_file_.c_str());
}

void ChildProcess::signal(int number) const noexcept {
  if (!code_) kill(pid_, number);
}

bool ChildProcess::running() noexcept {
  return !wait(std::chrono::milliseconds(0)).has_value();
}

std::optional<int> ChildProcess::wait(std::chrono::milliseconds longest) {
  const auto deadline = std::chrono::steady_clock::now() + longest;
  while (!code_) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    } else if (std::chrono::steady_clock::now() >= deadline) {
      return std::nullopt;
    } else {
      std::this_thread::sleep_for(kPoll);
    }
  }
  return code_;
}

std::string ChildProcess::output() const {
  return read_file(output_file_);
}
std::string ChildProcess::errors() const {
  return read_file(error_file_);
}

Finished run_program(std::vector<std::string> arguments, const Environment& environment,
                     std::chrono::seconds longest) {
  const std::string name = arguments.at(0);
  ChildProcess child(std::move(arguments), environment);
  const auto code = child.wait(longest);
  EXPECT_TRUE(code) << name << " did not end within " << longest.count() << " s";
  return {code.value_or(-1), child.output(), child.errors()};
}

TemporaryFolder::TemporaryFolder() : path_(temporary_base() + "/cpss-test-XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr)
    throw std::runtime_error("mkdtemp: " + std::string(std::strerror(errno)));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

}  // namespace cpss
