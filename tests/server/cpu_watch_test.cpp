#include "server/cpu_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cpss {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

class CpuWatchTest : public testing::Test {
 protected:
  // recv-0 and recv-1 on CPUs 2 and 3, svc-0 on all, work-0 on 1, and a place on 1.
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
  std::string look(const std::vector<unsigned>& usable) { return watch_.look(board_, usable); }
  std::vector<bool> in_trouble() {
    std::vector<bool> result;
    for (std::size_t lane = 0; lane < board_.lanes(); ++lane)
      result.push_back(board_.troubles(lane).look(Trouble::cpus).has_value());
    return result;
  }

  const Assignment assignment_ = assignment();
  Board board_{lane_names(assignment_), 0, 1, 1, Sharing::process_private};
  CpuWatch watch_{assignment_};
};

TEST_F(CpuWatchTest, AsLongAsOneIsLeftThereIsNothingToSay) {
  EXPECT_THAT(look({0, 1, 2, 3}), IsEmpty());
  EXPECT_THAT(look({1, 3}), IsEmpty());
  EXPECT_EQ(in_trouble(), std::vector<bool>(5, false));
}

TEST_F(CpuWatchTest, WhereNoneIsLeftItIsSaidOnceUntilItIsSoAgain) {
  EXPECT_THAT(look({0, 1}), AllOf(HasSubstr("recv-0 (given: 2,3) and 1 more: none of the CPUs"),
                                  HasSubstr("what is left is used: 0,1")));
  EXPECT_EQ(in_trouble(), (std::vector<bool>{true, true, false, false, false}));
  EXPECT_THAT(look({0, 1}), IsEmpty());
  EXPECT_THAT(look({0}), HasSubstr("work-0 (given: 1): none"));
  EXPECT_EQ(in_trouble(), (std::vector<bool>{true, true, false, true, false}));
  EXPECT_THAT(look({0, 1, 2}), IsEmpty());
  EXPECT_EQ(in_trouble(), std::vector<bool>(5, false)) << "they are back";
  EXPECT_THAT(look({0, 1}), HasSubstr("recv-0"));
}

// The process's own CPUs, asked once a second.
TEST_F(CpuWatchTest, AsksTheKernel) {
  Assignment nowhere;
  nowhere.lanes = {{.name = "recv-0", .steps = {StageId::receive}, .cpus = {1023}}};
  CpuWatch watch(nowhere);
  EXPECT_THAT(watch.look(board_, std::uint64_t{5}), HasSubstr("recv-0 (given: 1023)"));
  EXPECT_TRUE(board_.troubles(0).look(Trouble::cpus));
  EXPECT_THAT(watch_.look(board_, std::uint64_t{5}), testing::Not(HasSubstr("svc-0")));
}

}  // namespace
}  // namespace cpss
