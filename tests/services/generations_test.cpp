#include "services/generations.h"

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace cpss {
namespace {

std::atomic<int> alive{0};

// Wrong from its end on.
class Counted {
 public:
  explicit Counted(int value) : values_{value, value, value, value} { ++alive; }
  Counted(Counted&& other) noexcept : values_(other.values_) { ++alive; }
  ~Counted() {
    for (volatile int& value : values_) value = -1;
    --alive;
  }
  Counted& operator=(Counted&&) = delete;

  int value() const {
    for (const int value : values_)
      if (value != values_[0]) return -1;
    return values_[0];
  }

 private:
  std::array<int, 4> values_;
};

using Data = Generations<Counted>;

TEST(Generations, ALaneReadsTheNewestFromItsNextBatchOn) {
  Data data(Counted(1));
  Data::Reader lane(data);
  EXPECT_EQ(lane.enter().value(), 1);
  data.publish(Counted(2));
  EXPECT_EQ(data.number(), 2u);
  EXPECT_EQ(data.current().value(), 2);
  lane.leave();
  EXPECT_EQ(lane.enter().value(), 2);
  lane.leave();
}

TEST(Generations, WhatALaneReadsIsNotFreed) {
  Data data(Counted(1));
  Data::Reader idle(data), busy(data);
  const Counted& old = busy.enter();
  data.publish(Counted(2));
  data.publish(Counted(3));
  EXPECT_EQ(data.reclaim(), 1u) << "nobody reads the second";
  EXPECT_EQ(alive, 2);
  EXPECT_EQ(old.value(), 1);
  EXPECT_EQ(data.keeper(), 1u);
  busy.leave();
  EXPECT_EQ(data.keeper(), std::nullopt);
  EXPECT_EQ(data.reclaim(), 0u);
  EXPECT_EQ(alive, 1);
}

TEST(Generations, AllAreFreedInTheEnd) {
  {
    Data data(Counted(1));
    data.publish(Counted(2));
    EXPECT_EQ(alive, 2);
  }
  EXPECT_EQ(alive, 0);
}

// Lanes that read as fast as they can, and publications as fast as they can be.
TEST(Generations, NoLaneReadsWhatIsFreedNorAnOlderOneThanBefore) {
  constexpr int kPublications = 20'000;
  Data data(Counted(0));
  std::array<Data::Reader, 3> lanes{Data::Reader(data), Data::Reader(data), Data::Reader(data)};
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (Data::Reader& lane : lanes)
    threads.emplace_back([&] {
      int last = 0;
      while (!stop) {
        const int first = lane.enter().value();
        if (first < last) ++wrong;
        last = first;
        lane.leave();
      }
    });
  std::size_t max = 0;
  for (int i = 1; i <= kPublications; ++i) {
    data.publish(Counted(i));
    max = std::max(max, data.reclaim());
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(max, lanes.size());
  EXPECT_EQ(data.reclaim(), 0u);
  EXPECT_EQ(alive, 1);
}

}  // namespace
}  // namespace cpss
