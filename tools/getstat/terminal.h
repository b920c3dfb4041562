// What fits on a terminal.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace cpss::getstat {

struct TerminalSize {
  std::size_t rows;
  std::size_t columns;
};

// Of the terminal behind a descriptor, now; nothing where it is none or does not know.
std::optional<TerminalSize> terminal_size(int descriptor);

// As much of `text` as can be shown without scrolling: its lines, each ended by '\n' and cut at the
// last column, and where they are too many, one last that says how many more there are. The row
// below them stays free for the cursor. A pure function; takes every character to be one column
// wide.
std::string cut_to(TerminalSize size, std::string_view text);

}  // namespace cpss::getstat
