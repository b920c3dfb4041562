#include "stats/region.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>

#include <fmt/format.h>
#include <unistd.h>

#include "stats/location.h"
#include "stats/machine_clock.h"

namespace cpss {
namespace {

std::string path_for(const RegionOptions& options) {
  std::string path = options.path.empty() ? prepare_default_region_path() : options.path;
  require_place_for_region(path);
  return path;
}

std::vector<Detail> details_of(const RegionOptions& options) {
  std::vector<Detail> details;
  for (const RegionBlock& block : options.blocks)
    details.push_back(std::min(block.detail, options.max_detail()));
  return details;
}

}  // namespace

StatsRegion::StatsRegion(const RegionOptions& options)
    : path_(path_for(options)),
      care_(path_, std::make_unique<ServerLock>(path_ + ".lock", path_)),
      file_(make_region_file(path_, options)),
      view_({file_.mapping->data(), file_.mapping->size()}),
      details_(details_of(options)) {
  if (!file_.replaces) put_into_place();
}

// The lock is released later, with the members: until then the name is ours.
StatsRegion::~StatsRegion() {
  if (!keep_file_ && file_.file.in_place() &&
      named_by(path_, file_.file.descriptor()) == Named::ours)
    ::unlink(path_.c_str());
}

// Checks the file at the path again: it may be another one than at the start.
void StatsRegion::put_into_place() {
  if (file_.file.in_place()) return;
  require_place_for_region(path_);
  if (const int error = file_.file.put_into_place(); error != 0)
    throw StatsRegionError(
        fmt::format("cannot put stats region {} into place: {}: choose another path "
                    "(CPSS_STATS_FILE)",
                    path_, std::strerror(error)),
        error);
}

void StatsRegion::keep() noexcept {
  keep_file_ = true;
  try {
    put_into_place();
  } catch (const std::exception&) {
    return;  // look_after() reports it
  }
}

std::vector<std::string> StatsRegion::look_after(RegionCare::TimePoint now) {
  if (!care_.due(now)) return {};
  std::string misplaced;
  try {
    if (keep_file_) put_into_place();
  } catch (const StatsRegionError& error) {
    misplaced = error.what();
  }
  return care_.look(now, {file_.file.descriptor(), view_.facts(), lost(), misplaced});
}

layout::Header& StatsRegion::header() const noexcept {
  return *reinterpret_cast<layout::Header*>(file_.mapping->data());
}

layout::TroubleEntry& StatsRegion::trouble_entry(Trouble trouble) const noexcept {
  std::byte* const table = file_.mapping->data() + file_.troubles;
  return reinterpret_cast<layout::TroubleEntry*>(table)[static_cast<std::size_t>(trouble)];
}

// Stores `since_ns` last: a reader that sees it sees a number and a count of this trouble, or later
// ones.
void StatsRegion::set_trouble(Trouble trouble, std::uint32_t lanes, int number) noexcept {
  layout::TroubleEntry& entry = trouble_entry(trouble);
  const bool lasts = entry.since_ns.load(std::memory_order_relaxed) != 0;
  if (lanes > 0) {
    entry.number.store(static_cast<std::uint64_t>(number), std::memory_order_release);
    entry.lanes.store(lanes, std::memory_order_release);
    if (!lasts) entry.since_ns.store(machine_ns(), std::memory_order_release);
  } else if (lasts) {
    entry.since_ns.store(0, std::memory_order_release);
  }
}

void StatsRegion::set_data(const DataState& state) noexcept {
  store(*reinterpret_cast<layout::DataEntry*>(file_.mapping->data() + file_.data), state);
}

StatsWriter StatsRegion::writer(std::size_t block) const noexcept {
  std::byte* values = file_.mapping->data() + file_.first_block + block * file_.block_bytes;
  return {reinterpret_cast<Value*>(values), details_[block]};
}

// The heartbeat first: the server gave none until now, and would look hung if its start took long.
void StatsRegion::set_live() noexcept {
  heartbeat();
  header().live_ns.store(machine_ns(), std::memory_order_release);
  keep();
}

void StatsRegion::heartbeat() noexcept {
  header().heartbeat_ns.store(machine_ns(), std::memory_order_release);
}

void StatsRegion::mark_clean_end() noexcept {
  header().ended_ns.store(machine_ns(), std::memory_order_release);
  keep();
}

}  // namespace cpss
