// The real udpblast as a process: started, signalled, waited for.
#pragma once

#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

#include "stats/file_descriptor.h"

namespace cpss::udpblast {

struct ProgramResult {
  int exit_code = -1;  // -1: ended by a signal
  std::string out;
  std::string err;
};

class Program {
 public:
  enum class Errors { captured, on_a_terminal };

  explicit Program(const std::vector<std::string>& arguments, Errors errors = Errors::captured,
                   unsigned open_files = 0);  // 0: no limit of its own
  ~Program();                                 // kills what still runs
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void signal(int number) const;
  // Waits for its end; after a minute it is killed and the result has exit_code -1.
  ProgramResult wait();

 private:
  FileDescriptor out_;
  FileDescriptor err_;
  std::string terminal_text_;
  std::thread terminal_reader_;
  pid_t pid_ = -1;
};

ProgramResult run_program(const std::vector<std::string>& arguments);

}  // namespace cpss::udpblast
