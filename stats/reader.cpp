#include "stats/reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>

#include "base/file_descriptor.h"
#include "stats/layout.h"
#include "stats/process_identity.h"
#include "stats/region_lock.h"

namespace cpss {
namespace {

constexpr std::uint64_t kLongestSilenceNs = 1'000'000'000;  // StatsRegion::heartbeat()

// 0 if the heartbeat is later: the file may say anything.
std::uint64_t silence_ns(const Snapshot& snapshot) noexcept {
  return snapshot.taken_ns > snapshot.heartbeat_ns ? snapshot.taken_ns - snapshot.heartbeat_ns : 0;
}

// Why there is no snapshot; the text of what() follows the path.
class NoRegion : public std::runtime_error {
 public:
  NoRegion(RegionState state, const std::string& what) : std::runtime_error(what), state_(state) {}
  RegionState state() const noexcept { return state_; }

 private:
  RegionState state_;
};

std::string owner_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return "its owner";
  const passwd* user = ::getpwuid(status.st_uid);
  return "user " + (user != nullptr ? user->pw_name : std::to_string(status.st_uid));
}

[[noreturn]] void throw_unreadable(const std::string& path, int code) {
  if (code == ENOENT || code == ENOTDIR)
    throw NoRegion(RegionState::missing,
                   "does not exist: is the server running, and is this its CPSS_STATS_FILE?");
  if (code == ENXIO) throw NoRegion(RegionState::incompatible, "is not a regular file");
  if (code == EACCES || code == EPERM)
    throw NoRegion(RegionState::incompatible,
                   fmt::format("may not be read by this user: run this program as {} or as a "
                               "member of the file's group",
                               owner_of(path)));
  throw NoRegion(RegionState::incompatible,
                 fmt::format("cannot be opened: {}", std::strerror(code)));
}

// Throws for any file that is not a regular one, with its kind; the advice is the same for all.
void require_regular(mode_t mode) {
  if (S_ISREG(mode)) return;
  const char* kind = S_ISDIR(mode)    ? "a directory"
                     : S_ISFIFO(mode) ? "a FIFO"
                     : S_ISSOCK(mode) ? "a socket"
                                      : "a device";
  throw NoRegion(RegionState::incompatible,
                 fmt::format("is {}: name the stats region of a cpss server", kind));
}

// Opens a file that is not empty, and sets `status` to its status.
FileDescriptor open_region(const std::string& path, struct stat& status) {
  if (::stat(path.c_str(), &status) != 0) throw_unreadable(path, errno);
  require_regular(status.st_mode);
  // If another process has put a FIFO there since, open() must not wait for its writer.
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file.valid() || ::fstat(file.get(), &status) != 0) throw_unreadable(path, errno);
  require_regular(status.st_mode);
  if (status.st_size == 0)
    throw IncompatibleRegion(
        "is cut short, 0 bytes are left: restart the server, it makes a new one");
  return file;
}

RegionState state_of(const Snapshot& snapshot, RegionLock lock) {
  const RegionFacts& facts = snapshot.facts;
  if (snapshot.ended_ns != 0) return RegionState::stopped;
  return judge({.ready = snapshot.live_ns != 0,
                .silence_ns = silence_ns(snapshot),
                .lock = lock,
                .process = is_running({facts.pid, facts.start_ticks, facts.pid_namespace})});
}

// Reads a file that is mapped whole or in part, by `take`.
template <class Take>
Reading read_mapped(const FileDescriptor& file, const FileMapping& mapping, Take take) {
  const auto taken = [&]() -> Snapshot {
    Snapshot snapshot = take();
    if (mapping.lost()) throw IncompatibleRegion("was cut short while it was read");
    return snapshot;
  };
  Reading reading;
  reading.snapshot = taken();
  if (reading.snapshot->facts.locked) reading.lock = look_at_lock(file.get());
  reading.state = state_of(*reading.snapshot, reading.lock);
  if (reading.state != RegionState::stale) return reading;
  // The server may have marked its clean end after `take` read the mark. It is gone and writes no
  // more, so a second look is final.
  reading.snapshot = taken();
  reading.state = state_of(*reading.snapshot, reading.lock);
  return reading;
}

// Returns the reading of `read`, or, if that throws, one that says why.
template <class Read>
Reading reading_or_problem(const std::string& path, Read read) {
  const auto problem = [&](RegionState state, const std::string& why) {
    return Reading{state, fmt::format("stats region {} {}", path, why), std::nullopt};
  };
  try {
    return read();
  } catch (const NoRegion& error) {
    return problem(error.state(), error.what());
  } catch (const IncompatibleRegion& error) {
    return problem(RegionState::incompatible, error.what());
  } catch (const std::system_error& error) {
    return problem(RegionState::incompatible, fmt::format("cannot be mapped: {}", error.what()));
  }
}

}  // namespace

Reading read_header(const std::string& path) {
  return reading_or_problem(path, [&] {
    struct stat status {};
    const FileDescriptor file = open_region(path, status);
    const std::size_t bytes =
        std::min(static_cast<std::size_t>(status.st_size), sizeof(layout::Header));
    const FileMapping mapping(file.get(), bytes, FileMapping::Access::read);
    return read_mapped(file, mapping, [&] { return read_region_header({mapping.data(), bytes}); });
  });
}

std::uint64_t Reading::last_moment_ns() const noexcept {
  if (state == RegionState::stopped) return snapshot->ended_ns;
  if (state == RegionState::stale) return snapshot->heartbeat_ns;
  return snapshot->taken_ns;
}

double Reading::uptime_s() const noexcept {
  const std::uint64_t until = last_moment_ns();
  const std::uint64_t since = snapshot->facts.started_ns;
  return until > since ? static_cast<double>(until - since) / 1e9 : 0;
}

std::uint64_t Reading::heartbeat_age_ns() const noexcept {
  return silence_ns(*snapshot);
}

bool Reading::degraded() const noexcept {
  return state == RegionState::live && !snapshot->troubles.empty();
}

std::uint64_t Reading::since_ns(std::uint64_t moment_ns) const noexcept {
  return snapshot->taken_ns > moment_ns ? snapshot->taken_ns - moment_ns : 0;
}

std::string_view Reading::state_name() const noexcept {
  return degraded() ? kDegraded : name_of(state);
}

bool Reading::no_sign_of_life() const noexcept {
  if (state == RegionState::live) return heartbeat_age_ns() >= kLongestSilenceNs;
  return state == RegionState::hung || state == RegionState::stale;
}

bool Reading::foreign_pid() const noexcept {
  return snapshot->facts.pid_namespace != this_pid_namespace();
}

RegionReader::Open::Open(FileDescriptor region, std::size_t bytes, std::uint64_t device_number,
                         std::uint64_t inode_number)
    : file(std::move(region)),
      mapping(file.get(), bytes, FileMapping::Access::read),
      view({mapping.data(), bytes}),
      device(device_number),
      inode(inode_number) {}

RegionReader::RegionReader(std::string path) : path_(std::move(path)) {}

void RegionReader::open_if_changed() {
  struct stat status {};
  // While it is mapped, no other file can have its inode number.
  if (open_ && ::stat(path_.c_str(), &status) == 0 && open_->device == status.st_dev &&
      open_->inode == status.st_ino &&
      static_cast<std::size_t>(status.st_size) >= open_->mapping.size() && !open_->mapping.lost())
    return;
  open_.reset();
  FileDescriptor file = open_region(path_, status);
  open_ = std::make_unique<Open>(std::move(file), static_cast<std::size_t>(status.st_size),
                                 status.st_dev, status.st_ino);
}

Reading RegionReader::read() {
  Reading reading = reading_or_problem(path_, [this] {
    open_if_changed();
    return read_mapped(open_->file, open_->mapping, [this] { return open_->view.read(); });
  });
  if (!reading.snapshot) open_.reset();
  return reading;
}

}  // namespace cpss
