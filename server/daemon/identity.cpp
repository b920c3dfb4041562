#include "server/daemon/identity.h"

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include <grp.h>
#include <pwd.h>

#include "base/quote.h"

namespace cpss {
namespace {

struct User {
  std::string name;  // empty: the databases have no such user
  uid_t id = 0;
  std::optional<gid_t> group;
};

// The highest number means "none" to setresuid(2) and its like.
std::optional<std::uint32_t> number_in(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() ||
      number == std::numeric_limits<std::uint32_t>::max())
    return std::nullopt;
  return number;
}

// Looks for a name before a number: a user may be called 1000.
User find_user(const std::string& text) {
  const passwd* entry = ::getpwnam(text.c_str());
  const auto number = number_in(text);
  if (entry == nullptr && number) entry = ::getpwuid(*number);
  if (entry != nullptr) return {entry->pw_name, entry->pw_uid, entry->pw_gid};
  if (number) return {.name = {}, .id = *number, .group = std::nullopt};
  throw NoSuchIdentity("names no user of this host ('getent passwd' lists those there are)");
}

gid_t find_group(const std::string& text) {
  if (const group* entry = ::getgrnam(text.c_str())) return entry->gr_gid;
  if (const auto number = number_in(text)) return *number;
  throw NoSuchIdentity("names no group of this host ('getent group' lists those there are)");
}

std::vector<gid_t> groups_of(const User& user, gid_t group) {
  if (user.name.empty()) return {group};
  std::vector<gid_t> groups(64);
  for (int count = static_cast<int>(groups.size());;) {
    const bool all = ::getgrouplist(user.name.c_str(), group, groups.data(), &count) >= 0;
    groups.resize(static_cast<std::size_t>(count));
    if (all) return groups;
  }
}

}  // namespace

UserIdentity find_identity(const std::string& text) {
  const std::size_t colon = text.find(':');
  const User user = find_user(text.substr(0, colon));
  std::optional<gid_t> group = user.group;
  if (colon != std::string::npos) group = find_group(text.substr(colon + 1));
  if (!group)
    throw NoSuchIdentity("is no user of this host's databases, so its group has to be given: " +
                         in_quotes(text + ":GROUP"));
  return {user.id, *group, groups_of(user, *group)};
}

}  // namespace cpss
