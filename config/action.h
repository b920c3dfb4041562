// The actions that a command line can ask for instead of running the server, and their options.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace cpss {

enum class Action : std::uint8_t { run, help, version, check_config, print_config, sample_config };

struct ActionInfo {
  Action action;
  std::string_view option;  // without the leading dashes
  char letter;              // the short form; 0: none
  std::string_view help;    // one sentence, without the final stop
};

// If several are given, help goes before version; any other two exclude each other.
inline constexpr auto kActionTable = std::to_array<ActionInfo>({
    {Action::help, "help", 'h', "Print this text and exit"},
    {Action::version, "version", 'V', "Print the version and exit"},
    {Action::check_config, "check-config", 0,
     "Check all settings as a start would, print what is wrong and exit"},
    {Action::print_config, "print-config", 0,
     "Print each setting's value and where it came from, as YAML, and exit"},
    {Action::sample_config, "sample-config", 0,
     "Print a YAML file with every setting, commented out, and exit"},
});

}  // namespace cpss
