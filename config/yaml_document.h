// A YAML file as a flat list, which the parsing child sends to its parent.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cpss {

// Both count from 1; columns count bytes.
struct YamlPosition {
  std::uint32_t line = 1;
  std::uint32_t column = 1;

  auto operator<=>(const YamlPosition&) const = default;
};

struct YamlScalar {
  std::string text;
  YamlPosition at;

  bool operator==(const YamlScalar&) const = default;
};

enum class YamlKind : std::uint8_t { nothing, scalar, list, section };

// One key and its value. Keys inside a section have entries of their own.
struct YamlEntry {
  std::string path;  // the keys that lead to it, joined by '.': no key holds a '.' itself
  YamlPosition at;   // of the key
  YamlKind kind = YamlKind::nothing;
  std::vector<YamlScalar> values;  // one for a scalar, any number for a list, else none

  bool operator==(const YamlEntry&) const = default;
};

struct YamlError {
  std::optional<YamlPosition> at;  // none: it concerns the file as a whole
  std::string text;

  bool operator==(const YamlError&) const = default;
};

struct YamlDocument {
  std::vector<YamlEntry> entries;  // in the order of the file
  std::vector<YamlError> errors;   // if there are any, entries may be missing

  bool operator==(const YamlDocument&) const = default;
};

// To bytes and back. decode() returns nothing for bytes that encode() cannot have made: it does not
// trust the sender, which hostile input may have taken over.
std::string encode(const YamlDocument& document);
std::optional<YamlDocument> decode(std::string_view bytes);

}  // namespace cpss
