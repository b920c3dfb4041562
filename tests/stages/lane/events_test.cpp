#include "stages/lane/events.h"

#include <cerrno>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace cpss {
namespace {

TEST(EventRing, GivesWhatWasReportedInOrder) {
  EventRing ring;
  ring.report(EventKind::receive_error, ECONNREFUSED);
  ring.report(EventKind::service_threw, 0, "no such row");
  Event event;
  ASSERT_TRUE(ring.take(event));
  EXPECT_EQ(event.kind, EventKind::receive_error);
  EXPECT_EQ(event.error, ECONNREFUSED);
  EXPECT_EQ(event.text_view(), "");
  ASSERT_TRUE(ring.take(event));
  EXPECT_EQ(event.kind, EventKind::service_threw);
  EXPECT_EQ(event.text_view(), "no such row");
  EXPECT_FALSE(ring.take(event));
  EXPECT_EQ(ring.dropped(), 0u);
}

TEST(EventRing, CutsLongTexts) {
  const std::string longest(sizeof Event::text - 1, 'x');
  EventRing ring;
  ring.report(EventKind::service_threw, 0, longest);
  ring.report(EventKind::service_threw, 0, longest + "y");
  Event event;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(ring.take(event));
    EXPECT_EQ(event.text_view(), longest);
  }
}

TEST(EventRing, CountsWhatDoesNotFit) {
  EventRing ring;
  for (int i = 0; i < 1000; ++i) ring.report(EventKind::send_error, i);
  Event event;
  int taken = 0;
  for (; ring.take(event); ++taken) EXPECT_EQ(event.error, taken);
  EXPECT_GT(taken, 0);
  EXPECT_EQ(static_cast<std::uint64_t>(taken) + ring.dropped(), 1000u);
}

TEST(EventRing, BetweenTwoThreadsNothingIsLostUncounted) {
  constexpr int kReports = 100'000;
  EventRing ring;
  std::thread lane([&] {
    for (int i = 0; i < kReports; ++i) ring.report(EventKind::send_error, i);
  });
  int last = -1;
  std::uint64_t taken = 0;
  const auto take_all = [&] {
    for (Event event; ring.take(event); ++taken) {
      ASSERT_GT(event.error, last);
      last = event.error;
    }
  };
  while (taken + ring.dropped() < kReports && last < kReports - 1) take_all();
  lane.join();
  take_all();
  EXPECT_EQ(taken + ring.dropped(), static_cast<std::uint64_t>(kReports));
}

}  // namespace
}  // namespace cpss
