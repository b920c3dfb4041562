// The command line of the programs that run mutants: --mutant NAME, --list, which names all
// mutants, and options that are whole numbers.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "tests/stress/mutants.h"

namespace cpss {

struct NumberOption {
  const char* name;
  std::uint64_t* value;
};

// Sets the numbers that are given and returns the mutant. Ends the program after --list, and with
// exit code 2 and `usage` if an argument is wrong.
Mutant parse_command_line(int argc, char** argv, const char* usage,
                          std::initializer_list<NumberOption> numbers);

}  // namespace cpss
