// How each type of setting is written: text to value, value to text, the allowed values in words.
//
// Numbers are read with std::from_chars, the same from every source: decimal, no sign, no blanks,
// so that 010 is ten everywhere. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "config/table.h"

namespace cpss {

// YAML knows true and false; the environment and the command line know 0 and 1 as well.
enum class Notation : std::uint8_t { plain, yaml };

struct ValueError {
  std::size_t piece = 0;  // the number of the wrong piece
  std::string text;       // `'0' is out of range; allowed: 1 to 1024`
};

// Sets the row's member from `pieces`: one piece of text, or, for a list, any number of them, each
// with entries separated by commas. If there are errors the member stays as it was.
std::vector<ValueError> set_value(const SettingInfo& row, std::span<const std::string> pieces,
                                  Notation notation, Settings& settings);

// The value as set_value() takes it; nothing if an optional one is not set.
std::optional<std::string> value_text(const SettingInfo& row, const Settings& settings);
// The same as YAML: text in quotes, a list as a sequence.
std::optional<std::string> value_yaml(const SettingInfo& row, const Settings& settings);

// `1 to 1024`, `0, 1, true or false`.
std::string allowed_text(const SettingInfo& row, Notation notation);
// `symped, mp`; empty: every model uses it.
std::string used_by_text(const SettingInfo& row);
// The word for the value in --help: N, BYTES, LIST.
std::string_view placeholder(const SettingInfo& row);
bool is_list(const SettingInfo& row);
// A name or a file: it may be any text, so the generated texts do not say what is allowed.
bool is_text(const SettingInfo& row);

}  // namespace cpss
