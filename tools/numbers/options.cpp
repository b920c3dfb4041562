#include "tools/numbers/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>
#include <string_view>

#include <boost/program_options.hpp>
#include <fmt/format.h>

namespace cpss::numbers_tool {
namespace {

namespace po = boost::program_options;

// What each command takes.
struct CommandInfo {
  std::string_view name;
  Command command;
  std::string_view operands;
  std::size_t least;
  std::size_t most;
  bool writes;
  std::string_view about;
};

constexpr std::array kCommands = {
    CommandInfo{"build", Command::build, "DATA", 1, 1, true,
                "builds an image of CSV data, plain or compressed by gzip"},
    CommandInfo{"check", Command::check, "FILE", 1, 1, false,
                "says what is wrong with an image, or with CSV data"},
    CommandInfo{"info", Command::info, "FILE", 1, 1, false, "rows, values, sizes, source, serial"},
    CommandInfo{"show", Command::show, "FILE NUMBER...", 2, SIZE_MAX, false,
                "which row answers a number, and why"},
    CommandInfo{"diff", Command::diff, "A B", 2, 2, false,
                "the changes that make A into B, as CSV"},
    CommandInfo{"apply", Command::apply, "FILE CHANGES", 2, 2, true,
                "builds an image of FILE with changes"},
    CommandInfo{"export", Command::export_csv, "FILE", 1, 1, false, "its rows as CSV"},
};

po::options_description description() {
  po::options_description options("Options", 100);
  // clang-format off
  options.add_options()
    ("output,o", po::value<std::string>()->value_name("FILE"),
     "build, apply: where the image goes; a file of that name is replaced once the new one is on "
     "the disk")
    ("serial", po::value<std::string>()->value_name("N"),
     "build, apply: the image's serial (default: the time, in seconds; more than that of FILE)")
    ("column", po::value<std::vector<std::string>>()->value_name("OURS=THEIRS"),
     "a column that the data call otherwise, such as prefix=TN; without a header its number from "
     "1, such as prefix=2. May be given several times")
    ("delimiter", po::value<std::string>()->value_name("CHARACTER"),
     "what is between two fields; 'tab' for a tab (default: a comma, semicolon or tab, whichever "
     "the first line shows)")
    ("no-header", "the first line is data; --column says which columns there are")
    ("allow-empty", "data without a row are no error")
    ("json", "info: print one JSON object")
    ("help,h", "print this and end")
    ("version", "print the version and end");
  // clang-format on
  return options;
}

po::variables_map parse_command_line(int argc, const char* const* argv) {
  namespace style = po::command_line_style;
  po::options_description all = description();
  all.add_options()("operand", po::value<std::vector<std::string>>());
  po::positional_options_description operands;
  operands.add("operand", -1);
  po::variables_map values;
  try {
    po::store(po::command_line_parser(argc, argv)
                  .options(all)
                  .positional(operands)
                  .style(style::unix_style & ~style::allow_guessing)
                  .run(),
              values);
    po::notify(values);
  } catch (const po::error& error) {
    throw UsageError(fmt::format("{} (see --help)", error.what()));
  }
  return values;
}

char delimiter(const std::string& text) {
  if (text == "tab") return '\t';
  if (text.size() == 1 && text != "\"" && text != " " && text[0] >= ' ' && text[0] <= '~')
    return text[0];
  throw UsageError(fmt::format(
      "--delimiter {}: not one character between '!' and '~' without '\"', and not 'tab'", text));
}

std::uint64_t serial(const std::string& text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end)
    throw UsageError(fmt::format("--serial {}: not a number from 0 to 2^64-1", text));
  return value;
}

NumberFormat format_of(const po::variables_map& values) {
  NumberFormat format;
  format.header = values.count("no-header") == 0;
  if (values.count("delimiter") != 0)
    format.separator = delimiter(values["delimiter"].as<std::string>());
  if (values.count("column") != 0)
    for (const std::string& pair : values["column"].as<std::vector<std::string>>()) {
      const std::size_t equals = pair.find('=');
      if (equals == std::string::npos || equals == 0 || equals + 1 == pair.size())
        throw UsageError(fmt::format("--column {}: not OURS=THEIRS, such as prefix=TN", pair));
      format.names.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
    }
  if (!format.header &&
      std::ranges::none_of(format.names, [](const auto& pair) { return pair.first == "prefix"; }))
    throw UsageError("--no-header: the prefix needs a column, such as --column prefix=1");
  return format;
}

const CommandInfo& command_of(const std::string& name) {
  const auto* const found = std::ranges::find(kCommands, name, &CommandInfo::name);
  if (found != kCommands.end()) return *found;
  std::string names;
  for (const CommandInfo& info : kCommands)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", info.name);
  throw UsageError(fmt::format("no command '{}'; there are: {} (see --help)", name, names));
}

}  // namespace

Options parse_options(int argc, const char* const* argv) {
  const po::variables_map values = parse_command_line(argc, argv);
  Options options;
  if (values.count("help") != 0) return options;
  if (values.count("version") != 0) {
    options.command = Command::version;
    return options;
  }
  if (values.count("operand") == 0) throw UsageError("a command is missing (see --help)");
  options.operands = values["operand"].as<std::vector<std::string>>();
  const CommandInfo& info = command_of(options.operands.front());
  options.operands.erase(options.operands.begin());
  options.command = info.command;
  if (options.operands.size() < info.least || options.operands.size() > info.most)
    throw UsageError(fmt::format("usage: cpss-numbers {} {}{}", info.name, info.operands,
                                 info.writes ? " -o FILE" : ""));
  const bool to_file = values.count("output") != 0;
  if (to_file) options.output = values["output"].as<std::string>();
  if (info.writes != to_file)
    throw UsageError(
        fmt::format("{} {}", info.name, info.writes ? "needs -o FILE" : "takes no -o"));
  if (values.count("serial") != 0) {
    if (!info.writes) throw UsageError(fmt::format("{} takes no --serial", info.name));
    options.serial = serial(values["serial"].as<std::string>());
  }
  options.json = values.count("json") != 0;
  if (options.json && info.command != Command::info)
    throw UsageError(fmt::format("{} takes no --json", info.name));
  options.allow_empty = values.count("allow-empty") != 0;
  options.format = format_of(values);
  return options;
}

std::string help_text() {
  std::ostringstream text;
  text << "cpss-numbers: builds, checks, shows and changes number data of cpss (docs/numbers.md)\n"
          "Usage: cpss-numbers COMMAND ... [OPTION ...]\n\nCommands:\n";
  for (const CommandInfo& info : kCommands)
    text << fmt::format("  {:<23} {}\n", fmt::format("{} {}", info.name, info.operands),
                        info.about);
  text
      << "\nA FILE is an image or CSV data; so are A and B.\n\n"
      << description()
      << "\nExit codes: 0 good; 1 diff: A and B differ; 64 a wrong option; 66 data that cannot be\n"
         "read or are wrong; 70 a limit was met, as of memory; 73 an output that cannot be\n"
         "written.\n";
  return text.str();
}

std::string version_text() {
  return "cpss-numbers " CPSS_VERSION "\n";
}

}  // namespace cpss::numbers_tool
