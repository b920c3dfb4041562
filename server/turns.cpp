#include "server/turns.h"

#include <cerrno>
#include <mutex>
#include <system_error>
#include <utility>

#include <unistd.h>

#include "server/event_descriptor.h"
#include "stages/clock.h"

namespace cpss {
namespace {

// A lane that is woken and has not run for so long stands still. Not longer than two ticks of main.
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

Turns::Turns(const PipelineOptions& options, std::function<void(std::uint32_t lane)> start_lane)
    : start_lane_(std::move(start_lane)),
      events_(make_events(options.most_lanes)),
      turn_(events_, {options.lanes, options.lanes, options.handoff_limit}) {
  for (std::uint32_t lane = 0; lane < options.most_lanes; ++lane)
    seats_.push_back(
        {turn_, lane, options.handoff_limit, [this](std::uint32_t other) { return start(other); }});
}

Turns::~Turns() {
  for (const int event : events_) close(event);
}

int Turns::start(std::uint32_t lane) noexcept {
  const std::lock_guard lock(mutex_);
  if (!may_start_ || (failures_.failing() && !failures_.due(now_ns()))) return ECANCELED;
  try {
    start_lane_(lane);
    failures_.succeeded();
    return 0;
  } catch (const std::system_error& error) {
    failures_.failed(now_ns());
    return error.code().value();
  }
}

void Turns::relieve(StatsWriter& stats) noexcept {
  const auto now = std::chrono::steady_clock::now();
  if (!may_start_ || now < next_relief_) return;
  next_relief_ = now + kReliefInterval;
  const auto goes = turn_.relieve();
  if (!goes) return;
  stats.add(Counter::futex_wakes, goes->wakes);
  if (goes->turn == TurnGoes::passed) stats.add(Counter::handoffs);
}

void Turns::start_no_more() {
  const std::lock_guard lock(mutex_);
  may_start_ = false;
}

}  // namespace cpss
