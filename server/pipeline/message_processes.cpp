#include "server/pipeline/message_processes.h"

#include <mutex>
#include <utility>

#include <sched.h>

#include "base/clock.h"

namespace cpss {
namespace {

// The server counts as in trouble for so long after the last such death.
constexpr std::uint64_t kDeathLastsNs = 1'000'000'000;

// A process inherits the CPUs and the class of the thread that starts it, the receive lane. The
// CPUs are right for it, but the class is for receiving.
void leave_real_time_class() {
  const sched_param none{};
  if (sched_getscheduler(0) == SCHED_FIFO) sched_setscheduler(0, SCHED_OTHER, &none);
}

}  // namespace

MessageProcesses::MessageProcesses(PipelineResources& resources, std::vector<Place> places,
                                   std::size_t lane, StatsWriter stats)
    : resources_(resources),
      places_(std::move(places)),
      events_(resources.in.scoreboard.events(lane)),
      progress_(resources.in.scoreboard.progress(lane)),
      troubles_(resources.in.scoreboard.troubles(lane)),
      stats_(stats),
      cache_(resources.pool, 0, 1) {
  for (std::size_t i = places_.size(); i > 0; --i) free_places_.push_back(i - 1);
}

std::span<const std::uint32_t> MessageProcesses::run_inline(std::span<const std::uint32_t> slots,
                                                            std::uint64_t) noexcept {
  for (const std::uint32_t slot : slots) {
    // At a forced end the messages are main's.
    if (resources_.pool.free_slots().closed()) break;
    start_process(slot);
  }
  return {};
}

void MessageProcesses::start_process(std::uint32_t slot) noexcept {
  const std::size_t place = take_free_place();
  Place& at = places_[place];
  at.slot = slot;
  at.ledger.given(1);
  resources_.store.header(slot).published_ns = monotonic_ns();
  // Outlives::yes: the receive lane ends before the last of the processes, which go on.
  for (;;) {
    // Taken before the try: a process that ends from here on ends the wait for the next try.
    wakes_.try_take(Semaphore::kMaxValue);
    const int error = children_.start(place, at.runtime->plan().name.c_str(), Outlives::yes, [&] {
      leave_real_time_class();
      at.runtime->serve_one(slot);
    });
    if (error == 0) {
      stats_.add(Counter::processes_started);
      failures_.succeeded();
      troubles_.over(Trouble::process_start);
      return;
    }
    failures_.failed(monotonic_ns());
    events_.report(EventKind::process_not_started, error);
    troubles_.failed(Trouble::process_start, error);
    if (resources_.pool.free_slots().closed()) break;
    const LongWait wait(progress_);
    wakes_.take(Semaphore::kMaxValue, 1, failures_.not_before());
  }
  at.ledger.given(static_cast<std::uint64_t>(-1));
  give_back_place(place);
}

void MessageProcesses::reap(Reason lost_for, StatsWriter& main) {
  children_.reap([&](std::size_t place, ProcessEnd end) {
    const std::uint32_t slot = places_[place].slot;
    Place& at = places_[place];
    if (lost_for == Reason::failed_dead_process) note_end(at.ledger.all_ended(), end.signal);
    if (!end.well() || !at.ledger.all_ended()) {
      at.ledger.book(lost_for, main);
      main.add(Counter::processes_lost);
      at.runtime->events().report(EventKind::process_died, end.signal);
    }
    wakes_.post(1);
    // Before the slot, so that there is a place for the message that gets that slot.
    give_back_place(place);
    // The process has booked the message. The parent gives the slot back, unless main has seized
    // it.
    if (resources_.store.release(resources_.store.message_in(slot)) == Release::released)
      cache_.give_back(std::span(&slot, 1));
  });
  note_time();
}

void MessageProcesses::note_end(bool has_ended_message, int signal) noexcept {
  if (has_ended_message) {
    died_ns_ = 0;
    troubles_.over(Trouble::process_death);
    return;
  }
  died_ns_ = monotonic_ns();
  troubles_.failed(Trouble::process_death, signal);
}

void MessageProcesses::note_time() noexcept {
  if (died_ns_ == 0 || monotonic_ns() - died_ns_ < kDeathLastsNs) return;
  died_ns_ = 0;
  troubles_.over(Trouble::process_death);
}

bool MessageProcesses::has(std::uint32_t slot) const {
  if (running() == 0) return false;
  for (std::size_t place = 0; place < places_.size(); ++place)
    if (places_[place].slot == slot && children_.runs(place)) return true;
  return false;
}

std::size_t MessageProcesses::take_free_place() noexcept {
  const std::lock_guard lock(mutex_);
  invariant(!free_places_.empty(), "a message that has a slot has a place");
  const std::size_t place = free_places_.back();
  free_places_.pop_back();
  return place;
}

void MessageProcesses::give_back_place(std::size_t place) noexcept {
  const std::lock_guard lock(mutex_);
  free_places_.push_back(place);
}

}  // namespace cpss
