#include "stats/region_place.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "stats/location.h"
#include "stats/region_error.h"
#include "stats/region_file.h"
#include "stats/server_lock.h"

namespace cpss {
namespace {

// Asks for the effective user, as the kernel does for the server's calls.
bool may(const std::string& folder, int what) noexcept {
  return ::faccessat(AT_FDCWD, folder.c_str(), what, AT_EACCESS) == 0;
}

void require_writable(const std::string& folder, const std::string& path) {
  if (may(folder, W_OK | X_OK)) return;
  throw StatsRegionError(fmt::format("cannot make stats region {}: {}: {}", path,
                                     std::strerror(errno), kChooseWritablePath),
                         errno);
}

}  // namespace

void require_place_for_new_region(const std::string& path) {
  const std::string default_place = path.empty() ? default_region_path() : "";
  if (path.empty() && !may(folder_of(default_place), F_OK))
    return require_writable(folder_of(folder_of(default_place)), default_place);
  const std::string place = path.empty() ? prepare_default_region_path() : path;
  require_place_for_region(place);
  require_place_for_lock(place + ".lock");
  require_writable(folder_of(place), place);
}

}  // namespace cpss
