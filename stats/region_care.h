// Looks after the files of a running server's region, so that it is not lost unseen.
//
// Programs that remove files which have not changed for long (systemd-tmpfiles, tmpfiles.d(5)) take
// a region for one: writes through a mapping do not change its times. So
//   * the server holds a shared lock (flock(2)) on the folder, unless that is sticky, as /tmp is: a
//     program that cleans the folder above then passes over this one and all files in it;
//   * it refreshes the times of the region and of its lock file once a minute.
// If the files are removed or replaced all the same, the server notices within a second, unless it
// has become a user who may not enter the folder. It makes a removed lock file anew and locks it,
// or a second server could take the path. It cannot get back a removed or replaced region: lanes
// and processes go on writing to the file that has lost its name. It reports that once, as it does
// a region that it cannot put into place.
//
// Main thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "stats/server_lock.h"
#include "stats/snapshot.h"

namespace cpss {

class RegionCare {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kLook{1};
  static constexpr std::chrono::seconds kRefresh{60};

  // The region as its server knows it.
  struct Ours {
    int descriptor;
    const RegionFacts& facts;
    bool truncated;                // its mapping is lost (stats/file_mapping.h)
    const std::string& misplaced;  // why it cannot be put into place; empty: it has been
  };

  // `lock` is that of the region at `path`.
  RegionCare(std::string path, std::unique_ptr<ServerLock> lock);

  // Whether it is time to look.
  bool due(TimePoint now) const noexcept { return now >= next_look_; }
  // Returns news for the operator, as lines for the log; usually none.
  std::vector<std::string> look(TimePoint now, const Ours& region);

 private:
  void refresh_times(int region);
  // Each returns an empty string if there is nothing new to report.
  std::string look_at_region(const Ours& region);
  std::string look_at_lock_file();
  std::string what_is_wrong_with(const Ours& region) const;

  std::string path_;
  std::unique_ptr<ServerLock> lock_;
  FileDescriptor folder_;
  TimePoint next_look_{};
  TimePoint next_refresh_{};
  // The last reports, so that each is made once.
  std::string told_of_region_;
  std::string told_of_lock_;
};

// What `path` names: the file behind `fd`; nothing, since that was removed or renamed; or another
// file in its place.
enum class Named : std::uint8_t { ours, nothing, another, unknown };
Named named_by(const std::string& path, int fd) noexcept;

}  // namespace cpss
