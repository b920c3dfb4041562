// How often a lane was woken for a datagram that another lane was quicker to take.
//
// A lane that is woken and finds nothing, still in the kernel, goes to sleep again there, and
// epoll_wait(2) does not return. Only the number of times that its thread slept tells
// (getrusage(2)), taken before and after the wait. A total read now and then would not do, because
// a service sleeps on the same thread. So the first few waits of each 100 ms are measured, and
// their result stands for the other waits too. With few waits that is all of them; with many it
// costs 640 system calls a second at most.
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
  static constexpr std::uint64_t kMeasured = 32;  // waits of a span that are measured

  // Runs `wait`, which begins at `now_ns`; returns how many lost races the caller has to count.
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
  std::uint64_t lost_ = 0;   // races lost in the measured waits of this span
};

using LostRaces = BasicLostRaces<times_slept>;

}  // namespace cpss
