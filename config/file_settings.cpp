#include "config/file_settings.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/quote.h"
#include "config/nearest_name.h"
#include "config/table.h"
#include "config/values.h"

namespace cpss {
namespace {

bool is_inside(std::string_view path, std::string_view section) {
  return path.size() > section.size() && path.starts_with(section) && path[section.size()] == '.';
}

// Whether settings live below this path; adds their keys to `keys`.
bool is_section(std::string_view path, std::vector<std::string_view>& keys) {
  for (const SettingInfo& row : kSettingTable)
    if (is_inside(row.yaml_path, path)) keys.push_back(row.yaml_path.substr(path.size() + 1));
  return !keys.empty();
}

// Where a user may expect a setting: its path, its key alone, its option's name, its section.
std::vector<KnownName> known_paths() {
  std::vector<KnownName> known;
  for (const SettingInfo& row : kSettingTable) {
    if (row.yaml_path.empty()) continue;
    const std::string path(row.yaml_path);
    const std::size_t dot = path.find('.');
    known.push_back({path, path});
    known.push_back({std::string(row.option), path});
    if (dot == std::string::npos) continue;
    known.push_back({path.substr(dot + 1), path});
    known.push_back({path.substr(0, dot), path.substr(0, dot)});
  }
  return known;
}

class FileReader {
 public:
  explicit FileReader(const std::string& file) : file_(file) {}

  RawSettings read(const YamlDocument& document) {
    for (const YamlEntry& entry : document.entries) take(entry);
    for (const YamlError& error : document.errors)
      result_.errors.push_back(error.at ? fmt::format("{}: {}", place(*error.at), error.text)
                                        : fmt::format("{}: {}", file_, error.text));
    return std::move(result_);
  }

 private:
  void take(const YamlEntry& entry) {
    if (!wrong_section_.empty() && is_inside(entry.path, wrong_section_)) return;
    const auto row = std::ranges::find(kSettingTable, entry.path, &SettingInfo::yaml_path);
    std::vector<std::string_view> keys;
    if (row != kSettingTable.end())
      take_setting(*row, entry);
    else if (is_section(entry.path, keys))
      take_section(entry, keys);
    else
      take_unknown(entry);
  }

  void take_setting(const SettingInfo& row, const YamlEntry& entry) {
    switch (entry.kind) {
      case YamlKind::nothing:
        return error(entry, fmt::format("has no value; remove the key, or give one; allowed: {}",
                                        allowed_text(row, Notation::yaml)));
      case YamlKind::section:
        wrong_section_ = entry.path;
        return error(entry, fmt::format("is not a section; it takes a value; allowed: {}",
                                        allowed_text(row, Notation::yaml)));
      case YamlKind::list:
        if (!is_list(row))
          return error(entry, fmt::format("takes one value, not a list; allowed: {}",
                                          allowed_text(row, Notation::yaml)));
        break;
      case YamlKind::scalar:
        break;
    }
    RawSetting setting{row.id, {Source::file, file_, entry.at.line, entry.at.column}, {}};
    for (const YamlScalar& value : entry.values)
      setting.pieces.push_back({value.text, value.at.line, value.at.column});
    result_.settings.push_back(std::move(setting));
  }

  // An empty section is one whose keys are all commented out.
  void take_section(const YamlEntry& entry, const std::vector<std::string_view>& keys) {
    if (entry.kind == YamlKind::section || entry.kind == YamlKind::nothing) return;
    error(entry, fmt::format("is a section, not a value; its keys are {}", fmt::join(keys, ", ")));
  }

  void take_unknown(const YamlEntry& entry) {
    wrong_section_ = entry.path;
    const std::string hint = did_you_mean(nearest_names(entry.path, known_));
    result_.errors.push_back(
        fmt::format("{}: unknown key {}{}", place(entry.at), in_quotes(entry.path),
                    hint.empty() ? "; --sample-config prints all keys" : hint));
  }

  void error(const YamlEntry& entry, const std::string& text) {
    result_.errors.push_back(fmt::format("{}: {} {}", place(entry.at), entry.path, text));
  }

  std::string place(YamlPosition at) const {
    return fmt::format("{}:{}:{}", file_, at.line, at.column);
  }

  const std::string& file_;
  const std::vector<KnownName> known_ = known_paths();
  RawSettings result_;
  std::string wrong_section_;  // already reported; entries below it are not
};

}  // namespace

RawSettings settings_of(const YamlDocument& document, const std::string& file) {
  return FileReader(file).read(document);
}

}  // namespace cpss
