// The readers' side: opens the stats region at a path, reads it, and judges its server's state.
//
// Maps the file read-only, follows a server through restarts (each read() looks whether the path
// still names the mapped file), and never trusts it: if the file is missing, foreign, damaged or
// truncated, at any moment, read() returns a Reading that says so.
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

// The name of the state of a live server that is in trouble (Reading::degraded()).
inline constexpr std::string_view kDegraded = "degraded";

struct Reading {
  RegionState state = RegionState::missing;
  std::string problem;               // without a snapshot: what is wrong and what to do
  std::optional<Snapshot> snapshot;  // none if `missing` or `incompatible`
  RegionLock lock = RegionLock::unknown;

  // The moment up to which the values count, machine_ns(): when they were read, the server's clean
  // end or its last heartbeat. Needs a snapshot.
  std::uint64_t last_moment_ns() const noexcept;
  double uptime_s() const noexcept;  // needs a snapshot
  // Since the server's last heartbeat. Needs a snapshot.
  std::uint64_t heartbeat_age_ns() const noexcept;
  // The server serves, but is in some trouble, which Snapshot::troubles names. Any reading.
  bool degraded() const noexcept;
  // From a moment that the snapshot names until it was taken. Needs a snapshot.
  std::uint64_t since_ns(std::uint64_t moment_ns) const noexcept;
  // The name of `state`, or kDegraded. Any reading.
  std::string_view state_name() const noexcept;
  // The server is gone, or it runs and gave no sign of life for a second, in which it should have
  // given one: stopped by a signal, a debugger or a freezer, or its main thread hangs. It may have
  // been in the middle of its work, between any two counters. Needs a snapshot.
  bool no_sign_of_life() const noexcept;
  // The server's pid belongs to another PID namespace, and means another process here. Needs a
  // snapshot.
  bool foreign_pid() const noexcept;
};

// Reads the header alone (stats/region_view.h): for callers that ask whose region is at `path`.
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
