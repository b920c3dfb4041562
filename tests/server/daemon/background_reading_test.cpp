#include "server/daemon/background_reading.h"

#include <atomic>
#include <cerrno>
#include <memory>
#include <new>
#include <string>
#include <system_error>

#include <gtest/gtest.h>

#include "queue/semaphore.h"
#include "tests/support/eventually.h"
#include "tests/support/failing_calls.h"

namespace cpss {
namespace {

template <typename Value>
bool soon_collected(BackgroundReading<Value>& reading) {
  return eventually([&] { return reading.collect(); });
}

TEST(BackgroundReadingTest, BringsWhatWasRead) {
  int number = 0;  // only the reading's thread uses it while a reading is under way
  BackgroundReading<std::string> reading("test", [&] { return std::to_string(++number); });
  EXPECT_FALSE(reading.under_way());
  EXPECT_FALSE(reading.collect());
  for (const char* expected : {"1", "2", "3"}) {
    ASSERT_EQ(reading.begin(), 0);
    EXPECT_TRUE(reading.under_way());
    ASSERT_TRUE(soon_collected(reading));
    EXPECT_FALSE(reading.under_way());
    EXPECT_EQ(reading.error(), 0);
    EXPECT_EQ(reading.value(), expected);
    EXPECT_FALSE(reading.collect());
  }
}

TEST(BackgroundReadingTest, SaysWhyThereIsNothing) {
  int number = 0;
  BackgroundReading<int> reading("test", [&]() -> int {
    if (number == 0) throw std::system_error(++number, std::generic_category());
    if (number++ == 1) throw std::bad_alloc();
    return number;
  });
  for (const int expected : {1, ENOMEM, 0}) {
    ASSERT_EQ(reading.begin(), 0);
    ASSERT_TRUE(soon_collected(reading));
    EXPECT_EQ(reading.error(), expected);
  }
  EXPECT_EQ(reading.value(), 3);
}

// A reading that stands still delays neither the thread that begins it nor the one that destroys
// it.
TEST(BackgroundReadingTest, NobodyWaitsForIt) {
  struct Gate {
    Semaphore open;
    std::atomic<bool> passed{false};
  };
  const auto gate = std::make_shared<Gate>();
  {
    BackgroundReading<int> reading("test", [gate] {
      gate->open.take(1);
      gate->passed = true;
      return 1;
    });
    ASSERT_EQ(reading.begin(), 0);
    EXPECT_FALSE(reading.collect());
    EXPECT_TRUE(reading.under_way());
  }
  EXPECT_FALSE(gate->passed);
  gate->open.post(1);
  EXPECT_TRUE(eventually([&] { return gate->passed.load(); }));
}

TEST(BackgroundReadingTest, WithoutAThreadItIsTriedAgain) {
  BackgroundReading<int> reading("test", [] { return 1; });
  test::without_new_threads([&] {
    EXPECT_EQ(reading.begin(), EAGAIN);
    EXPECT_FALSE(reading.under_way());
  });
  EXPECT_EQ(reading.begin(), 0);
  EXPECT_TRUE(soon_collected(reading));
}

}  // namespace
}  // namespace cpss
