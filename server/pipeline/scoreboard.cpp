#include "server/pipeline/scoreboard.h"

#include <cerrno>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include <sys/random.h>
#include <unistd.h>

#include "queue/platform.h"
#include "server/pipeline/event_descriptor.h"

namespace cpss {

namespace {

std::uint64_t random_number() {
  std::uint64_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number)
    throw std::system_error(errno, std::generic_category(), "random numbers (getrandom)");
  return number;
}

}  // namespace

Scoreboard::Scoreboard(std::vector<std::string> lanes, unsigned busy_rate, unsigned cpus,
                       std::size_t sockets, Sharing sharing)
    : names_(std::move(lanes)),
      sockets_(sockets),
      head_memory_(sizeof(Head), sharing, "cpss-scoreboard"),
      awake_memory_(AwakeLanes::words_for(names_.size()) * sizeof(AwakeLanes::Word), sharing,
                    "cpss-scoreboard-awake"),
      entry_memory_(names_.size() * sizeof(Entry), sharing, "cpss-scoreboard-lanes"),
      pressure_memory_(sockets_ * sizeof(SendPressure), sharing, "cpss-scoreboard-pressure"),
      reach_memory_(sizeof(ReachMap), sharing, "cpss-scoreboard-reach"),
      head_(new (head_memory_.data()) Head(busy_rate, cpus, make_awake_bits())),
      entries_(reinterpret_cast<Entry*>(entry_memory_.data())),
      pressure_(reinterpret_cast<SendPressure*>(pressure_memory_.data())),
      reach_(new (reach_memory_.data()) ReachMap(random_number())),
      stop_event_(make_event()) {
  std::uninitialized_default_construct_n(entries_, names_.size());
  std::uninitialized_default_construct_n(pressure_, sockets_);
  // Pointers to the objects that have just been made there.
  entries_ = std::launder(entries_);
  pressure_ = std::launder(pressure_);
}

Scoreboard::~Scoreboard() {
  close(stop_event_);
}

std::span<AwakeLanes::Word> Scoreboard::make_awake_bits() noexcept {
  auto* const words = reinterpret_cast<AwakeLanes::Word*>(awake_memory_.data());
  const std::size_t count = AwakeLanes::words_for(names_.size());
  std::uninitialized_value_construct_n(words, count);
  return {words, count};
}

std::uint64_t Scoreboard::take_events(
    const std::function<void(const std::string& lane, const Event&)>& each) {
  std::uint64_t lost = 0;
  for (std::size_t lane = 0; lane < names_.size(); ++lane) {
    Event event;
    while (events(lane).take(event)) each(names_[lane], event);
    lost += events(lane).dropped();
  }
  return lost;
}

std::vector<LanePulse> Scoreboard::pulses() const {
  std::vector<LanePulse> result;
  for (std::size_t lane = 0; lane < names_.size(); ++lane) {
    const LaneProgress& progress = entries_[lane].progress;
    result.push_back({progress.rounds(), progress.may_take_long()});
  }
  return result;
}

void Scoreboard::stop_receiving(bool stop_reading) noexcept {
  if (stop_reading) head_->stop_reading.give();
  NativePlatform::signal(stop_event_);
}

}  // namespace cpss
