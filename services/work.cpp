#include "services/work.h"

#include <cerrno>
#include <ctime>

namespace cpss {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

// Shorter times are burnt. A sleeping thread is woken up to 50 us late (its timer slack, prctl(2))
// and then has to get a CPU: a shorter sleep would mostly be that delay.
constexpr std::uint64_t kMinSleepNs = 100'000;

std::uint64_t now_ns(clockid_t clock) noexcept {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kNsPerSecond +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// Uses CPU time of this thread. To read its clock takes a system call, to read the monotonic clock
// does not: so we spin on the monotonic clock for all the remaining time, and then look at the
// thread's. While a thread is preempted, only the monotonic clock goes on, and so some time may
// still remain.
void burn(std::uint64_t time_ns) noexcept {
  std::uint64_t used_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
  const std::uint64_t end_ns = used_ns + time_ns;
  while (used_ns < end_ns) {
    const std::uint64_t look_again_ns = now_ns(CLOCK_MONOTONIC) + (end_ns - used_ns);
    while (now_ns(CLOCK_MONOTONIC) < look_again_ns) {
    }
    used_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
  }
}

void sleep(std::uint64_t time_ns) noexcept {
  const std::uint64_t until_ns = now_ns(CLOCK_MONOTONIC) + time_ns;
  const timespec until = {.tv_sec = static_cast<time_t>(until_ns / kNsPerSecond),
                          .tv_nsec = static_cast<long>(until_ns % kNsPerSecond)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

// False if the message is none of ours; then its verdict is `invalid`.
bool valid(Message& message) noexcept {
  if (message.request().size() >= WorkProfile::kMinPayload) return true;
  message.invalid(InvalidReason::too_short);
  return false;
}

}  // namespace

void WorkService::process(std::span<Message> batch, LaneState*) noexcept {
  for (Message& message : batch) {
    const std::optional<std::uint64_t> time_ns = time_ns_of(message);
    if (!time_ns) continue;
    if (profile_.deferred(*time_ns)) {
      message.defer();
    } else {
      answer_after(message, *time_ns);
    }
  }
}

void WorkService::process_deferred(Message& message, LaneState*) noexcept {
  if (const std::optional<std::uint64_t> time_ns = time_ns_of(message))
    answer_after(message, *time_ns);
}

// No reply can say "busy": an echo means that the work was done.
void WorkService::busy_reply(Message& message) const noexcept {
  if (valid(message)) message.no_reply();
}

std::optional<std::uint64_t> WorkService::time_ns_of(Message& message) const noexcept {
  if (!valid(message)) return std::nullopt;
  return profile_.time_ns(WorkProfile::key_of(message.request()));
}

void WorkService::answer_after(Message& message, std::uint64_t time_ns) const noexcept {
  if (profile_.sleeps() && time_ns >= kMinSleepNs) {
    sleep(time_ns);
  } else if (time_ns > 0) {  // a time of 0 must cost nothing, not even a look at a clock
    burn(time_ns);
  }
  message.reply_in_place(message.request().size());
}

std::unique_ptr<Service> make_work(const ServiceSettings& settings) {
  return std::make_unique<WorkService>(WorkProfile::parse(settings.work));
}

}  // namespace cpss
