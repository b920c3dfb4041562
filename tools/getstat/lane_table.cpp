#include "tools/getstat/lane_table.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "stats/format_count.h"
#include "stats/lane_shares.h"
#include "tools/getstat/grid.h"
#include "tools/getstat/stage_figures.h"
#include "tools/getstat/units.h"

namespace cpss::getstat {
namespace {

constexpr std::size_t kMaxRows = 16;  // one lane each; the other lanes share a row

// One lane, or several added up.
struct Receiver {
  std::string name;
  std::uint64_t received = 0;
  std::uint64_t lost_races = 0;
  LaneShare recent;  // since the earlier snapshot, if there is one
};

// The largest share first.
std::vector<Receiver> receivers_of(const Snapshot& snapshot, const LaneShares& shares) {
  std::vector<Receiver> result;
  for (std::size_t i = 0; i < shares.lanes.size(); ++i) {
    const LaneSnapshot& lane = snapshot.receivers[i];
    result.push_back({lane.lane, lane.received, lane.lost_races, shares.lanes[i]});
  }
  std::stable_sort(result.begin(), result.end(), [](const Receiver& a, const Receiver& b) {
    return a.recent.received > b.recent.received;
  });
  return result;
}

Receiver added_up(std::span<const Receiver> lanes) {
  Receiver sum;
  sum.name = lanes.size() == 1 ? "1 other" : format_count(lanes.size()) + " others";
  for (const Receiver& lane : lanes) {
    sum.received += lane.received;
    sum.lost_races += lane.lost_races;
    sum.recent.received += lane.recent.received;
    sum.recent.share += lane.recent.share;
  }
  return sum;
}

std::string format_receivers(const Reading& reading, const Snapshot* before) {
  const Snapshot& snapshot = *reading.snapshot;
  if (snapshot.receivers.size() < 2) return "";
  const LaneShares shares = lane_shares(snapshot, before);
  std::vector<Receiver> rows = receivers_of(snapshot, shares);
  if (rows.size() > kMaxRows) {
    const Receiver others = added_up(std::span(rows).subspan(kMaxRows));
    rows.resize(kMaxRows);
    rows.push_back(others);
  }
  const StageSnapshot* stage = snapshot.stage("receive");
  const bool measured = stage != nullptr && !stage->essential_only;
  const double elapsed = elapsed_ns(reading, before);
  std::vector<std::string> header = {"receiving lanes", "received", "share", "lost races"};
  if (before != nullptr) header.emplace_back("received/s");
  Grid grid(header);
  for (const Receiver& lane : rows) {
    std::vector<std::string> row = {lane.name, format_count(lane.received),
                                    format_share(lane.recent.share),
                                    measured ? format_count(lane.lost_races) : "-"};
    if (before != nullptr)
      row.push_back(
          format_rate(elapsed > 0 ? static_cast<double>(lane.recent.received) / elapsed * 1e9 : 0));
    grid.add(row);
  }
  return grid.to_string() +
         fmt::format("imbalance {}: the busiest lane's share over an even one\n",
                     shares.imbalance ? fmt::format("{:.2f}", *shares.imbalance) : "-");
}

struct Event {
  const char* counter;
  std::string_view text;  // after the number
};

// "lanes: 12 hand-offs, 1 ended": the counters that are not 0; empty if all are 0.
std::string format_events(const Snapshot& snapshot, std::string_view subject,
                          std::initializer_list<Event> events) {
  std::vector<std::string> parts;
  for (const Event& event : events)
    if (const std::uint64_t count = snapshot.total(event.counter); count != 0)
      parts.push_back(fmt::format("{} {}", format_count(count), event.text));
  return parts.empty() ? "" : fmt::format("{}: {}\n", subject, fmt::join(parts, ", "));
}

}  // namespace

std::string format_lanes(const Reading& reading, const Snapshot* before) {
  const Snapshot& snapshot = *reading.snapshot;
  return format_receivers(reading, before) +
         format_events(snapshot, "lanes",
                       {{"handoffs", "hand-offs"},
                        {"threads_started", "started"},
                        {"threads_ended", "ended"}}) +
         format_events(snapshot, "processes",
                       {{"processes_started", "started"}, {"processes_lost", "lost"}});
}

}  // namespace cpss::getstat
