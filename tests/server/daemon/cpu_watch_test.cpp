#include "server/daemon/cpu_watch.h"

#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include "stages/lane/cpu_set.h"
#include "tests/support/threads.h"

namespace cpss {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

class CpuWatchTest : public testing::Test {
 protected:
  // recv-0 and recv-1 on CPUs 2 and 3, svc-0 on all, work-0 on 1, and the on-demand place demand-0
  // on 1.
  static Assignment assignment() {
    Assignment result;
    result.lanes = {
        {.name = "recv-0", .steps = {StageId::receive}, .cpus = {2, 3}},
        {.name = "recv-1", .steps = {StageId::receive}, .cpus = {2, 3}},
        {.name = "svc-0", .steps = {StageId::service}},
        {.name = "work-0", .steps = {StageId::worker}, .cpus = {1}},
        {.name = "demand-0", .steps = {StageId::on_demand}, .cpus = {1}, .transient = true}};
    return result;
  }
  std::string look(const std::vector<unsigned>& usable) { return watch_.look(scoreboard_, usable); }
  std::vector<bool> in_trouble() {
    std::vector<bool> result;
    for (std::size_t lane = 0; lane < scoreboard_.lanes(); ++lane)
      result.push_back(scoreboard_.troubles(lane).look(Trouble::cpus).has_value());
    return result;
  }

  const Assignment assignment_ = assignment();
  Scoreboard scoreboard_{lane_names(assignment_), 0, 1, 1, Sharing::process_private};
  CpuWatch watch_{assignment_};
};

TEST_F(CpuWatchTest, AsLongAsOneIsLeftThereIsNothingToSay) {
  EXPECT_THAT(look({0, 1, 2, 3}), IsEmpty());
  EXPECT_THAT(look({1, 3}), IsEmpty());
  EXPECT_EQ(in_trouble(), std::vector<bool>(5, false));
}

TEST_F(CpuWatchTest, WhereNoneIsLeftItIsSaidOnceUntilItIsSoAgain) {
  EXPECT_THAT(look({0, 1}), AllOf(HasSubstr("recv-0 (given: 2,3) and 1 more: none of the CPUs"),
                                  HasSubstr("these are used instead: 0,1")));
  EXPECT_EQ(in_trouble(), (std::vector<bool>{true, true, false, false, false}));
  EXPECT_THAT(look({0, 1}), IsEmpty());
  EXPECT_THAT(look({0}), HasSubstr("work-0 (given: 1): none"));
  EXPECT_EQ(in_trouble(), (std::vector<bool>{true, true, false, true, false}));
  EXPECT_THAT(look({0, 1, 2}), IsEmpty());
  EXPECT_EQ(in_trouble(), std::vector<bool>(5, false)) << "they are back";
  EXPECT_THAT(look({0, 1}), HasSubstr("recv-0"));
}

// It asks once a second for the CPUs of the thread that calls it, which this test changes.
TEST_F(CpuWatchTest, AsksTheKernelOnceASecond) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  const std::vector<unsigned> all = test::allowed_cpus();
  if (all.size() < 2) GTEST_SKIP() << "needs two CPUs";
  Assignment of_one;
  of_one.lanes = {{.name = "recv-0", .steps = {StageId::receive}, .cpus = {all[0]}}};
  CpuWatch watch(of_one);
  // On a thread of its own, so that the other tests keep their CPUs.
  std::jthread([&] {
    EXPECT_THAT(watch.look(scoreboard_, 5), IsEmpty());
    const CpuSet other(std::vector<unsigned>{all[1]});
    ASSERT_EQ(sched_setaffinity(0, other.bytes(), other.get()), 0);
    EXPECT_THAT(watch.look(scoreboard_, kSecond), IsEmpty()) << "it is not a second yet";
    EXPECT_THAT(watch.look(scoreboard_, kSecond + 5),
                HasSubstr("recv-0 (given: " + std::to_string(all[0]) + ")"));
    EXPECT_TRUE(scoreboard_.troubles(0).look(Trouble::cpus));
  }).join();
}

}  // namespace
}  // namespace cpss
