#include "stages/receive/receive_wait.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"

namespace cpss {
namespace {

constexpr LongestWait kShedPause = std::chrono::milliseconds(1);

// The timeout as poll(2) and epoll_wait(2) take it.
int milliseconds(LongestWait longest) noexcept {
  return longest ? static_cast<int>(longest->count()) : -1;
}

// The timeout until a deadline, rounded up; 0: the deadline has passed.
int milliseconds_until(Deadline deadline) noexcept {
  if (deadline == kNoDeadline) return -1;
  const auto remaining = deadline - std::chrono::steady_clock::now();
  return static_cast<int>(
      std::max<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(remaining).count(), 0));
}

FileDescriptor make_epoll() {
  FileDescriptor epoll(epoll_create1(EPOLL_CLOEXEC));
  if (epoll.get() < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  return epoll;
}

void watch(const FileDescriptor& epoll, int descriptor, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = descriptor;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, descriptor, &event) != 0)
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

}  // namespace

ReceiveWait::ReceiveWait(Wiring wiring, ReceiveStep& step)
    : w_(std::move(wiring)),
      step_(step),
      failed_waits_(step.lane(), step.stats(), w_.stop_event),
      epoll_(make_epoll()),
      queues_(w_.queues, step_.stats()),
      slot_wait_(w_.pool, w_.batch, w_.lanes, step_.lane(), step_.stats()) {
  const std::uint32_t exclusive = w_.exclusive ? std::uint32_t{EPOLLEXCLUSIVE} : 0;
  for (const DatagramSocket* socket : w_.sockets)
    watch(epoll_, socket->descriptor(), EPOLLIN | exclusive);
  watch(epoll_, w_.stop_event, EPOLLIN);
  queues_.for_each_event([&](int event) { watch(epoll_, event, EPOLLIN | EPOLLEXCLUSIVE); });
  if (w_.sharing != nullptr) {
    away_epoll_ = make_epoll();
    watch(away_epoll_, w_.sharing->attendance().call_event(), EPOLLIN | EPOLLEXCLUSIVE);
    watch(away_epoll_, w_.stop_event, EPOLLIN);
  }
  polled_.reserve(w_.sockets.size() + w_.queues.size() + 4);
}

bool ReceiveWait::wait(const RunResult& last) noexcept {
  if (w_.pool.free_slots().closed()) {
    step_.abandon_held();
    announce_end();
    return false;
  }
  const bool received_all = has_received_all(last.next);
  // A step that came later in the round may have found no room for a reply.
  const DatagramSocket* const full = last.full != nullptr ? last.full : step_.lane().full;
  switch (last.next) {
    case Next::coalesce:
      pause(w_.coalesce);
      break;
    case Next::need_slot:
      unless_queued([&] { wait_for_slot(full); });
      break;
    case Next::need_room:
      unless_queued([&] { wait_in_poll(full); });
      break;
    case Next::empty:
      if (received_all && queues_.requests_closed()) announce_served();
      // No other lane hands it messages any more, nor are there datagrams (Pipeline::end).
      if (received_all && queues_.all_closed()) return false;
      if (!was_away()) unless_queued([&] { wait_for_datagrams(); });
      break;
    case Next::again:
      break;
  }
  return true;
}

bool ReceiveWait::has_received_all(Next next) noexcept {
  if (next == Next::coalesce || next == Next::need_slot) return false;
  if (w_.stop_reading != nullptr && w_.stop_reading->given()) stopping_ = true;
  if (stopping_) announce_end();
  return stopping_;
}

void ReceiveWait::announce_end() noexcept {
  if (w_.all_received == nullptr || std::exchange(announced_, true)) return;
  step_.receive_no_more();
  w_.all_received->post(1);
}

void ReceiveWait::announce_served() noexcept {
  if (w_.all_served != nullptr && !std::exchange(announced_served_, true)) w_.all_served->post(1);
}

template <class Sleep>
void ReceiveWait::unless_queued(Sleep sleep) noexcept {
  if (queues_.begin()) sleep();
  queues_.end();
}

// Lanes that are to stop, or whose sockets fail, do not go away: they have something to wait for.
bool ReceiveWait::was_away() noexcept {
  if (w_.sharing == nullptr || stopping_ || step_.failing_sockets().any()) return false;
  const std::uint64_t datagrams = step_.take_received();
  const bool in_vain =
      std::exchange(woken_beside_others_, false) && !w_.sharing->worth_waking(datagrams);
  Attendance& attendance = w_.sharing->attendance();
  if (attendance.go_away(w_.sharing->cpus())) {
    wait_away(w_.longest);
    return true;
  }
  const bool crowded = attendance.attending() > 1 && is_crowded();
  if ((!crowded && !in_vain) || !attendance.go_away(1)) return false;
  wait_away(crowded ? attendance.next_time_away() : Attendance::kAway);
  return true;
}

bool ReceiveWait::is_crowded() noexcept {
  if (!crowding_.look(monotonic_ns(), thread_cpu_ns())) return false;
  step_.stats().add(Counter::syscalls);
  if (crowding_.has_room()) w_.sharing->attendance().there_is_room();
  return crowding_.crowded();
}

LongestWait ReceiveWait::longest(const DatagramSocket* full) const noexcept {
  if (full != nullptr) return kLongestForRoom;
  // Then it does not wait for requests, and nobody wakes it once it may take some again.
  return w_.sharing != nullptr && !w_.sharing->holds() ? LongestWait(kSharedWait) : w_.longest;
}

void ReceiveWait::note_event(int descriptor) noexcept {
  if (descriptor == w_.stop_event)
    note_stop();
  else if (!queues_.note_event(descriptor))
    step_.lane().woken_by_socket = true;
}

void ReceiveWait::note_stop() noexcept {
  if (!std::exchange(stopping_, true)) step_.failing_sockets().end_pauses();
}

bool ReceiveWait::went_well(int ready) noexcept {
  const bool failed = failed_waits_.pause_after(ready);
  if (failed_waits_.saw_stop()) note_stop();
  return !failed;
}

// Ends without a slot only if the lane has to look again, to shed, or to answer.
void ReceiveWait::wait_for_slot(const DatagramSocket* full) noexcept {
  // Set once: a signal whose token another lane was quicker to take does not begin the time anew.
  const Deadline deadline = deadline_after(step_.sheds() ? kShedPause : longest(full));
  slot_wait_.wait([&](int slots_event) {
    polled_.assign(1, {slots_event, POLLIN, 0});
    const Polled polled = poll_also(full, deadline);
    return polled.in_time && !polled.also;
  });
}

void ReceiveWait::wait_for_datagrams() noexcept {
  if (stopping_ || step_.failing_sockets().any()) return wait_in_poll(nullptr);
  if (step_.sheds() && slot_wait_.short_of_slots()) pause(*kShedPause);
  epoll_event events[8];
  const int count = wait_in_epoll(events);
  went_well(count);
  step_.stats().add(Counter::syscalls);
  step_.stats().add(Counter::wait_calls);
  for (int i = 0; i < count; ++i) note_event(events[i].data.fd);
  if (w_.sharing != nullptr && step_.lane().woken_by_socket)
    woken_beside_others_ = w_.sharing->others_awake();
}

void ReceiveWait::wait_away(LongestWait longest) noexcept {
  epoll_event events[2];
  const int count = epoll_wait(away_epoll_.get(), events, 2, milliseconds(longest));
  went_well(count);
  step_.stats().add(Counter::syscalls);
  step_.stats().add(Counter::wait_calls);
  bool called = false;
  for (int i = 0; i < count; ++i) {
    if (events[i].data.fd == w_.stop_event)
      note_stop();
    else
      called = true;
  }
  w_.sharing->attendance().come_back(called);
}

int ReceiveWait::wait_in_epoll(std::span<epoll_event> events) noexcept {
  int count = 0;
  const auto wait = [&] {
    count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                       milliseconds(longest(nullptr)));
  };
  if (w_.shared)
    step_.stats().add(Counter::lost_races, lost_races_.during(monotonic_ns(), wait));
  else
    wait();
  return count;
}

// Waits for everything but a slot. Uses poll(2), since this is rare: with EPOLLEXCLUSIVE an epoll
// cannot be told each time which of its descriptors count. A lane that has received all waits no
// longer for sockets, nor for the stop event.
void ReceiveWait::wait_in_poll(const DatagramSocket* full) noexcept {
  const bool receives = !stopping_;
  const FailingSockets& failing = step_.failing_sockets();
  polled_.clear();
  if (receives) {
    polled_.push_back({w_.stop_event, POLLIN, 0});
    for (std::size_t i = 0; i < w_.sockets.size(); ++i)
      if (!failing.fails(i)) polled_.push_back({w_.sockets[i]->descriptor(), POLLIN, 0});
  }
  poll_also(full,
            std::min(deadline_after(longest(full)), receives ? failing.next_try() : kNoDeadline));
  step_.stats().add(Counter::syscalls);
  step_.stats().add(Counter::wait_calls);
  if (receives && polled_.front().revents != 0) note_stop();
}

ReceiveWait::Polled ReceiveWait::poll_also(const DatagramSocket* full, Deadline deadline) noexcept {
  const std::size_t first = polled_.size();
  queues_.for_each_event([this](int event) { polled_.push_back({event, POLLIN, 0}); });
  if (full != nullptr) polled_.push_back({full->descriptor(), POLLOUT, 0});
  const int ready = poll(polled_.data(), polled_.size(), milliseconds_until(deadline));
  if (!went_well(ready)) return {false, false};
  bool also = false;
  for (const pollfd& one : std::span(polled_).subspan(first)) {
    if (one.revents == 0) continue;
    also = true;
    queues_.note_event(one.fd);
  }
  return {ready != 0, also};
}

// Only the stop event ends it early.
void ReceiveWait::pause(std::chrono::nanoseconds time) noexcept {
  if (!precise_timer_) {
    // By default the kernel may let the thread sleep for 50 us longer (prctl(2)).
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    precise_timer_ = true;
  }
  pollfd stop{w_.stop_event, POLLIN, 0};
  const timespec pause{0, static_cast<long>(time.count())};
  went_well(ppoll(&stop, 1, &pause, nullptr));
  step_.stats().add(Counter::syscalls);
  step_.stats().add(Counter::wait_calls);
}

}  // namespace cpss
