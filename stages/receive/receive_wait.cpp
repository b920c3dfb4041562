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

constexpr LongestWait kShedCoalesce = std::chrono::milliseconds(1);
constexpr std::uint64_t kShortForNs = 10'000'000;  // after a wait for a slot

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

void watch(int epoll, int descriptor, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = descriptor;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0)
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

}  // namespace

ReceiveWait::ReceiveWait(Wiring wiring, ReceiveStep& step)
    : w_(std::move(wiring)),
      step_(step),
      failed_waits_(step.lane(), step.stats(), w_.stop_event),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  try {
    const std::uint32_t exclusive = w_.exclusive ? std::uint32_t{EPOLLEXCLUSIVE} : 0;
    for (const DatagramSocket* socket : w_.sockets)
      watch(epoll_, socket->descriptor(), EPOLLIN | exclusive);
    watch(epoll_, w_.stop_event, EPOLLIN);
    if (w_.replies != nullptr) watch(epoll_, w_.replies->event_fd(), EPOLLIN);
  } catch (...) {
    close(epoll_);
    throw;
  }
  polled_.reserve(w_.sockets.size() + 4);
}

ReceiveWait::~ReceiveWait() {
  close(epoll_);
}

bool ReceiveWait::wait() noexcept {
  if (w_.pool.free_slots().closed()) {
    step_.run();  // ends the datagrams that it holds
    announce_end();
    return false;
  }
  if (step_.must_coalesce()) {
    coalesce(w_.coalesce);
    return true;
  }
  if (w_.stop_reading != nullptr && w_.stop_reading->given()) stopping_ = true;
  // The run before this wait came after the stop event and found nothing to read.
  if (received_all()) announce_end();
  if (w_.replies != nullptr) return wait_for_replies_too();
  if (received_all() && full_socket() == nullptr) return false;
  sleep();
  return true;
}

void ReceiveWait::announce_end() noexcept {
  if (w_.all_received == nullptr || std::exchange(announced_, true)) return;
  step_.receive_no_more();
  w_.all_received->post(1);
}

DatagramSocket* ReceiveWait::full_socket() const noexcept {
  return w_.sender != nullptr ? w_.sender->blocked_on() : nullptr;
}

LongestWait ReceiveWait::longest() const noexcept {
  return full_socket() != nullptr ? LongestWait(kLongestForRoom) : w_.longest;
}

bool ReceiveWait::wait_for_replies_too() noexcept {
  StatsWriter& stats = step_.stats();
  w_.replies->begin_wait();
  TakeResult result = w_.replies->poll_wait(w_.batch);
  if (result.status == TakeStatus::closed) {
    // No lane hands it replies any more, nor are there datagrams (Pipeline::end).
    if (full_socket() == nullptr) return false;
    sleep();
    return true;
  }
  if (result.status == TakeStatus::waiting) {
    sleep();
    result = w_.replies->poll_wait(w_.batch);
    if (result.status == TakeStatus::waiting) result.wakes = w_.replies->end_wait();
  }
  stats.add(Counter::futex_wakes, result.wakes);
  return true;
}

void ReceiveWait::sleep() noexcept {
  if (step_.starved())
    wait_for_slot();
  else if (received_all() || full_socket() != nullptr || step_.next_try() != kNoDeadline)
    wait_for_the_rest();
  else
    wait_for_datagrams();
}

void ReceiveWait::note_event(int descriptor) noexcept {
  if (descriptor == w_.stop_event)
    note_stop();
  else if (w_.replies == nullptr || descriptor != w_.replies->event_fd())
    step_.woken();
}

void ReceiveWait::note_stop() noexcept {
  if (!std::exchange(stopping_, true)) step_.try_all_again();
}

bool ReceiveWait::went_well(int ready) noexcept {
  const bool failed = failed_waits_.pause_after(ready);
  if (failed_waits_.saw_stop()) note_stop();
  return !failed;
}

void ReceiveWait::wait_for_datagrams() noexcept {
  if (step_.sheds() && monotonic_ns() < short_until_ns_) coalesce(*kShedCoalesce);
  epoll_event events[8];
  const int count = wait_in_epoll(events);
  went_well(count);
  step_.stats().add(Counter::syscalls);
  step_.stats().add(Counter::wait_calls);
  for (int i = 0; i < count; ++i) note_event(events[i].data.fd);
}

int ReceiveWait::wait_in_epoll(std::span<epoll_event> events) noexcept {
  int count = 0;
  const auto wait = [&] {
    count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                       milliseconds(w_.longest));
  };
  if (w_.shared)
    step_.stats().add(Counter::lost_races, lost_races_.during(monotonic_ns(), wait));
  else
    wait();
  return count;
}

// Uses poll(2), since this is rare: with EPOLLEXCLUSIVE an epoll cannot be told each time which of
// its descriptors count.
void ReceiveWait::wait_for_the_rest() noexcept {
  polled_.clear();
  if (!received_all()) {
    polled_.push_back({w_.stop_event, POLLIN, 0});
    for (std::size_t i = 0; i < w_.sockets.size(); ++i)
      if (!step_.fails(i)) polled_.push_back({w_.sockets[i]->descriptor(), POLLIN, 0});
  }
  const std::size_t first = polled_.size();
  poll_also(std::min(deadline_after(longest()), received_all() ? kNoDeadline : step_.next_try()));
  step_.stats().add(Counter::syscalls);
  step_.stats().add(Counter::wait_calls);
  if (first > 0 && polled_.front().revents != 0) note_stop();
}

ReceiveWait::Polled ReceiveWait::poll_also(Deadline deadline) noexcept {
  const std::size_t first = polled_.size();
  if (w_.replies != nullptr) polled_.push_back({w_.replies->event_fd(), POLLIN, 0});
  if (const DatagramSocket* full = full_socket())
    polled_.push_back({full->descriptor(), POLLOUT, 0});
  const int ready = poll(polled_.data(), polled_.size(), milliseconds_until(deadline));
  if (!went_well(ready)) return {false, false};
  const bool also = std::ranges::any_of(std::span(polled_).subspan(first),
                                        [](const pollfd& one) { return one.revents != 0; });
  return {ready != 0, also};
}

// Slots come back from lanes downstream, which never wait for receive, or from this lane itself,
// once it has sent the replies that it holds: so the wait ends, at a stop too. It ends without a
// slot only if the lane has to look again, to shed, or to answer.
void ReceiveWait::wait_for_slot() noexcept {
  StatsWriter& stats = step_.stats();
  const std::uint64_t begin = monotonic_ns();
  stats.add(Counter::sem_waits);
  Semaphore& free_slots = w_.pool.free_slots();
  free_slots.begin_wait();
  // Set once: a signal whose token another lane was quicker to take does not begin the time anew.
  const Deadline deadline = deadline_after(step_.sheds() ? kShedCoalesce : longest());
  for (Polled polled{true, false};;) {
    const TakeResult result = free_slots.poll_wait(w_.batch, w_.lanes);
    stats.add(Counter::futex_wakes, result.wakes);
    if (result.status != TakeStatus::waiting) {
      step_.accept_tokens(result.tokens);
      break;
    }
    if (!polled.in_time || polled.also) {
      stats.add(Counter::futex_wakes, free_slots.end_wait());
      break;
    }
    polled_.assign(1, {free_slots.event_fd(), POLLIN, 0});
    polled = poll_also(deadline);
  }
  const std::uint64_t end = monotonic_ns();
  stats.add(Counter::sem_wait_ns, end - begin);
  stats.add(Counter::slot_wait_ns, end - begin);
  short_until_ns_ = end + kShortForNs;
}

// Only the stop event ends it early.
void ReceiveWait::coalesce(std::chrono::nanoseconds time) noexcept {
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
