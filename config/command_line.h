// Settings and actions from the command line, by Boost.Program_options.
#pragma once

#include "config/action.h"
#include "config/raw_setting.h"

namespace cpss {

struct CommandLine {
  Action action = Action::run;
  RawSettings raw;  // its errors are errors of usage
};

// `--name value`, `--name=value`, -h, -V. Abbreviated names, repeated options and anything that is
// not an option are errors; so is `--name` followed by another option.
CommandLine read_command_line(int argc, const char* const* argv);

}  // namespace cpss
