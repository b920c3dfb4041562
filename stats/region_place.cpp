#include "stats/region_place.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "stats/location.h"
#include "stats/region_error.h"
#include "stats/region_file.h"

namespace cpss {
namespace {

// As the effective user, whom the server's calls will be judged by.
bool may(const std::string& folder, int what) noexcept {
  return ::faccessat(AT_FDCWD, folder.c_str(), what, AT_EACCESS) == 0;
}

void require_writable(const std::string& folder, const std::string& path) {
  if (may(folder, W_OK | X_OK)) return;
  throw StatsRegionError(
      fmt::format("cannot make stats region {}: {}: choose a path in a folder that exists and that "
                  "the server may write (CPSS_STATS_FILE)",
                  path, std::strerror(errno)),
      errno);
}

}  // namespace

void require_place_for_new_region(const std::string& path) {
  if (!path.empty()) {
    require_place_for_region(path);
    require_writable(folder_of(path), path);
    return;
  }
  const std::string place = default_region_path();
  if (may(folder_of(place), F_OK))
    require_place_for_region(prepare_default_region_path());
  else
    require_writable(folder_of(folder_of(place)), place);
}

}  // namespace cpss
