#include "config/environment.h"

#include <algorithm>
#include <bitset>
#include <initializer_list>
#include <string_view>

#include <fmt/format.h>

#include "base/quote.h"
#include "config/nearest_name.h"
#include "config/table.h"

namespace cpss {
namespace {

// Removes from `text` the first of `suffixes` that it ends with.
bool strip_any(std::string_view& text, std::initializer_list<std::string_view> suffixes) {
  for (const std::string_view suffix : suffixes) {
    if (!text.ends_with(suffix)) continue;
    text.remove_suffix(suffix.size());
    return true;
  }
  return false;
}

// Whether `text` goes on after the first `infix`.
bool continues_after(std::string_view text, std::string_view infix) {
  const std::size_t at = text.find(infix);
  return at != std::string_view::npos && at + infix.size() < text.size();
}

// `..._PORT_7700_UDP`, alone or with a suffix.
bool is_port_of_a_protocol(std::string_view name) {
  strip_any(name, {"_ADDR", "_PROTO", "_PORT_START", "_PORT_END", "_PORT"});
  if (!strip_any(name, {"_TCP", "_UDP", "_SCTP"})) return false;
  const std::size_t before_digits = name.find_last_not_of("0123456789");
  const bool digits = before_digits + 1 < name.size();
  return digits && name.substr(0, before_digits + 1).ends_with("_PORT_");
}

// The name alone decides for most. But a user who sets CPSS_PORT=8000 or CPSS_NAME=x believes in a
// setting of that name, so for these two the value decides.
bool is_injected_by_a_platform(std::string_view name, std::string_view value) {
  if (name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT")) return true;
  if (continues_after(name, "_SERVICE_PORT_") || continues_after(name, "_ENV_")) return true;
  if (is_port_of_a_protocol(name)) return true;
  if (name.ends_with("_PORT")) return value.find("://") != std::string_view::npos;
  return name.ends_with("_NAME") && value.starts_with('/');
}

std::string unknown_variable(std::string_view name) {
  std::vector<KnownName> known;
  for (const SettingInfo& row : kSettingTable) {
    const std::string variable(row.variable);
    known.push_back({variable.substr(kVariablePrefix.size()), variable});
  }
  const std::string hint = did_you_mean(nearest_names(name.substr(kVariablePrefix.size()), known));
  return fmt::format("{}: unknown variable{}", in_quotes(name),
                     hint.empty() ? "; unset it, or see --help for all names" : hint);
}

}  // namespace

RawSettings read_environment(const char* const* environment) {
  RawSettings result;
  if (environment == nullptr) return result;
  std::bitset<kSettings> seen;
  for (; *environment != nullptr; ++environment) {
    const std::string_view assignment = *environment;
    const std::size_t equals = assignment.find('=');
    const std::string_view name = assignment.substr(0, equals);
    if (equals == std::string_view::npos || !name.starts_with(kVariablePrefix)) continue;
    const auto row = std::ranges::find(kSettingTable, name, &SettingInfo::variable);
    if (row == kSettingTable.end()) {
      if (!is_injected_by_a_platform(name, assignment.substr(equals + 1)))
        result.errors.push_back(unknown_variable(name));
      continue;
    }
    const auto index = static_cast<std::size_t>(row->id);
    if (seen[index]) {
      result.errors.push_back(fmt::format("{}: is in the environment twice", name));
      continue;
    }
    seen.set(index);
    result.settings.push_back({row->id,
                               {Source::environment, std::string(name)},
                               {{std::string(assignment.substr(equals + 1))}}});
  }
  return result;
}

}  // namespace cpss
