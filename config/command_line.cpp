#include "config/command_line.h"

#include <algorithm>
#include <bitset>
#include <string_view>

#include <boost/program_options/cmdline.hpp>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <fmt/format.h>

#include "base/quote.h"
#include "config/nearest_name.h"
#include "config/table.h"
#include "config/values.h"

namespace cpss {
namespace {

namespace po = boost::program_options;

po::options_description describe_options() {
  po::options_description options;
  for (const SettingInfo& row : kSettingTable)
    options.add_options()(std::string(row.option).c_str(), po::value<std::string>());
  for (const ActionInfo& row : kActionTable) {
    std::string name(row.option);
    if (row.letter != 0) name += fmt::format(",{}", row.letter);
    options.add_options()(name.c_str(), "");
  }
  return options;
}

std::string unknown_option(std::string_view token) {
  const std::string_view typed = token.substr(0, token.find('='));
  std::vector<KnownName> known;
  for (const SettingInfo& row : kSettingTable)
    known.push_back({std::string(row.option), std::string(row.option)});
  for (const ActionInfo& row : kActionTable)
    known.push_back({std::string(row.option), std::string(row.option)});
  const std::string_view name = typed.substr(std::min(typed.find_first_not_of('-'), typed.size()));
  const std::string hint = did_you_mean(nearest_names(name, known), "--");
  return fmt::format("{}: unknown option{}", in_quotes(typed),
                     hint.empty() ? "; see --help" : hint);
}

// Reads one option at a time, with the word behind it if that is its value, and has a new parser of
// Boost's for each. That parser throws at the first option that it cannot take and drops what it
// has read, and the user is to see every error of the command line in one go. So this class walks
// along the arguments and decides what belongs together; Boost takes each option apart.
class CommandLineReader {
 public:
  CommandLine read(const std::vector<std::string>& arguments) {
    for (std::size_t i = 0; i < arguments.size();) {
      // A value never begins with two dashes, so `--config --batch 1` lacks one.
      const bool has_next = i + 1 < arguments.size() && !arguments[i + 1].starts_with("--");
      const std::string* next = has_next ? &arguments[i + 1] : nullptr;
      i += take(arguments[i], next) ? 2U : 1U;
    }
    choose_action();
    return std::move(result_);
  }

 private:
  // Returns whether `next` belongs to `token`.
  bool take(const std::string& token, const std::string* next) {
    if (!token.starts_with('-') || token == "-" || token == "--") {
      error(
          fmt::format("{}: not an option; cpssd takes options only, see --help", in_quotes(token)));
      return false;
    }
    const bool empty_value = token.find('=') == token.size() - 1;
    try {
      const po::option option = po::command_line_parser(tokens_for_boost(token, next, empty_value))
                                    .options(options_)
                                    .positional(positional_)
                                    .style(kStyle)
                                    .allow_unregistered()
                                    .run()
                                    .options.front();
      if (!option.unregistered) {
        accept(option);
        return option.original_tokens.size() == 2 && !empty_value;
      }
      error(unknown_option(token));
    } catch (const po::error&) {
      error(explain(token));
      if (is_known(token)) return false;
    }
    // The word after an unknown option counts as its value.
    return next != nullptr && !next->starts_with('-') && token.find('=') == std::string::npos;
  }

  // Boost takes an empty value as a word of its own, but not as `--name=`.
  static std::vector<std::string> tokens_for_boost(const std::string& token,
                                                   const std::string* next, bool empty_value) {
    if (empty_value) return {token.substr(0, token.size() - 1), ""};
    if (next == nullptr) return {token};
    return {token, *next};
  }

  void accept(const po::option& option) {
    const auto action = std::ranges::find(kActionTable, option.string_key, &ActionInfo::option);
    if (action != kActionTable.end()) {
      if (std::ranges::find(actions_, action->action) == actions_.end())
        actions_.push_back(action->action);
      return;
    }
    const auto row = std::ranges::find(kSettingTable, option.string_key, &SettingInfo::option);
    const std::string name = fmt::format("--{}", row->option);
    const auto index = static_cast<std::size_t>(row->id);
    if (seen_[index]) {
      error(fmt::format("{}: given twice; {}", name,
                        is_list(*row) ? "write one list, separated by commas" : "give it once"));
      return;
    }
    seen_.set(index);
    result_.raw.settings.push_back(
        {row->id, {Source::command_line, name}, {{option.value.front()}}});
  }

  // The setting or action that `token` names in full, or null.
  static const SettingInfo* setting_named(const std::string& token) {
    const std::string name = token.substr(0, token.find('='));
    for (const SettingInfo& row : kSettingTable)
      if (name == fmt::format("--{}", row.option)) return &row;
    return nullptr;
  }
  static const ActionInfo* action_named(const std::string& token) {
    const std::string name = token.substr(0, token.find('='));
    for (const ActionInfo& row : kActionTable)
      if (name == fmt::format("--{}", row.option)) return &row;
    return nullptr;
  }
  static bool is_known(const std::string& token) {
    return setting_named(token) != nullptr || action_named(token) != nullptr;
  }

  // Why Boost threw for `token`.
  static std::string explain(const std::string& token) {
    if (const SettingInfo* row = setting_named(token))
      return fmt::format("--{}: needs an argument: --{} {}", row->option, row->option,
                         placeholder(*row));
    if (const ActionInfo* row = action_named(token))
      return fmt::format("--{}: takes no argument", row->option);
    return unknown_option(token);
  }

  void choose_action() {
    const auto asked = [&](Action action) {
      return std::ranges::find(actions_, action) != actions_.end();
    };
    if (asked(Action::help)) {
      result_.action = Action::help;
    } else if (asked(Action::version)) {
      result_.action = Action::version;
    } else if (!actions_.empty()) {
      result_.action = actions_.front();
      if (actions_.size() > 1)
        error(fmt::format("--{}: cannot be combined with --{}; give one of them",
                          option_of(actions_[1]), option_of(actions_[0])));
    }
  }

  static std::string_view option_of(Action action) {
    return std::ranges::find(kActionTable, action, &ActionInfo::action)->option;
  }

  void error(std::string text) { result_.raw.errors.push_back(std::move(text)); }

  static constexpr int kStyle = po::command_line_style::unix_style &
                                ~po::command_line_style::allow_guessing &
                                ~po::command_line_style::allow_sticky;

  const po::options_description options_ = describe_options();
  const po::positional_options_description positional_;
  CommandLine result_;
  std::vector<Action> actions_;
  std::bitset<kSettings> seen_;
};

}  // namespace

CommandLine read_command_line(int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) arguments.emplace_back(argv[i]);
  return CommandLineReader().read(arguments);
}

}  // namespace cpss
