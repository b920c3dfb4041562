// The origin of a value: for --print-config and for error texts.
#pragma once

#include <cstdint>
#include <string>

namespace cpss {

// In rising precedence: a later source replaces the value of an earlier one.
enum class Source : std::uint8_t { built_in, file, environment, command_line };

struct Origin {
  Source source = Source::built_in;
  std::string name;     // the file, variable or option as the user wrote it: CPSS_BATCH, --batch
  unsigned line = 0;    // from 1; files only
  unsigned column = 0;  // from 1, in bytes; files only

  // `default`, `cpssd.yaml:12`, `CPSS_BATCH`, `--batch`.
  std::string text() const;
};

}  // namespace cpss
