// The thread that holds the mutex inherits the priority of a thread that waits for it.
#include "base/priority_mutex.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "tests/support/eventually.h"

namespace cpss {
namespace {

// The kernel's priority: 20 with nice 0, -2 at real-time priority 1 (proc(5), field 18).
int priority_of_thread(pid_t thread) {
  std::ifstream file(fmt::format("/proc/self/task/{}/stat", thread));
  std::stringstream text;
  text << file.rdbuf();
  std::istringstream after_name(text.str().substr(text.str().rfind(')') + 2));
  std::string word;
  for (int field = 3; field <= 18; ++field) after_name >> word;
  return std::stoi(word);
}

TEST(PriorityMutex, WhoHoldsItRunsAtThePriorityOfWhoWaits) {
  PriorityMutex mutex;
  const pid_t holder = gettid();
  const int usual = priority_of_thread(holder);
  std::unique_lock lock(mutex);
  std::atomic<int> error = -1;
  std::thread urgent([&] {
    sched_param parameters{};
    parameters.sched_priority = 1;
    error = pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters);
    if (error == 0) const std::lock_guard wait(mutex);
  });
  while (error == -1) std::this_thread::yield();
  const bool inherited = error == 0 && eventually([&] { return priority_of_thread(holder) == -2; });
  lock.unlock();
  urgent.join();
  if (error == EPERM) GTEST_SKIP() << "no permission for the real-time class";
  EXPECT_TRUE(inherited);
  EXPECT_EQ(priority_of_thread(holder), usual) << "and no longer than that";
}

}  // namespace
}  // namespace cpss
