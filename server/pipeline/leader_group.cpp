#include "server/pipeline/leader_group.h"

#include <cerrno>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include <unistd.h>

#include "base/clock.h"
#include "server/pipeline/event_descriptor.h"

namespace cpss {
namespace {

// A lane that was woken and has not run for so long stands still. Shorter than main's tick of 100
// ms, so that each tick looks.
constexpr std::chrono::milliseconds kReliefInterval{90};

std::vector<int> make_events(unsigned lanes) {
  std::vector<int> events;
  try {
    for (unsigned i = 0; i < lanes; ++i) events.push_back(make_event());
  } catch (...) {
    for (const int event : events) close(event);
    throw;
  }
  return events;
}

}  // namespace

LeaderGroup::LeaderGroup(const PipelineOptions& options,
                         std::function<void(std::uint32_t lane)> start_lane)
    : start_lane_(std::move(start_lane)),
      events_(make_events(options.max_lanes)),
      token_(events_, {options.lanes, options.lanes, options.handoff_limit}) {
  for (std::uint32_t lane = 0; lane < options.max_lanes; ++lane)
    seats_.push_back({token_, lane, options.handoff_limit,
                      [this](std::uint32_t other) { return start(other); }});
}

LeaderGroup::~LeaderGroup() {
  for (const int event : events_) close(event);
}

int LeaderGroup::start(std::uint32_t lane) noexcept {
  const std::lock_guard lock(mutex_);
  return may_try() ? try_start(lane) : ECANCELED;
}

bool LeaderGroup::may_try() const noexcept {
  return may_start_ && (!failures_.failing() || failures_.due(monotonic_ns()));
}

int LeaderGroup::try_start(std::uint32_t lane) noexcept {
  int number = 0;
  try {
    start_lane_(lane);
    failures_.succeeded();
    return 0;
  } catch (const std::system_error& error) {
    number = error.code().value();
  } catch (const std::exception&) {
    number = ENOMEM;  // std::bad_alloc
  }
  failures_.failed(monotonic_ns());
  return number;
}

void LeaderGroup::relieve(StatsWriter& stats, Scoreboard& scoreboard) noexcept {
  const auto now = std::chrono::steady_clock::now();
  if (!may_start_ || now < next_relief_) return;
  next_relief_ = now + kReliefInterval;
  if (const auto goes = token_.relieve()) book_promotion(*goes, stats);
  start_again(stats, scoreboard);
}

void LeaderGroup::start_again(StatsWriter& stats, Scoreboard& scoreboard) noexcept {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || !may_try()) return;
  auto goes = token_.take_up();
  if (!goes) return;
  if (goes->token == TokenGoes::start) {
    const int error = try_start(goes->lane);
    if (error == 0) {
      token_.start_succeeded();
      stats.add(Counter::threads_started);
    } else {
      // That lane has the token but no thread, so main alone writes its events and troubles.
      report_not_started(error, stats, scoreboard.events(goes->lane),
                         scoreboard.troubles(goes->lane));
      goes = token_.start_failed(std::nullopt, goes->lane);
    }
  }
  book_promotion(*goes, stats);
}

bool LeaderGroup::start_no_more() noexcept {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock) may_start_ = false;
  return !may_start_;
}

}  // namespace cpss
