// When the starter of on-demand threads is called, and that no call is lost.
#include "queue/worker_occupancy.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "queue/worker_queue.h"
#include "tests/queue/zeroed_memory.h"
#include "tests/support/sanitizers.h"

namespace cpss {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr auto waiting(std::uint32_t messages) {
  return [messages] { return messages; };
}
constexpr auto kOneWaits = waiting(1);
constexpr auto kNothingWaits = waiting(0);

// Whether the starter has been called since the last time.
bool called(WorkerOccupancy& occupancy) {
  return occupancy.wait(Deadline{}).status == TakeStatus::taken;
}

TEST(WorkerOccupancy, WithoutOnDemandThreadsNobodyIsEverCalled) {
  WorkerOccupancy occupancy(1, 0);
  EXPECT_EQ(occupancy.enter(kOneWaits), 0u);
  EXPECT_EQ(occupancy.message_put(kOneWaits), 0u);
  EXPECT_FALSE(called(occupancy));
  EXPECT_FALSE(occupancy.wanted(kOneWaits));
  occupancy.leave();
  EXPECT_FALSE(called(occupancy));
  EXPECT_EQ(occupancy.inside_guess(), 0u);
}

TEST(WorkerOccupancy, AProducerCallsWhenMoreWaitThanWorkersAreOutside) {
  WorkerOccupancy occupancy(2, 1);
  occupancy.message_put(waiting(2));
  EXPECT_FALSE(called(occupancy)) << "one for each worker";
  EXPECT_FALSE(occupancy.wanted(waiting(2)));
  occupancy.enter(kNothingWaits);
  occupancy.message_put(kOneWaits);
  EXPECT_FALSE(called(occupancy)) << "one is outside";
  EXPECT_FALSE(occupancy.wanted(kOneWaits));
  occupancy.enter(kNothingWaits);
  EXPECT_FALSE(called(occupancy)) << "nothing waits";
  EXPECT_FALSE(occupancy.wanted(kNothingWaits));
  EXPECT_TRUE(occupancy.wanted(kOneWaits));
  occupancy.message_put(kOneWaits);
  EXPECT_TRUE(called(occupancy));
  EXPECT_FALSE(called(occupancy)) << "once";
  occupancy.leave();
  EXPECT_FALSE(occupancy.wanted(kOneWaits));
  occupancy.message_put(kOneWaits);
  EXPECT_FALSE(called(occupancy));
}

// Found in an independent review: a worker that was woken but stands still is not inside, and the
// starter was never called, however many messages waited.
TEST(WorkerOccupancy, AWorkerThatStandsStillOutsideHoldsUpOneMessage) {
  WorkerOccupancy occupancy(2, 1);
  occupancy.enter(kNothingWaits);
  occupancy.message_put(kOneWaits);
  EXPECT_FALSE(called(occupancy)) << "it is the other worker's, which has been woken";
  occupancy.message_put(waiting(2));
  EXPECT_TRUE(called(occupancy));
  EXPECT_TRUE(occupancy.wanted(waiting(2)));
  occupancy.count_in();
  EXPECT_FALSE(occupancy.wanted(waiting(1)));
  occupancy.count_out();
}

TEST(WorkerOccupancy, AWorkerCallsThatGoesInsideWhileMoreWaitThanAreOutside) {
  WorkerOccupancy occupancy(2, 1);
  occupancy.enter(kOneWaits);
  EXPECT_FALSE(called(occupancy)) << "the other one can take it";
  occupancy.enter(kOneWaits);
  EXPECT_TRUE(called(occupancy));
  occupancy.leave();
  occupancy.enter(kOneWaits);
  EXPECT_TRUE(called(occupancy)) << "each time anew";
  occupancy.leave();
  occupancy.leave();
  occupancy.enter(waiting(2));
  EXPECT_TRUE(called(occupancy)) << "the other one can take one of them";
}

TEST(WorkerOccupancy, WithMaxThreadsOnlyOneThatEndsCalls) {
  WorkerOccupancy occupancy(1, 2);
  occupancy.enter(kNothingWaits);
  occupancy.count_in();
  EXPECT_TRUE(occupancy.wanted(kOneWaits)) << "there is room for one more";
  occupancy.count_in();
  EXPECT_FALSE(occupancy.wanted(kOneWaits));
  occupancy.message_put(kOneWaits);
  EXPECT_FALSE(called(occupancy));
  occupancy.leave();
  occupancy.enter(kOneWaits);
  EXPECT_FALSE(called(occupancy));
  occupancy.thread_ends();
  EXPECT_TRUE(called(occupancy));
  EXPECT_FALSE(occupancy.wanted(kOneWaits)) << "not before it is counted out";
  occupancy.count_out();
  EXPECT_TRUE(occupancy.wanted(kOneWaits));
  EXPECT_EQ(occupancy.inside_guess(), 1u) << "threads and workers are counted apart";
}

TEST(WorkerOccupancy, CallsMadeBeforeItIsClosedAreHeard) {
  WorkerOccupancy occupancy(1, 1);
  occupancy.enter(kOneWaits);
  occupancy.message_put(kOneWaits);
  occupancy.close();
  EXPECT_EQ(occupancy.wait().status, TakeStatus::taken);
  EXPECT_EQ(occupancy.wait().status, TakeStatus::closed);
  occupancy.thread_ends();
  EXPECT_EQ(occupancy.wait().status, TakeStatus::taken) << "those of threads that still run";
  EXPECT_EQ(occupancy.wait().status, TakeStatus::closed);
}

TEST(WorkerOccupancy, ACallWakesTheStarter) {
  WorkerOccupancy occupancy(1, 1);
  occupancy.enter(kNothingWaits);
  std::thread starter([&] {
    EXPECT_EQ(occupancy.wait(steady_clock::now() + seconds(60)).status, TakeStatus::taken);
  });
  occupancy.message_put(kOneWaits);
  starter.join();
}

// Rounds of a few more messages than there are workers, and workers that stay inside until all of a
// round is taken: if a single call is lost, the round never ends. Threads that play the on-demand
// threads take the messages that the workers do not; a starter lets them in, as
// stages/service/on_demand.cpp does.
class Rounds {
 public:
  Rounds(std::uint32_t workers, std::uint32_t max_threads, std::uint32_t rounds)
      : workers_(workers),
        max_threads_(max_threads),
        rounds_(rounds),
        per_round_(workers + max_threads + 2),
        memory_(WorkerQueue::bytes()),
        queue_(*WorkerQueue::create(memory_.get(), per_round_)),
        occupancy_(workers, max_threads) {}

  void run() {
    std::vector<std::thread> workers, on_demand, producers;
    for (std::uint32_t i = 0; i < workers_; ++i) workers.emplace_back([this] { work(); });
    for (std::uint32_t i = 0; i < max_threads_; ++i)
      on_demand.emplace_back([this] { work_on_demand(); });
    std::thread starter([this] { start(); });
    for (std::uint32_t i = 0; i < kProducers; ++i)
      producers.emplace_back([this, i] { produce(i); });
    for (std::thread& producer : producers) producer.join();
    queue_.close();
    for (std::thread& worker : workers) worker.join();
    occupancy_.close();
    starter.join();
    let_in_.close();
    for (std::thread& thread : on_demand) thread.join();
    EXPECT_FALSE(stuck_) << "a message was left waiting after " << taken_ << " of "
                         << rounds_ * per_round_;
    EXPECT_EQ(taken_, rounds_ * per_round_);
    EXPECT_LE(max_on_demand_, max_threads_);
    EXPECT_EQ(queue_.ready_guess(), 0u);
    EXPECT_EQ(occupancy_.inside_guess(), 0u);
  }

 private:
  static constexpr std::uint32_t kProducers = 2;

  // Waits until so many messages are taken; gives up when none has been taken for 20 s.
  void wait_until_taken(std::uint32_t messages) {
    std::uint32_t seen = taken_;
    auto deadline = steady_clock::now() + seconds(20);
    while (taken_ < messages && !stuck_) {
      std::this_thread::yield();
      if (const std::uint32_t now = taken_; now != seen) {
        seen = now;
        deadline = steady_clock::now() + seconds(20);
      } else if (steady_clock::now() > deadline) {
        stuck_ = true;
      }
    }
  }

  // Puts every second message of each round, one by one, while the other producer puts the others.
  void produce(std::uint32_t first) {
    for (std::uint32_t round = 0; round < rounds_ && !stuck_; ++round) {
      for (std::uint32_t i = first; i < per_round_; i += kProducers) {
        const std::uint32_t message = round * per_round_ + i;
        ASSERT_EQ(queue_.reserve(1), 1u);
        queue_.put({&message, 1});
        occupancy_.message_put(waiting_);
      }
      wait_until_taken((round + 1) * per_round_);
    }
  }

  void work() {
    while (queue_.wait().status == TakeStatus::taken) {
      occupancy_.enter([this] {
        const std::uint32_t waiting = queue_.ready_guess();
        // If the worker looked before it was counted, a message could come in unseen here.
        std::this_thread::yield();
        return waiting;
      });
      const std::uint32_t round = queue_.pop().slot / per_round_;
      ++taken_;
      wait_until_taken((round + 1) * per_round_);
      occupancy_.leave();
    }
  }

  void start() {
    while (occupancy_.wait().status == TakeStatus::taken) {
      for (std::uint32_t ended = gone_.try_take(max_threads_); ended > 0; --ended)
        occupancy_.count_out();
      while (occupancy_.wanted(waiting_) && queue_.try_claim()) {
        occupancy_.count_in();
        let_in_.post(1);
      }
    }
  }

  void work_on_demand() {
    while (let_in_.take(1).status == TakeStatus::taken) {
      const std::uint32_t now = ++on_demand_;
      if (now > max_on_demand_) max_on_demand_ = now;
      queue_.pop();
      ++taken_;
      --on_demand_;
      gone_.post(1);
      occupancy_.thread_ends();
    }
  }

  const std::function<std::uint32_t()> waiting_ = [this] { return queue_.ready_guess(); };
  const std::uint32_t workers_;
  const std::uint32_t max_threads_;
  const std::uint32_t rounds_;
  const std::uint32_t per_round_;
  ZeroedMemory memory_;
  WorkerQueue& queue_;
  WorkerOccupancy occupancy_;
  Semaphore let_in_;
  Semaphore gone_;
  std::atomic<std::uint32_t> taken_{0};
  std::atomic<std::uint32_t> on_demand_{0};
  std::atomic<std::uint32_t> max_on_demand_{0};
  std::atomic<bool> stuck_{false};
};

TEST(WorkerOccupancyStorm, NoCallIsLost) {
  for (const std::uint32_t workers : {1u, 2u, 3u})
    for (const std::uint32_t max_threads : {1u, 2u}) {
      SCOPED_TRACE(testing::Message() << workers << " workers, " << max_threads << " threads");
      Rounds(workers, max_threads, kThreadSanitizer ? 200 : 2'000).run();
      if (HasFailure()) return;
    }
}

}  // namespace
}  // namespace cpss
