#include "config/yaml_text.h"

#include <cstdint>

#include <fmt/format.h>

#include "base/utf8.h"

namespace cpss {
namespace {

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < ' ' && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f;
}

}  // namespace

std::optional<YamlError> check_text(std::string_view text) {
  YamlPosition at;
  std::optional<YamlPosition> tab;  // in the indentation of the current line
  bool indenting = true;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    const std::size_t length = utf8_length(text.substr(i));
    if (length == 0) return YamlError{at, "this byte is not UTF-8 text; save the file as UTF-8"};
    if (is_control(c))
      return YamlError{
          at, fmt::format("control character 0x{:02x}; remove it", static_cast<unsigned char>(c))};
    if (c == '\n') {
      indenting = true;
      tab.reset();
      ++at.line;
      at.column = 0;
    } else if (indenting && c == '\t') {
      if (!tab) tab = at;
    } else if (indenting && c != ' ' && c != '\r') {
      indenting = false;
      if (tab && c != '#') return YamlError{tab, "a tab in the indentation; indent with spaces"};
    }
    at.column += static_cast<std::uint32_t>(length);
    i += length;
  }
  return std::nullopt;
}

}  // namespace cpss
