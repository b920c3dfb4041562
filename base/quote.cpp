#include "base/quote.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/utf8.h"

namespace cpss {
namespace {

// `character`: of UTF-8, or one byte that is none.
bool is_visible(std::string_view character) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(character[i]); };
  if (character.size() == 1) return byte(0) >= 0x20 && byte(0) < 0x7f;
  return byte(0) != 0xc2 || byte(1) >= 0xa0;  // c2 80 to c2 9f: U+0080 to U+009F
}

void append(std::string& out, std::string_view character) {
  if (character == "\\" || character == "'") out += '\\';
  if (is_visible(character)) {
    out += character;
    return;
  }
  for (const char c : character) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
}

}  // namespace

std::string in_quotes(std::string_view text, std::size_t max) {
  std::string out = "'";
  while (!text.empty()) {
    const std::size_t length = std::max<std::size_t>(utf8_length(text), 1);
    if (length > max) break;
    append(out, text.substr(0, length));
    text.remove_prefix(length);
    max -= length;
  }
  return out += text.empty() ? "'" : "'...";
}

}  // namespace cpss
