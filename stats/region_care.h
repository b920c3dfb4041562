// Looks after the files of a running server's region, so that it is not lost unseen.
//
// Who sweeps folders of files that have not changed for long (systemd-tmpfiles, tmpfiles.d(5))
// takes a region for one: what is written by way of memory changes no times. So
//   * its folder has a shared lock (flock(2)), unless it is one that everybody may write, such as
//     /tmp: who sweeps the folder above passes over it, and so over all that is in it;
//   * the times of the region and of its lock file are refreshed once a minute.
// What happens all the same is noticed within a second. A removed lock file is made anew and
// locked, or a second server could take the path. A removed or replaced region cannot be had again:
// lanes and processes go on writing to the file that has lost its name. That is told, once.
//
// Main thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "stats/file_descriptor.h"
#include "stats/server_lock.h"

namespace cpss {

class RegionCare {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kLook{1};
  static constexpr std::chrono::seconds kRefresh{60};

  // `lock` is that of the region at `path`.
  RegionCare(std::string path, std::unique_ptr<ServerLock> lock);

  // Returns what an operator has to know, as lines for the log; mostly nothing. `region` is the
  // region's descriptor; `truncated`: its mapping is lost (stats/file_mapping.h). To be called
  // several times a second; looks when it is time.
  std::vector<std::string> look(TimePoint now, int region, bool truncated);

 private:
  void refresh_times(int region);
  // Each empty where there is nothing new to tell.
  std::string look_at_region(int region, bool truncated);
  std::string look_at_lock();

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
