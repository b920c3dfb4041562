#include "tools/getstat/json_writer.h"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

namespace cpss::getstat {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// The well-formed characters of more than one byte: RFC 3629, section 4, row by row. Bytes after
// the second are 80 to bf.
struct Utf8Row {
  unsigned char first_low, first_high;
  unsigned char second_low, second_high;
  std::size_t bytes;
};
constexpr std::array kUtf8Rows = {
    Utf8Row{0xc2, 0xdf, 0x80, 0xbf, 2}, Utf8Row{0xe0, 0xe0, 0xa0, 0xbf, 3},
    Utf8Row{0xe1, 0xec, 0x80, 0xbf, 3}, Utf8Row{0xed, 0xed, 0x80, 0x9f, 3},
    Utf8Row{0xee, 0xef, 0x80, 0xbf, 3}, Utf8Row{0xf0, 0xf0, 0x90, 0xbf, 4},
    Utf8Row{0xf1, 0xf3, 0x80, 0xbf, 4}, Utf8Row{0xf4, 0xf4, 0x80, 0x8f, 4}};

bool in_range(char byte, unsigned char low, unsigned char high) noexcept {
  const auto value = static_cast<unsigned char>(byte);
  return value >= low && value <= high;
}

// How many bytes the character has with which the text begins; 0 where it is not well-formed.
std::size_t bytes_of_first_character(std::string_view text) noexcept {
  if (in_range(text[0], 0, 0x7f)) return 1;
  for (const Utf8Row& row : kUtf8Rows) {
    if (!in_range(text[0], row.first_low, row.first_high)) continue;
    if (text.size() < row.bytes || !in_range(text[1], row.second_low, row.second_high)) return 0;
    const std::string_view rest = text.substr(2, row.bytes - 2);
    const bool whole =
        std::all_of(rest.begin(), rest.end(), [](char byte) { return in_range(byte, 0x80, 0xbf); });
    return whole ? row.bytes : 0;
  }
  return 0;
}

}  // namespace

JsonWriter& JsonWriter::key(std::string_view name) {
  value(name);
  text_ += ':';
  first_ = true;
  return *this;
}

void JsonWriter::value(std::string_view text) {
  separate();
  text_ += '"';
  while (!text.empty()) {
    const std::size_t bytes = bytes_of_first_character(text);
    if (bytes == 0)
      text_ += kReplacement;
    else if (text[0] == '"' || text[0] == '\\')
      (text_ += '\\') += text[0];
    else if (in_range(text[0], 0, 0x1f))
      fmt::format_to(std::back_inserter(text_), "\\u{:04x}", text[0]);
    else
      text_ += text.substr(0, bytes);
    text.remove_prefix(std::max<std::size_t>(bytes, 1));
  }
  text_ += '"';
}

void JsonWriter::value(std::uint64_t number) {
  separate();
  fmt::format_to(std::back_inserter(text_), "{}", number);
}

void JsonWriter::value(std::int64_t number) {
  separate();
  fmt::format_to(std::back_inserter(text_), "{}", number);
}

void JsonWriter::value(double number) {
  separate();
  fmt::format_to(std::back_inserter(text_), "{:.6f}", number);
}

void JsonWriter::value(bool truth) {
  separate();
  text_ += truth ? "true" : "false";
}

void JsonWriter::null() {
  separate();
  text_ += "null";
}

void JsonWriter::open(char bracket) {
  separate();
  text_ += bracket;
  first_ = true;
}

void JsonWriter::close(char bracket) {
  text_ += bracket;
  first_ = false;
}

void JsonWriter::separate() {
  if (!first_) text_ += ',';
  first_ = false;
}

}  // namespace cpss::getstat
