#include "stages/service/worker_load.h"

#include <atomic>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/support/eventually.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;

// A worker's thread that uses its CPU, or sleeps.
class Worker {
 public:
  Worker(WorkerLoad& load, std::size_t number, bool busy)
      : thread_([this, &load, number, busy] {
          load.note_thread(number);
          there_ = true;
          while (!ends_) {
            if (!busy) std::this_thread::sleep_for(1ms);
            used_ns_ = thread_cpu_ns();
          }
        }) {
    while (!there_) std::this_thread::yield();
  }
  std::uint64_t used_ns() const { return used_ns_; }
  ~Worker() {
    ends_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> there_ = false;
  std::atomic<bool> ends_ = false;
  std::atomic<std::uint64_t> used_ns_ = 0;
  std::thread thread_;
};

// Looks several times: between two of them too much time may pass on a busy machine.
bool is_said_to_block(WorkerLoad& load, unsigned inside) {
  return eventually([&] { return load.some_block(inside, monotonic_ns()); }, 20s, 3ms);
}

TEST(WorkerLoadTest, AWorkerThatSleepsIsBlocked) {
  WorkerLoad load(1);
  const Worker worker(load, 0, false);
  EXPECT_FALSE(load.some_block(1, monotonic_ns())) << "that is not known yet";
  EXPECT_TRUE(is_said_to_block(load, 1));
}

// It is told that less time has passed than the worker has used, however slow the machine is.
TEST(WorkerLoadTest, AWorkerThatUsesItsCpuIsNot) {
  WorkerLoad load(1);
  const Worker worker(load, 0, true);
  const std::uint64_t begin = monotonic_ns();
  const std::uint64_t used = worker.used_ns();
  load.some_block(1, begin);
  ASSERT_TRUE(eventually([&] { return worker.used_ns() > used + 3 * WorkerLoad::kSpan; }));
  EXPECT_FALSE(load.some_block(1, begin + WorkerLoad::kSpan));
}

TEST(WorkerLoadTest, WithSeveralInsideOneThatSleepsIsEnough) {
  WorkerLoad load(2);
  const Worker busy(load, 0, true);
  const Worker sleeps(load, 1, false);
  EXPECT_TRUE(is_said_to_block(load, 2));
}

TEST(WorkerLoadTest, AnswersOfALookHoldForAWhileAndNotForLong) {
  WorkerLoad load(1);
  const std::uint64_t begin = 1'000'000'000;
  load.some_block(1, begin);
  EXPECT_TRUE(load.some_block(1, begin + WorkerLoad::kSpan));
  EXPECT_TRUE(load.some_block(1, begin + WorkerLoad::kSpan + 1));
  EXPECT_FALSE(load.some_block(1, begin + 2 * WorkerLoad::kMaxSpan))
      << "the workers may have been idle most of that time";
}

}  // namespace
}  // namespace cpss
