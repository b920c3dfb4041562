// A program started by a test: its output kept, its end awaited, killed at the latest when the
// object goes. One thread.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace cpss {

using Environment = std::map<std::string, std::string>;

class ChildProcess {
 public:
  // Starts `arguments[0]` (a path) with the given environment added to a clean one (PATH, TMPDIR
  // and what sanitizers are told; no CPSS_ variable of the caller). Throws std::runtime_error.
  explicit ChildProcess(std::vector<std::string> arguments, const Environment& environment = {});
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const noexcept { return pid_; }
  void signal(int number) const noexcept;
  bool running() noexcept;
  // The exit code, or 128 + the signal that ended it; nothing if it still runs after `longest`.
  std::optional<int> wait(std::chrono::milliseconds longest);

  std::string output() const;  // standard output so far
  std::string errors() const;  // standard error so far

 private:
  pid_t pid_ = -1;
  std::optional<int> code_;
  std::string output_file_;
  std::string error_file_;
};

struct Finished {
  int code = -1;
  std::string output;
  std::string errors;
};

// Runs a program to its end, at most a minute or as told. Fails the test if it takes longer.
Finished run_program(std::vector<std::string> arguments, const Environment& environment = {},
                     std::chrono::seconds longest = std::chrono::seconds(60));

// A folder for one test's files, in memory where there is such a place, gone with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& content);

}  // namespace cpss
