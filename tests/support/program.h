// A program that a test starts: the object keeps its output, waits for its end, and kills it at the
// latest in the destructor. For one thread.
//
// A shell sets other limits than the caller's, and other places for standard output:
// {"/bin/sh", "-c", "ulimit -n 50; exec \"$0\" \"$@\" >/dev/full", program, argument...}.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

#include "tests/support/temporary_folder.h"

namespace cpss {

using Environment = std::map<std::string, std::string>;

struct Finished {
  int code = -1;
  std::string output;
  std::string errors;
};

class Program {
 public:
  // Where the program's standard error goes. Its text is kept in either case.
  enum class Errors { to_a_file, to_a_terminal };

  // Starts `arguments[0]` (a path) with the given environment added to a clean one (PATH, TMPDIR
  // and the sanitizers' options; no CPSS_ variable of the caller), and nothing on standard input.
  // Throws std::system_error.
  explicit Program(std::vector<std::string> arguments, const Environment& environment = {},
                   Errors errors = Errors::to_a_file);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const noexcept { return pid_; }
  void signal(int number) const noexcept;
  bool running();
  // The exit code, or 128 + the signal that ended it; nullopt if it still runs after `longest`.
  std::optional<int> wait(std::chrono::milliseconds longest);
  // Whether a signal ended it and it left a core file.
  bool left_core() const noexcept { return left_core_; }
  // Waits for the end; throws std::runtime_error if it does not come.
  Finished finish(std::chrono::seconds longest = std::chrono::seconds(60));

  std::string output() const;  // standard output so far
  std::string errors() const;  // standard error so far

 private:
  const std::string name_;
  const TemporaryFolder folder_;
  const std::string output_file_ = folder_.write("output", "");
  const std::string error_file_ = folder_.write("errors", "");
  pid_t pid_ = -1;
  std::optional<int> code_;
  bool left_core_ = false;
  std::jthread terminal_reader_;  // ends after the program; until then it writes the error file
};

// The command that has the shell run `line`, in which $0 is `program`.
inline std::vector<std::string> by_shell(const std::string& line, const std::string& program) {
  return {"/bin/sh", "-c", line, program};
}

// Runs a program to its end.
Finished run_program(std::vector<std::string> arguments, const Environment& environment = {},
                     std::chrono::seconds longest = std::chrono::seconds(60));

}  // namespace cpss
