#include "config/load.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include <fmt/format.h>

#include "base/quote.h"
#include "config/command_line.h"
#include "config/environment.h"
#include "config/file_settings.h"
#include "config/table.h"
#include "config/values.h"
#include "config/yaml_file.h"

namespace cpss {
namespace {

constexpr std::size_t kMaxErrorsOfAFile = 100;  // a file of rubbish must not fill the terminal

// The place of an error, as the user can find it.
std::string place(const Origin& origin, const SettingInfo& row) {
  if (origin.source != Source::file) return origin.name;
  return fmt::format("{}:{}:{}: {}", origin.name, origin.line, origin.column, row.yaml_path);
}

// The last setting that `sources` give for `wanted`, or null.
const RawSetting* find_last(Setting wanted, std::initializer_list<const RawSettings*> sources) {
  const RawSetting* found = nullptr;
  for (const RawSettings* source : sources)
    for (const RawSetting& raw : source->settings)
      if (raw.setting == wanted) found = &raw;
  return found;
}

void append(std::vector<std::string>& to, std::vector<std::string> errors) {
  std::ranges::move(errors, std::back_inserter(to));
}

class Loader {
 public:
  explicit Loader(std::chrono::milliseconds input_patience) {
    result_.input_patience = input_patience;
  }

  LoadResult load(int argc, const char* const* argv, const char* const* environment) {
    result_.settings = default_settings();
    CommandLine command_line = read_command_line(argc, argv);
    result_.action = command_line.action;
    append(result_.errors, std::move(command_line.raw.errors));
    if (!result_.errors.empty()) result_.exit_code = kExitUsage;
    if (reads_nothing_else()) return finish();

    RawSettings variables = read_environment(environment);
    append(result_.errors, std::move(variables.errors));
    const RawSetting* config = find_last(Setting::config_file, {&variables, &command_line.raw});
    if (config != nullptr && !config->pieces.front().text.empty())
      apply_file(config->pieces.front().text);
    apply(variables);
    apply(command_line.raw);
    return finish();
  }

 private:
  bool reads_nothing_else() const {
    return result_.action == Action::help || result_.action == Action::version ||
           result_.action == Action::sample_config;
  }

  void apply_file(const std::string& path) {
    RawSettings raw = settings_of(read_yaml_file(path, result_.input_patience), path);
    std::vector<std::string> others = std::exchange(result_.errors, std::move(raw.errors));
    apply(raw);
    if (result_.errors.size() > kMaxErrorsOfAFile) {
      const std::size_t more = result_.errors.size() - kMaxErrorsOfAFile;
      result_.errors.resize(kMaxErrorsOfAFile);
      result_.errors.push_back(fmt::format("{}: {} more errors", path, more));
    }
    std::swap(result_.errors, others);
    append(result_.errors, std::move(others));
  }

  void apply(const RawSettings& source) {
    for (const RawSetting& raw : source.settings) apply(raw);
  }

  void apply(const RawSetting& raw) {
    const SettingInfo& row = info(raw.setting);
    const Notation notation = raw.origin.source == Source::file ? Notation::yaml : Notation::plain;
    std::vector<std::string> texts;
    for (const RawPiece& piece : raw.pieces) texts.push_back(piece.text);
    for (const ValueError& error : set_value(row, texts, notation, result_.settings)) {
      Origin at = raw.origin;
      if (error.piece < raw.pieces.size() && at.source == Source::file) {
        at.line = raw.pieces[error.piece].line;
        at.column = raw.pieces[error.piece].column;
      }
      result_.errors.push_back(fmt::format("{}: {}", place(at, row), error.text));
    }
    result_.origins[static_cast<std::size_t>(raw.setting)] = raw.origin;
  }

  LoadResult finish() {
    if (!result_.errors.empty() && result_.exit_code == 0) result_.exit_code = kExitConfig;
    return std::move(result_);
  }

  LoadResult result_;
};

}  // namespace

LoadResult load_settings(int argc, const char* const* argv, const char* const* environment,
                         std::chrono::milliseconds input_patience) {
  return Loader(input_patience).load(argc, argv, environment);
}

Settings default_settings() {
  Settings settings;
  for (const SettingInfo& row : kSettingTable) {
    const std::vector<std::string> texts{std::string(row.default_text)};
    [[maybe_unused]] const auto errors = set_value(row, texts, Notation::plain, settings);
    assert(errors.empty() && "a default of the table that the table does not allow");
  }
  return settings;
}

std::string error_about(const LoadResult& loaded, Setting setting, const std::string& problem) {
  const SettingInfo& row = info(setting);
  const Origin& origin = loaded.origin(setting);
  return fmt::format(
      "{}: {} {}",
      loaded.is_set(setting) ? place(origin, row) : fmt::format("default of {}", row.variable),
      in_quotes(value_text(row, loaded.settings).value_or("")), problem);
}

}  // namespace cpss
