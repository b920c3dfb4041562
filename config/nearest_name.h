// "Did you mean ...?": the known name nearest to one that is not known.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cpss {

// Another way in which a user may write or mean `name`.
struct KnownName {
  std::string alias;
  std::string name;
};

// The names whose aliases are nearest to `unknown`, at most three, in their order; none if no alias
// is near (a third of the letters, at least one, may be wrong, missing, too many or swapped with
// their neighbour; a beginning of three letters counts as one mistake). Upper and lower case, `-`
// and `_` count as equal.
std::vector<std::string> nearest_names(std::string_view unknown, std::span<const KnownName> known);

// `; did you mean a or b?`, or an empty text without names. `decoration` goes before each name.
std::string did_you_mean(const std::vector<std::string>& names, std::string_view decoration = "");

}  // namespace cpss
