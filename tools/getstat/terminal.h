// Cuts a text to what fits on a terminal.
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

// The size that the terminal behind a descriptor has now; nullopt if it is no terminal, or does not
// know.
std::optional<TerminalSize> terminal_size(int descriptor);

// The part of `text` that the terminal shows without scrolling: its lines, each ended by '\n' and
// cut at the last column; if there are too many, a last line says how many more there are. The row
// below them stays free for the cursor. A pure function; takes every character to be one column
// wide.
std::string cut_to(TerminalSize size, std::string_view text);

}  // namespace cpss::getstat
