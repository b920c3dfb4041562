#include "config/yaml_text.h"

#include <cstdint>

#include <fmt/format.h>

namespace cpss {
namespace {

// Bytes of the UTF-8 character that `text` begins with (RFC 3629, section 4); 0 where there is
// none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!continues(1) || !continues(2)) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
    if (first == 0xED && byte(1) > 0x9F) return 0;  // surrogate
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (first == 0xF0 && byte(1) < 0x90) return 0;  // overlong
    if (first == 0xF4 && byte(1) > 0x8F) return 0;  // above U+10FFFF
    return 4;
  }
  return 0;
}

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
