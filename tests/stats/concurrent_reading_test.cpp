// H04: readers while a pipeline of three lanes counts at full speed.
#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "stats/ledger.h"
#include "stats/reader.h"
#include "tests/stats/sample_server.h"
#include "tests/support/sanitizers.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

// With a sanitizer beside other programs each takes milliseconds.
constexpr int kSnapshots = kSanitized ? 1'000 : 10'000;
constexpr std::uint64_t kSlots = 16, kBatch = 4;

// Three lanes joined by counters, as queues join real ones: a lane may take as many messages as the
// one before has handed on.
class CountingPipeline {
 public:
  explicit CountingPipeline(const std::string& path) : server_(options(path)) {
    server_.region.set_live();
    lanes_.emplace_back([this] { receive(); });
    lanes_.emplace_back([this] { serve(); });
    lanes_.emplace_back([this] { answer(); });
  }
  ~CountingPipeline() { stop(); }

  void heartbeat() { server_.region.heartbeat(); }
  void stop() {
    stopping_ = true;
    for (std::thread& lane : lanes_)
      if (lane.joinable()) lane.join();
  }

 private:
  static RegionOptions options(const std::string& path) {
    RegionOptions result = test::sample_options(path);
    result.slots = kSlots;
    result.max_inside = kSlots;
    return result;
  }

  void receive() {
    std::uint64_t taken_in = 0;
    while (!stopping_) {
      if (taken_in + kBatch - given_back_.load(std::memory_order_acquire) > kSlots) {
        std::this_thread::yield();
        continue;
      }
      server_.take_in(kBatch - 1);
      server_.receive.raise(Gauge::queue_high_water, taken_in % 100);
      taken_in += kBatch;
      server_.take_in(1);
      to_service_.store(taken_in, std::memory_order_release);
    }
    to_service_.store(taken_in | kLast, std::memory_order_release);
  }
  void serve() {
    each_batch(
        to_service_, [this](std::uint64_t n) { server_.serve(n); }, to_response_);
  }
  void answer() {
    each_batch(
        to_response_, [this](std::uint64_t n) { server_.answer(n); }, given_back_);
  }

  template <class Step>
  static void each_batch(const std::atomic<std::uint64_t>& from, Step step,
                         std::atomic<std::uint64_t>& to) {
    for (std::uint64_t done = 0;;) {
      const std::uint64_t ready = from.load(std::memory_order_acquire);
      const std::uint64_t count = ready & ~kLast;
      if (count > done) {
        step(count - done);
        done = count;
        to.store(done, std::memory_order_release);
      } else if ((ready & kLast) != 0) {
        to.store(done | kLast, std::memory_order_release);
        return;
      } else {
        std::this_thread::yield();
      }
    }
  }

  static constexpr std::uint64_t kLast = std::uint64_t{1} << 63;

  test::SampleServer server_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::uint64_t> to_service_ = 0, to_response_ = 0, given_back_ = 0;
  std::vector<std::thread> lanes_;
};

// All values that only grow.
std::vector<std::uint64_t> growing_values(const Snapshot& snapshot) {
  std::vector<std::uint64_t> result;
  for (const StageSnapshot& stage : snapshot.stages) {
    for (const auto& [name, value] : stage.counters) result.push_back(value);
    for (const auto& [name, value] : stage.gauges) result.push_back(value);
    for (const auto& [name, histogram] : stage.histograms) {
      result.push_back(histogram.count());
      result.push_back(histogram.max);
    }
  }
  for (const LaneSnapshot& lane : snapshot.receivers) result.push_back(lane.received);
  for (const ReasonCount& reason : snapshot.reasons) result.push_back(reason.count);
  return result;
}

std::uint64_t at(const Snapshot& snapshot, const char* stage, const char* counter) {
  return snapshot.stage(stage)->counter(counter);
}

void expect_possible(const Snapshot& snapshot) {
  // A later step in a message's life is never counted more often than an earlier one.
  ASSERT_GE(at(snapshot, "receive", "entered"), at(snapshot, "receive", "forwarded"));
  ASSERT_GE(at(snapshot, "receive", "forwarded"), at(snapshot, "service", "entered"));
  ASSERT_GE(at(snapshot, "service", "entered"), at(snapshot, "service", "forwarded"));
  ASSERT_GE(at(snapshot, "service", "forwarded"), at(snapshot, "response", "entered"));
  ASSERT_GE(at(snapshot, "response", "entered"), at(snapshot, "response", "completed"));
  ASSERT_EQ(snapshot.receivers[0].received, at(snapshot, "receive", "received"));
  const Ledger ledger = ledger_of(snapshot);
  ASSERT_GE(ledger.in_flight, 0);
  for (const Identity& bound : ledger.live) ASSERT_TRUE(bound.holds()) << format_identity(bound);
}

TEST(ConcurrentReadingTest, NoCounterGoesBackAndNoDifferenceIsNegative) {
  const TemporaryFolder folder;
  CountingPipeline pipeline(folder.file("stats"));
  RegionReader reader(folder.file("stats"));
  std::vector<std::uint64_t> before;
  for (int i = 0; i < kSnapshots; ++i) {
    pipeline.heartbeat();
    const Reading reading = reader.read();
    ASSERT_EQ(reading.state, RegionState::live) << reading.problem;
    const std::vector<std::uint64_t> now = growing_values(*reading.snapshot);
    if (i > 0) {
      ASSERT_TRUE(std::equal(now.begin(), now.end(), before.begin(), std::greater_equal<>()))
          << "a value went back in snapshot " << i;
    }
    before = now;
    expect_possible(*reading.snapshot);
    if (HasFatalFailure()) return;
  }
  pipeline.stop();
  const Ledger at_end = ledger_of(*reader.read().snapshot);
  EXPECT_GT(at_end.received, 1000u) << "the lanes have worked meanwhile";
  for (const Identity& identity : at_end.at_rest)
    EXPECT_TRUE(identity.holds()) << format_identity(identity);
}

}  // namespace
}  // namespace cpss
