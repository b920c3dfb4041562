// When the starter of on-demand threads is called, and that no call is lost.
#include "queue/crowd.h"

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
bool called(Crowd& crowd) {
  return crowd.wait(Deadline{}).status == TakeStatus::taken;
}

TEST(Crowd, WithoutOnDemandThreadsNobodyIsEverCalled) {
  Crowd crowd(1, 0);
  EXPECT_EQ(crowd.enter(kOneWaits), 0u);
  EXPECT_EQ(crowd.message_put(kOneWaits), 0u);
  EXPECT_FALSE(called(crowd));
  EXPECT_FALSE(crowd.wanted(kOneWaits));
  crowd.leave();
  EXPECT_FALSE(called(crowd));
  EXPECT_EQ(crowd.inside_guess(), 0u);
}

TEST(Crowd, AProducerCallsWhenMoreWaitThanWorkersAreOutside) {
  Crowd crowd(2, 1);
  crowd.message_put(waiting(2));
  EXPECT_FALSE(called(crowd)) << "one for each worker";
  EXPECT_FALSE(crowd.wanted(waiting(2)));
  crowd.enter(kNothingWaits);
  crowd.message_put(kOneWaits);
  EXPECT_FALSE(called(crowd)) << "one is outside";
  EXPECT_FALSE(crowd.wanted(kOneWaits));
  crowd.enter(kNothingWaits);
  EXPECT_FALSE(called(crowd)) << "nothing waits";
  EXPECT_FALSE(crowd.wanted(kNothingWaits));
  EXPECT_TRUE(crowd.wanted(kOneWaits));
  crowd.message_put(kOneWaits);
  EXPECT_TRUE(called(crowd));
  EXPECT_FALSE(called(crowd)) << "once";
  crowd.leave();
  EXPECT_FALSE(crowd.wanted(kOneWaits));
  crowd.message_put(kOneWaits);
  EXPECT_FALSE(called(crowd));
}

// Found by an independent look: a worker that was woken and stands still is not inside, and the
// starter was never called, however many messages waited.
TEST(Crowd, AWorkerThatStandsStillOutsideHoldsUpOneMessage) {
  Crowd crowd(2, 1);
  crowd.enter(kNothingWaits);
  crowd.message_put(kOneWaits);
  EXPECT_FALSE(called(crowd)) << "it is the other worker's, which has been woken";
  crowd.message_put(waiting(2));
  EXPECT_TRUE(called(crowd));
  EXPECT_TRUE(crowd.wanted(waiting(2)));
  crowd.count_in();
  EXPECT_FALSE(crowd.wanted(waiting(1)));
  crowd.count_out();
}

TEST(Crowd, AWorkerCallsThatGoesInsideWhileMoreWaitThanAreOutside) {
  Crowd crowd(2, 1);
  crowd.enter(kOneWaits);
  EXPECT_FALSE(called(crowd)) << "the other one can take it";
  crowd.enter(kOneWaits);
  EXPECT_TRUE(called(crowd));
  crowd.leave();
  crowd.enter(kOneWaits);
  EXPECT_TRUE(called(crowd)) << "each time anew";
  crowd.leave();
  crowd.leave();
  crowd.enter(waiting(2));
  EXPECT_TRUE(called(crowd)) << "the other one can take one of them";
}

TEST(Crowd, WithTheMostThreadsOnlyOneThatEndsCalls) {
  Crowd crowd(1, 2);
  crowd.enter(kNothingWaits);
  crowd.count_in();
  EXPECT_TRUE(crowd.wanted(kOneWaits)) << "there is room for one more";
  crowd.count_in();
  EXPECT_FALSE(crowd.wanted(kOneWaits));
  crowd.message_put(kOneWaits);
  EXPECT_FALSE(called(crowd));
  crowd.leave();
  crowd.enter(kOneWaits);
  EXPECT_FALSE(called(crowd));
  crowd.thread_ends();
  EXPECT_TRUE(called(crowd));
  EXPECT_FALSE(crowd.wanted(kOneWaits)) << "not before it is counted out";
  crowd.count_out();
  EXPECT_TRUE(crowd.wanted(kOneWaits));
  EXPECT_EQ(crowd.inside_guess(), 1u) << "threads and workers are counted apart";
}

TEST(Crowd, CallsMadeBeforeItIsClosedAreHeard) {
  Crowd crowd(1, 1);
  crowd.enter(kOneWaits);
  crowd.message_put(kOneWaits);
  crowd.close();
  EXPECT_EQ(crowd.wait().status, TakeStatus::taken);
  EXPECT_EQ(crowd.wait().status, TakeStatus::closed);
  crowd.thread_ends();
  EXPECT_EQ(crowd.wait().status, TakeStatus::taken) << "those of threads that still run";
  EXPECT_EQ(crowd.wait().status, TakeStatus::closed);
}

TEST(Crowd, ACallWakesTheStarter) {
  Crowd crowd(1, 1);
  crowd.enter(kNothingWaits);
  std::thread starter(
      [&] { EXPECT_EQ(crowd.wait(steady_clock::now() + seconds(60)).status, TakeStatus::taken); });
  crowd.message_put(kOneWaits);
  starter.join();
}

// Rounds of a few more messages than there are workers, and workers that stay inside until all of a
// round is taken: if a single call is lost, the round never ends. The rest of it is taken by
// helpers, which play the on-demand threads; a starter lets them in, as
// stages/service/on_demand.cpp does.
class Rounds {
 public:
  Rounds(std::uint32_t workers, std::uint32_t most_threads, std::uint32_t rounds)
      : workers_(workers),
        most_threads_(most_threads),
        rounds_(rounds),
        per_round_(workers + most_threads + 2),
        memory_(WorkerQueue::bytes()),
        queue_(*WorkerQueue::create(memory_.get(), per_round_)),
        crowd_(workers, most_threads) {}

  void run() {
    std::vector<std::thread> workers, helpers, producers;
    for (std::uint32_t i = 0; i < workers_; ++i) workers.emplace_back([this] { work(); });
    for (std::uint32_t i = 0; i < most_threads_; ++i) helpers.emplace_back([this] { help(); });
    std::thread starter([this] { start(); });
    for (std::uint32_t i = 0; i < kProducers; ++i)
      producers.emplace_back([this, i] { produce(i); });
    for (std::thread& producer : producers) producer.join();
    queue_.close();
    for (std::thread& worker : workers) worker.join();
    crowd_.close();
    starter.join();
    helpers_in_.close();
    for (std::thread& helper : helpers) helper.join();
    EXPECT_FALSE(stuck_) << "a message was left waiting after " << taken_ << " of "
                         << rounds_ * per_round_;
    EXPECT_EQ(taken_, rounds_ * per_round_);
    EXPECT_LE(most_helping_, most_threads_);
    EXPECT_EQ(queue_.ready_guess(), 0u);
    EXPECT_EQ(crowd_.inside_guess(), 0u);
  }

 private:
  static constexpr std::uint32_t kProducers = 2;

  // Waits until so many are taken; gives up when nothing is taken for long.
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

  // Every second message of each round, one by one, together with the other producer.
  void produce(std::uint32_t first) {
    for (std::uint32_t round = 0; round < rounds_ && !stuck_; ++round) {
      for (std::uint32_t i = first; i < per_round_; i += kProducers) {
        const std::uint32_t message = round * per_round_ + i;
        ASSERT_EQ(queue_.reserve(1), 1u);
        queue_.put({&message, 1});
        crowd_.message_put(waiting_);
      }
      wait_until_taken((round + 1) * per_round_);
    }
  }

  void work() {
    while (queue_.wait().status == TakeStatus::taken) {
      crowd_.enter([this] {
        const std::uint32_t waiting = queue_.ready_guess();
        // If it looked before it was counted, a message could now come in unseen.
        std::this_thread::yield();
        return waiting;
      });
      const std::uint32_t round = queue_.pop().slot / per_round_;
      ++taken_;
      wait_until_taken((round + 1) * per_round_);
      crowd_.leave();
    }
  }

  void start() {
    while (crowd_.wait().status == TakeStatus::taken) {
      for (std::uint32_t ended = helpers_out_.try_take(most_threads_); ended > 0; --ended)
        crowd_.count_out();
      while (crowd_.wanted(waiting_) && queue_.try_claim()) {
        crowd_.count_in();
        helpers_in_.post(1);
      }
    }
  }

  void help() {
    while (helpers_in_.take(1).status == TakeStatus::taken) {
      const std::uint32_t now = ++helping_;
      if (now > most_helping_) most_helping_ = now;
      queue_.pop();
      ++taken_;
      --helping_;
      helpers_out_.post(1);
      crowd_.thread_ends();
    }
  }

  const std::function<std::uint32_t()> waiting_ = [this] { return queue_.ready_guess(); };
  const std::uint32_t workers_;
  const std::uint32_t most_threads_;
  const std::uint32_t rounds_;
  const std::uint32_t per_round_;
  ZeroedMemory memory_;
  WorkerQueue& queue_;
  Crowd crowd_;
  Semaphore helpers_in_;
  Semaphore helpers_out_;
  std::atomic<std::uint32_t> taken_{0};
  std::atomic<std::uint32_t> helping_{0};
  std::atomic<std::uint32_t> most_helping_{0};
  std::atomic<bool> stuck_{false};
};

TEST(CrowdStorm, NoCallIsLost) {
  for (const std::uint32_t workers : {1u, 2u, 3u})
    for (const std::uint32_t most_threads : {1u, 2u}) {
      SCOPED_TRACE(testing::Message() << workers << " workers, " << most_threads << " threads");
      Rounds(workers, most_threads, kThreadSanitizer ? 200 : 2'000).run();
      if (HasFailure()) return;
    }
}

}  // namespace
}  // namespace cpss
