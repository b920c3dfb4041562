#include "config/help.h"

#include <fmt/format.h>

#include "config/action.h"
#include "config/table.h"
#include "config/values.h"

namespace cpss {
namespace {

constexpr std::size_t kWidth = 96;
constexpr std::size_t kTextColumn = 28;

constexpr std::string_view kIntroduction =
    R"(Usage: cpssd [OPTION]...

A staged UDP message-processing server: datagrams are received, processed by a service and
answered by separate pools of threads.

Examples:
  cpssd                                          answer look-ups of the sample on 127.0.0.1:7700
  cpssd --listen '0.0.0.0:7700,[::]:7700' --numbers numbers.csv
  cpssd --service echo --service-threads 2 --service-cpus 0,2-3
  cpssd --sample-config > cpssd.yaml             a file with every setting, to be edited
  cpssd --config cpssd.yaml --check-config       say what is wrong with it, and start nothing
  CPSS_BATCH=16 cpssd --print-config             show each value and where it came from

Every setting can be given as an option, as an environment variable or in a YAML file. An option
goes before a variable, a variable before the file, the file before the default.
)";

constexpr std::string_view kExitCodes = R"(
Exit codes:
  0 clean end; 1 forced end: a second signal, a drain that took too long, or a signal while
  processes started; 64 unknown option or missing argument; 66 data file; 69 address in use, or
  not there yet; 70 internal error, or a limit was met; 73 statistics file; 77 permission;
  78 bad setting, or one that this host cannot have; 128 + N ended by signal N
)";

// `  --name WHAT              text ...`, the text from kTextColumn on.
std::string entry(std::string_view left, std::string_view text) {
  const std::string body = wrapped(text, kTextColumn, kWidth);
  if (left.size() + 2 > kTextColumn) return fmt::format("{}\n{}", left, body);
  return fmt::format("{:<{}}{}", left, kTextColumn, body.substr(kTextColumn));
}

std::string setting_entry(const SettingInfo& row) {
  std::string text =
      entry(fmt::format("  --{} {}", row.option, placeholder(row)), fmt::format("{}.", row.help));
  if (!is_text(row))
    text += wrapped(fmt::format("Allowed: {}.", allowed_text(row, Notation::plain)), kTextColumn,
                    kWidth);
  if (const std::string models = used_by_text(row); !models.empty())
    text += wrapped(fmt::format("Models: {}.", models), kTextColumn, kWidth);
  const std::string yaml =
      row.yaml_path.empty() ? "not in YAML" : fmt::format("YAML {}", row.yaml_path);
  const std::string_view value = row.default_text.empty() ? row.empty_means : row.default_text;
  return text + wrapped(fmt::format("{}, {}; default: {}.", row.variable, yaml, value), kTextColumn,
                        kWidth);
}

}  // namespace

std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
  std::string out;
  std::string line(indent, ' ');
  bool fresh = true;
  while (!text.empty()) {
    const std::size_t blank = text.find(' ');
    const std::string_view word = text.substr(0, blank);
    text.remove_prefix(blank == std::string_view::npos ? text.size() : blank + 1);
    if (!fresh && line.size() + 1 + word.size() > width) {
      out += line + '\n';
      line.assign(indent, ' ');
      fresh = true;
    }
    if (!fresh) line += ' ';
    line += word;
    fresh = false;
  }
  return out + line + '\n';
}

std::string help_text(std::span<const NamedHelp> services) {
  std::string text(kIntroduction);
  text += "\nServices (--service):\n";
  for (const NamedHelp& service : services)
    text += entry(fmt::format("  {}", service.name), service.help);
  std::string_view group;
  for (const SettingInfo& row : kSettingTable) {
    if (row.group != group) text += fmt::format("\n{}:\n", row.group);
    group = row.group;
    text += setting_entry(row);
  }
  text += "\nInstead of running:\n";
  for (const ActionInfo& row : kActionTable) {
    const std::string letter = row.letter == 0 ? "" : fmt::format(", -{}", row.letter);
    text += entry(fmt::format("  --{}{}", row.option, letter), fmt::format("{}.", row.help));
  }
  text += kExitCodes;
  return text;
}

}  // namespace cpss
