// Looks after the files of a running server's region, so that it is not lost unseen.
//
// Who sweeps folders of files that have not changed for long (systemd-tmpfiles, tmpfiles.d(5))
// takes a region for one: what is written by way of memory changes no times. So
//   * its folder has a shared lock (flock(2)), unless it is one that everybody may write, such as
//     /tmp: who sweeps the folder above passes over it, and so over all that is in it;
//   * the times of the region and of its lock file are refreshed once a minute.
// What happens all the same is noticed within a second, unless the server has become a user who may
// not enter the folder. A removed lock file is made anew and locked, or a second server could take
// the path. A removed or replaced region cannot be had again: lanes and processes go on writing to
// the file that has lost its name. That is told, once; so is one that cannot be put into place.
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
  // Returns what an operator has to know, as lines for the log; mostly nothing.
  std::vector<std::string> look(TimePoint now, const Ours& region);

 private:
  void refresh_times(int region);
  // Each empty where there is nothing new to tell.
  std::string look_at_region(const Ours& region);
  std::string look_at_lock_file();
  std::string what_is_wrong_with(const Ours& region) const;

  std::string path_;
  std::unique_ptr<ServerLock> lock_;
  FileDescriptor folder_;
  TimePoint next_look_{};
  TimePoint next_refresh_{};
  // What was told last, so that it is told once.
  std::string told_of_region_;
  std::string told_of_lock_;
};

// Whether `path` names the file behind `fd`, which somebody may have removed, renamed or replaced.
enum class Name : std::uint8_t { ours, nobodys, anothers, unknown };
Name who_has(const std::string& path, int fd) noexcept;

}  // namespace cpss
