// How often a lane was woken for a datagram that another lane was quicker to take.
//
// A lane that is woken and finds, still in the kernel, that there is nothing goes to sleep again
// there: epoll_wait(2) does not return, only the times its thread slept tell (getrusage(2)), before
// and after. A total read now and then would not do: a service sleeps on the same thread. So of the
// waits of each 100 ms the first few are measured, and what they showed stands for the others too.
// That is all of them where there are few; where there are many, 640 system calls a second at most.
//
// One object per lane, used by its thread alone.
#pragma once

#include <cstdint>

#include <sys/resource.h>

namespace cpss {

// How often the calling thread has given up its CPU to wait.
inline std::uint64_t times_slept() noexcept {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return static_cast<std::uint64_t>(usage.ru_nvcsw);
}

template <std::uint64_t (*TimesSlept)() noexcept>
class BasicLostRaces {
 public:
  static constexpr std::uint64_t kSpanNs = 100'000'000;
  static constexpr std::uint64_t kMeasured = 32;  // waits of a span

  // Runs `wait`, which begins at `now_ns`; returns the races to be counted.
  template <class Wait>
  std::uint64_t during(std::uint64_t now_ns, Wait wait) noexcept {
    std::uint64_t to_count = 0;
    if (now_ns - since_ns_ >= kSpanNs) {
      if (waits_ > kMeasured) to_count = lost_ * (waits_ - kMeasured) / kMeasured;
      since_ns_ = now_ns;
      waits_ = lost_ = 0;
    }
    if (++waits_ > kMeasured) {
      wait();
      return to_count;
    }
    const std::uint64_t slept_before = TimesSlept();
    wait();
    const std::uint64_t slept = TimesSlept() - slept_before;
    const std::uint64_t lost = slept > 1 ? slept - 1 : 0;
    lost_ += lost;
    return to_count + lost;
  }

 private:
  std::uint64_t since_ns_ = 0;
  std::uint64_t waits_ = 0;  // of this span
  std::uint64_t lost_ = 0;   // in those that were measured
};

using LostRaces = BasicLostRaces<times_slept>;

}  // namespace cpss
