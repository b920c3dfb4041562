// A lane's waits while another thread does something.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include <gtest/gtest.h>

namespace cpss::test {

inline std::int64_t milliseconds_since(std::chrono::steady_clock::time_point begin) {
  return (std::chrono::steady_clock::now() - begin) / std::chrono::milliseconds(1);
}

// Calls `wait` as a lane does, until it returns after another thread has begun with `other`, or
// ends the lane. The other thread first calls `let_it_sleep`, which returns once the lane sleeps.
// Until then `wait` may return now and then (a late signal, a look at full sockets), but must not
// spin. Returns what the last call of `wait` did: whether the lane goes on.
template <class Wait, class LetItSleep, class Other>
bool wait_meanwhile(const Wait& wait, const LetItSleep& let_it_sleep, const Other& other) {
  std::atomic<bool> begun = false;
  std::thread thread([&] {
    let_it_sleep();
    begun = true;
    other();
  });
  bool result = true;
  std::int64_t returns = 0;
  const auto begin = std::chrono::steady_clock::now();
  do {
    result = wait();
    ++returns;
  } while (result && !begun);
  EXPECT_TRUE(begun) << "it gave up";
  EXPECT_LT(returns, 50 + 2 * milliseconds_since(begin)) << "it spins";
  thread.join();
  return result;
}

}  // namespace cpss::test
