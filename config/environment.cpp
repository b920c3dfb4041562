#include "config/environment.h"

#include <algorithm>
#include <bitset>
#include <regex>
#include <string_view>

#include <fmt/format.h>

#include "config/nearest_name.h"
#include "config/quote.h"
#include "config/table.h"

namespace cpss {
namespace {

constexpr std::size_t kLongestInjectedName = 256;  // std::regex recurses once a character

// A name alone would do for most, but CPSS_PORT=8000 or CPSS_NAME=x is a user who believes in a
// setting of that name.
bool is_injected_by_a_platform(std::string_view name, std::string_view value) {
  static const std::regex kAnyValue(
      "CPSS_([A-Z0-9_]+_)?"
      "(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|ENV_[A-Za-z0-9_]+"
      "|PORT_[0-9]+_(TCP|UDP|SCTP)(_(ADDR|PORT|PORT_START|PORT_END|PROTO))?)");
  static const std::regex kUrl("CPSS_([A-Z0-9_]+_)?PORT");
  static const std::regex kContainerPath("CPSS_([A-Z0-9_]+_)?NAME");
  if (name.size() > kLongestInjectedName) return false;
  const auto is_like = [&](const std::regex& pattern) {
    return std::regex_match(name.begin(), name.end(), pattern);
  };
  return is_like(kAnyValue) || (is_like(kUrl) && value.find("://") != std::string_view::npos) ||
         (is_like(kContainerPath) && value.starts_with('/'));
}

std::string unknown_variable(std::string_view name) {
  std::vector<KnownName> known;
  for (const SettingInfo& row : kSettingTable) {
    const std::string variable(row.variable);
    known.push_back({variable.substr(kVariablePrefix.size()), variable});
  }
  const std::string hint = did_you_mean(nearest_names(name.substr(kVariablePrefix.size()), known));
  return fmt::format("{}: unknown variable{}", quoted_for_message(name),
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
