#include "server/processes/process_group.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "server/pipeline/lane_runtime.h"
#include "server/pipeline/pipeline_resources.h"

namespace cpss {
namespace {

constexpr std::chrono::milliseconds kLook{5};       // between looks for processes that have ended
constexpr std::chrono::milliseconds kStartLook{1};  // for those that have started, or were killed
constexpr std::chrono::seconds kKilledEnd{1};       // max wait for killed processes
// After a process that dies younger than this, and has counted no message, there is a pause.
constexpr std::uint64_t kGoodAfterNs = 100'000'000;
// A process has died young if it dies younger than this, or before its first round, and has ended
// no message: so may the next.
constexpr std::uint64_t kSteadyAfterNs = 1'000'000'000;

// The options of one process: its share of the slots, at least one.
PipelineOptions options_of_process(PipelineOptions options, std::size_t lane, std::size_t lanes) {
  const auto all = static_cast<std::size_t>(options.slots);
  options.slots = static_cast<std::uint32_t>(
      std::max<std::size_t>(all / lanes + (lane < all % lanes ? 1 : 0), 1));
  return options;
}

}  // namespace

ProcessGroup::ProcessGroup(const PipelineOptions& options, Assignment assignment, Service& service,
                           std::vector<DatagramSocket*> sockets,
                           const AccessControl& access_control, StatsRegion& region)
    : options_(options),
      assignment_(std::move(assignment)),
      service_(service),
      data_(service.reloadable_data()),
      sockets_(std::move(sockets)),
      access_control_(access_control),
      region_(region),
      scoreboard_(lane_names(assignment_), options_.busy_rate, options_.cpus, sockets_.size(),
                  Sharing::process_shared),
      main_(region.writer(blocks_of(assignment_, options_).size() - 1)) {
  for (std::size_t lane = 0; lane < assignment_.lanes.size(); ++lane)
    places_.push_back({LostMessages(writers_of(region_, assignment_, lane), true)});
}

void ProcessGroup::start() {
  start_unless([] { return false; });
}

bool ProcessGroup::start_unless(const std::function<bool()>& give_up) {
  try {
    for (std::size_t lane = 0; lane < assignment_.lanes.size(); ++lane) {
      if (give_up()) return false;
      if (const int error = start_process(lane); error != 0)
        throw std::system_error(error, std::generic_category(),
                                "process " + assignment_.lanes[lane].name);
    }
    return wait_until_they_run(give_up);
  } catch (...) {
    children_.kill_all();
    throw;
  }
}

// A process makes its memory and its lane itself, and is of use only once that has succeeded.
bool ProcessGroup::wait_until_they_run(const std::function<bool()>& give_up) {
  for (std::size_t lane = 0; lane < assignment_.lanes.size();) {
    if (give_up()) return false;
    // A process that has run did not fail to start: start_missing() starts another one, as later.
    children_.reap([this](std::size_t dead, ProcessEnd end) {
      if (!has_run(dead)) throw_why_not_started(dead, end);
      book_end_of(dead, end);
    });
    start_missing();
    if (has_run(lane))
      ++lane;
    else
      std::this_thread::sleep_for(kStartLook);
  }
  return true;
}

// The ring may also hold, before the event of this process, an earlier death and forks that failed.
void ProcessGroup::throw_why_not_started(std::size_t lane, ProcessEnd end) {
  const std::string who = "process " + assignment_.lanes[lane].name;
  std::optional<Event> last_words;
  for (Event event; scoreboard_.events(lane).take(event);)
    if (event.kind == EventKind::process_not_started && !event.text_view().empty())
      last_words = event;
  if (!last_words)
    throw std::runtime_error(fmt::format(
        "{} died at its start ({})", who,
        end.signal != 0 ? strsignal(end.signal) : fmt::format("exit code {}", end.exit_code)));
  if (last_words->error != 0)
    throw std::system_error(last_words->error, std::generic_category(), who);
  throw std::runtime_error(fmt::format("{}: {}", who, last_words->text_view()));
}

int ProcessGroup::start_process(std::size_t lane) {
  Place& place = places_[lane];
  place.started_ns = monotonic_ns();
  place.rounds_at_start = scoreboard_.progress(lane).rounds();
  place.received_at_start = place.ledger.received();
  place.ended_at_start = place.ledger.ended();
  FileDescriptor channel;
  try {
    channel = new_channel(place);
  } catch (const std::system_error& error) {
    return error.code().value();
  }
  // A process that does not come to its first round then counts as stuck: no rounds, and no wait.
  scoreboard_.progress(lane).waits(false);
  const int error =
      children_.start(lane, assignment_.lanes[lane].name.c_str(), Outlives::no,
                      [this, lane, &channel] { run_process(lane, std::move(channel)); });
  if (error == 0)
    main_.add(Counter::processes_started);
  else
    scoreboard_.progress(lane).waits(true);
  return error;
}

FileDescriptor ProcessGroup::new_channel(Place& place) const {
  return data_ == nullptr ? FileDescriptor() : place.data.renew(data_->generation());
}

void ProcessGroup::run_process(std::size_t lane, FileDescriptor channel) {
  for (Place& place : places_) place.data = DataSender();  // main's ends
  const PipelineOptions options = options_of_process(options_, lane, assignment_.lanes.size());
  const LanePlan& plan = assignment_.lanes[lane];
  const Assignment alone{.lanes = {plan},
                         .socket_groups = assignment_.socket_groups,
                         .shared_sockets = assignment_.shared_sockets};
  try {
    const std::unique_ptr<LaneState> lane_state = service_.make_lane_state();
    PipelineResources resources({options, alone, service_, sockets_, access_control_, scoreboard_});
    LaneRuntime::Parts parts{resources, plan, lane, writers_of(region_, assignment_, lane)};
    parts.lane_state = lane_state.get();
    LaneRuntime runtime(std::move(parts));
    std::optional<DataReceiver> new_data;
    if (channel.valid() && kProcessesTakeNewData) new_data.emplace(std::move(channel), *data_);
    runtime.lane().run_here();
  } catch (const std::system_error& error) {
    scoreboard_.events(lane).report(EventKind::process_not_started, error.code().value(),
                                    error.what());
    throw;
  } catch (const std::exception& error) {
    scoreboard_.events(lane).report(EventKind::process_not_started, 0, error.what());
    throw;
  }
}

void ProcessGroup::tick() {
  reap();
  start_missing();
  const std::uint64_t now = monotonic_ns();
  for (std::size_t lane = 0; lane < places_.size(); ++lane) note_steady(lane, now);
  if (data_ == nullptr) return;
  for (Place& place : places_)
    if (!place.missing) place.data.tick(*data_);
}

OlderData ProcessGroup::older_data() const {
  OlderData oldest;
  if (data_ == nullptr) return oldest;
  const std::uint64_t newest = data_->generation();
  for (std::size_t lane = 0; lane < places_.size(); ++lane) {
    const Place& place = places_[lane];
    if (place.missing || newest - place.data.generation() <= oldest.generations) continue;
    oldest = {newest - place.data.generation(), assignment_.lanes[lane].name};
  }
  return oldest;
}

void ProcessGroup::reap() {
  children_.reap([this](std::size_t lane, ProcessEnd end) { book_end_of(lane, end); });
}

bool ProcessGroup::has_run(std::size_t lane) noexcept {
  return scoreboard_.progress(lane).rounds() > places_[lane].rounds_at_start;
}

bool ProcessGroup::has_ended_messages(const Place& place) const noexcept {
  return place.ledger.ended() > place.ended_at_start;
}

void ProcessGroup::book_end_of(std::size_t lane, ProcessEnd end) {
  Place& place = places_[lane];
  lost_ += place.ledger.book(lost_for_, main_);
  // The process may have died with any other value in these two.
  scoreboard_.awake().note_asleep(lane);
  scoreboard_.progress(lane).waits(true);
  if (killed_ || (ending_ && end.well())) return;
  main_.add(Counter::processes_lost);
  scoreboard_.events(lane).report(EventKind::process_died, end.signal);
  place.missing = true;
  const std::uint64_t now = monotonic_ns();
  const std::uint64_t age = now - place.started_ns;
  place.shaky = !has_ended_messages(place) && (age < kSteadyAfterNs || !has_run(lane));
  if (place.shaky) scoreboard_.troubles(lane).failed(Trouble::process_death, end.signal);
  if (age < kGoodAfterNs && place.ledger.received() == place.received_at_start)
    place.failures.failed(now);
  else
    place.failures.succeeded();
}

void ProcessGroup::note_steady(std::size_t lane, std::uint64_t now) noexcept {
  Place& place = places_[lane];
  if (!place.shaky || place.missing) return;
  const bool old = has_run(lane) && now - place.started_ns >= kSteadyAfterNs;
  if (!old && !has_ended_messages(place)) return;
  place.shaky = false;
  place.failures.succeeded();
  scoreboard_.troubles(lane).over(Trouble::process_death);
}

// Also in the drain: with a socket of its own, no other process would take what is in it.
void ProcessGroup::start_missing() {
  for (std::size_t lane = 0; lane < places_.size(); ++lane) {
    Place& place = places_[lane];
    if (!place.missing || !place.failures.due(monotonic_ns())) continue;
    const int error = start_process(lane);
    place.missing = error != 0;
    if (error == 0) {
      scoreboard_.troubles(lane).over(Trouble::process_start);
      continue;
    }
    place.failures.failed(monotonic_ns());
    scoreboard_.events(lane).report(EventKind::process_not_started, error);
    scoreboard_.troubles(lane).failed(Trouble::process_start, error);
  }
}

std::vector<LanePulse> ProcessGroup::pulses() {
  std::vector<LanePulse> result = scoreboard_.pulses();
  std::uint64_t ended = 0;
  for (const Place& place : places_) ended += place.ledger.ended();
  const bool steady = std::ranges::any_of(places_, [](const Place& p) { return !p.shaky; });
  result.push_back({.rounds = ended, .waiting = steady});
  return result;
}

std::string ProcessGroup::why_stuck(std::size_t pulse) {
  if (pulse < places_.size()) return Engine::why_stuck(pulse);
  return "all processes die before they have ended a message";
}

bool ProcessGroup::end(const std::function<bool()>& give_up) {
  ending_ = true;
  scoreboard_.stop_receiving(options_.stop_reading);
  for (Place& place : places_) place.failures.end_pause();
  for (;;) {
    reap();
    start_missing();
    const bool missing = std::ranges::any_of(places_, [](const Place& p) { return p.missing; });
    if (children_.running() == 0 && !missing) return true;
    if (give_up()) return false;
    std::this_thread::sleep_for(kLook);
  }
}

void ProcessGroup::stop_receiving() {
  killed_ = true;
  lost_for_ = Reason::failed_forced_end;
  children_.kill_all();
}

// Killed processes end at once, unless the kernel keeps them.
std::uint64_t ProcessGroup::seize_all() noexcept {
  const auto deadline = std::chrono::steady_clock::now() + kKilledEnd;
  for (reap(); children_.running() > 0 && std::chrono::steady_clock::now() < deadline; reap())
    std::this_thread::sleep_for(kStartLook);
  return std::exchange(lost_, 0);
}

}  // namespace cpss
