#include "stages/receive_wait.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "stages/clock.h"

namespace cpss {
namespace {

constexpr LongestWait kShedPause = std::chrono::milliseconds(1);
constexpr std::uint64_t kShortForNs = 10'000'000;  // after a wait for a slot

// As poll(2) and epoll_wait(2) want it.
int milliseconds(LongestWait longest) noexcept {
  return longest ? static_cast<int>(longest->count()) : -1;
}

// The same until a deadline, rounded up; 0: it has passed.
int milliseconds_until(Deadline deadline) noexcept {
  if (deadline == kNoDeadline) return -1;
  const auto left = deadline - std::chrono::steady_clock::now();
  return static_cast<int>(
      std::max<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(left).count(), 0));
}

void watch(int epoll, int descriptor, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = descriptor;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0)
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

}  // namespace

ReceiveWait::ReceiveWait(Wiring wiring, ReceiveStep& step)
    : w_(std::move(wiring)), step_(step), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  try {
    // EPOLLEXCLUSIVE: a datagram wakes one of the lanes that wait for its socket, not all
    // (epoll_ctl(2)).
    for (const DatagramPort* port : w_.ports)
      watch(epoll_, port->descriptor(), EPOLLIN | EPOLLEXCLUSIVE);
    watch(epoll_, w_.stop_event, EPOLLIN);
  } catch (...) {
    close(epoll_);
    throw;
  }
}

ReceiveWait::~ReceiveWait() {
  close(epoll_);
}

bool ReceiveWait::wait() noexcept {
  if (w_.pool.free_slots().closed()) {
    step_.run();  // ends what it holds
    return false;
  }
  if (step_.starved()) {
    wait_for_slot();
    return true;
  }
  if (step_.pausing()) {
    let_datagrams_gather(w_.pause);
    return true;
  }
  // The run before this wait came after the stop event and found nothing.
  if (stopping_) return false;
  if (step_.sheds() && now_ns() < short_until_ns_) let_datagrams_gather(*kShedPause);
  epoll_event events[8];
  const int count = epoll_wait(epoll_, events, std::size(events), milliseconds(w_.longest));
  step_.stats().add(Counter::syscalls);
  step_.stats().add(Counter::wait_calls);
  for (int i = 0; i < count; ++i)
    if (events[i].data.fd == w_.stop_event) stopping_ = true;
  return true;
}

// Slots come back from downstream, which never waits for receive: so this ends, at a stop too.
// Without a slot it ends only to look again, or to shed.
void ReceiveWait::wait_for_slot() noexcept {
  StatsWriter& stats = step_.stats();
  const std::uint64_t begin = now_ns();
  stats.add(Counter::sem_waits);
  Semaphore& free_slots = w_.pool.free_slots();
  free_slots.begin_wait();
  // Not begun anew by a signal whose token another lane was quicker to take.
  const Deadline deadline = deadline_after(step_.sheds() ? kShedPause : w_.longest);
  for (bool in_time = true;;) {
    const TakeResult result = free_slots.poll_wait(w_.batch, w_.lanes);
    stats.add(Counter::futex_wakes, result.wakes);
    if (result.status != TakeStatus::waiting) {
      step_.accept_tokens(result.tokens);
      break;
    }
    if (!in_time) {
      stats.add(Counter::futex_wakes, free_slots.end_wait());
      break;
    }
    pollfd signal{free_slots.event_fd(), POLLIN, 0};
    in_time = poll(&signal, 1, milliseconds_until(deadline)) != 0;
  }
  const std::uint64_t end = now_ns();
  stats.add(Counter::sem_wait_ns, end - begin);
  stats.add(Counter::slot_wait_ns, end - begin);
  short_until_ns_ = end + kShortForNs;
}

// Ends early only for the stop event.
void ReceiveWait::let_datagrams_gather(std::chrono::nanoseconds time) noexcept {
  if (!pauses_precisely_) {
    // As it is, the kernel may let the thread sleep for 50 us longer (prctl(2)).
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    pauses_precisely_ = true;
  }
  pollfd stop{w_.stop_event, POLLIN, 0};
  const timespec left{0, static_cast<long>(time.count())};
  ppoll(&stop, 1, &left, nullptr);
  step_.stats().add(Counter::syscalls);
  step_.stats().add(Counter::wait_calls);
}

}  // namespace cpss
