#include "stats/location.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stats/region_error.h"

namespace cpss {
namespace {

struct Place {
  std::string folder;
  mode_t create_mode;
  mode_t forbidden_bits;  // rights of other users that the folder must not give
};

std::string absolute_or_empty(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && value[0] == '/' ? value : "";
}

bool is_own_folder(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
         status.st_uid == ::geteuid();
}

Place default_place() {
  constexpr mode_t kWritableByOthers = 022;
  constexpr mode_t kAnythingByOthers = 077;
  if (::geteuid() == 0) return {"/run/cpss", 0755, kWritableByOthers};
  const std::string runtime = absolute_or_empty("XDG_RUNTIME_DIR");
  if (!runtime.empty() && is_own_folder(runtime))
    return {runtime + "/cpss", 0700, kWritableByOthers};
  std::string temporary = absolute_or_empty("TMPDIR");
  if (temporary.empty()) temporary = "/tmp";
  return {fmt::format("{}/cpss-{}", temporary, ::geteuid()), 0700, kAnythingByOthers};
}

std::string path_in(const Place& place) {
  return place.folder + "/stats";
}

[[noreturn]] void throw_unusable(const Place& place, const std::string& why, int code) {
  throw StatsRegionError(
      fmt::format("the stats region's folder {} {}: correct that, or name another place "
                  "(CPSS_STATS_FILE)",
                  place.folder, why),
      code);
}

}  // namespace

std::string default_region_path() {
  return path_in(default_place());
}

std::string prepare_default_region_path() {
  const Place place = default_place();
  if (::mkdir(place.folder.c_str(), place.create_mode) != 0 && errno != EEXIST)
    throw_unusable(place, fmt::format("cannot be made: {}", std::strerror(errno)), errno);
  struct stat status {};
  if (::lstat(place.folder.c_str(), &status) != 0)
    throw_unusable(place, fmt::format("cannot be looked at: {}", std::strerror(errno)), errno);
  if (!S_ISDIR(status.st_mode)) throw_unusable(place, "is not a folder", ENOTDIR);
  if (status.st_uid != ::geteuid())
    throw_unusable(place, fmt::format("belongs to user {}, not to {}", status.st_uid, ::geteuid()),
                   EPERM);
  if ((status.st_mode & place.forbidden_bits) != 0)
    throw_unusable(place,
                   fmt::format("is open to other users (mode {:04o}, allowed at most {:04o})",
                               status.st_mode & 07777, 0777 & ~place.forbidden_bits),
                   EPERM);
  return path_in(place);
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder;
}

}  // namespace cpss
