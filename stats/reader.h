// The readers' side: what is at a path right now, and what it says.
//
// Opens and maps the file read-only, follows a server through restarts (each read() looks whether
// the path still names the mapped file), and never trusts it: a missing, foreign, damaged,
// truncated file, at whatever moment, is a Reading that says so.
//
// One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/file_descriptor.h"
#include "stats/file_mapping.h"
#include "stats/region_state.h"
#include "stats/region_view.h"
#include "stats/snapshot.h"

namespace cpss {

// How a live server is called that is in some trouble (Reading::degraded()).
inline constexpr std::string_view kDegraded = "degraded";

struct Reading {
  RegionState state = RegionState::missing;
  std::string problem;               // where there is no snapshot: what is wrong and what to do
  std::optional<Snapshot> snapshot;  // none where `missing` or `incompatible`
  RegionLock lock = RegionLock::unknown;

  // Until when the values count, machine_ns(): the moment they were read, the server's clean
  // end or its last heartbeat. Needs a snapshot.
  std::uint64_t last_moment_ns() const noexcept;
  double uptime_s() const noexcept;  // likewise
  // Since the server's last heartbeat; likewise.
  std::uint64_t heartbeat_age_ns() const noexcept;
  // It serves, but is in some trouble: Snapshot::troubles says what with. Any reading.
  bool degraded() const noexcept;
  // For how long by now; of one of these.
  std::uint64_t lasts_ns(const TroubleSnapshot& trouble) const noexcept;
  // What to call the state: that of `state`, or kDegraded. Any reading.
  std::string_view state_name() const noexcept;
  // The server is gone, or it runs and gave no sign of life for a second, in which it should have
  // given one: stopped by a signal, a debugger or a freezer, or its main thread hangs. It may have
  // been in the middle of its work, between any two counters. Likewise.
  bool no_sign_of_life() const noexcept;
  // The server's pid is that of another PID namespace, and names another process here. Likewise.
  bool foreign_pid() const noexcept;
};

// What is at a path by the header alone (stats/region_view.h): for who wants to know whose it is.
Reading read_header(const std::string& path);

class RegionReader {
 public:
  explicit RegionReader(std::string path);

  const std::string& path() const noexcept { return path_; }
  Reading read();

 private:
  struct Open {
    FileDescriptor file;
    FileMapping mapping;
    RegionView view;
    std::uint64_t device;
    std::uint64_t inode;
    Open(FileDescriptor region, std::size_t bytes, std::uint64_t device, std::uint64_t inode);
  };

  void open_if_changed();

  std::string path_;
  std::unique_ptr<Open> open_;
};

}  // namespace cpss
