#include "tools/udpblast/work_workload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cpss::udpblast {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(WorkWorkload, ClassesFollowFromTheProfile) {
  EXPECT_THAT(WorkWorkload(64, std::nullopt).classes(), IsEmpty());
  EXPECT_THAT(WorkWorkload(64, WorkProfile::parse("exp:50")).classes(), ElementsAre("all"));
  EXPECT_THAT(WorkWorkload(64, WorkProfile::parse("bimodal:10,5000,0.01")).classes(),
              ElementsAre("short", "long"));
  EXPECT_EQ(WorkWorkload(64, WorkProfile::parse("exp:50")).title(), "work exp:50;burn");
}

// The class is that of the message's own bytes, as the server reads them.
TEST(WorkWorkload, TheClassIsThatOfTheMessage) {
  const WorkProfile profile = WorkProfile::parse("bimodal:10,5000,0.3");
  const WorkWorkload work(64, profile);
  std::vector<std::byte> window(64);
  std::size_t long_ones = 0;
  for (std::uint64_t transaction = 0; transaction < 1'000; ++transaction) {
    work.build(0, transaction, window);
    const bool is_long = profile.is_long(WorkProfile::key_of(window));
    EXPECT_EQ(work.class_of(transaction), is_long ? 1u : 0u);
    long_ones += is_long ? 1 : 0;
  }
  EXPECT_GT(long_ones, 200u);
  EXPECT_LT(long_ones, 400u);
}

TEST(WorkWorkload, NeedsRoomForTheKey) {
  EXPECT_THROW(WorkWorkload(15, std::nullopt), WorkloadError);
  EXPECT_NO_THROW(WorkWorkload(16, std::nullopt));
}

}  // namespace
}  // namespace cpss::udpblast
