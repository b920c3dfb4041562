// The text of --help.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace cpss {

struct NamedHelp {
  std::string_view name;
  std::string_view help;  // one line
};

// Complete, in groups, at most 96 columns wide; `services` are the values of --service.
std::string help_text(std::span<const NamedHelp> services);

// Breaks `text` at blanks into lines of at most `width` bytes, each after `indent` blanks and with
// a line end. A word that is longer stands alone.
std::string wrapped(std::string_view text, std::size_t indent, std::size_t width);

}  // namespace cpss
