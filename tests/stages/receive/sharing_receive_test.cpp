// How a lane receives that shares its work: what it runs itself, and what it puts where others can
// take it.
#include <array>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include "base/file_descriptor.h"
#include "stages/message/work_sharing.h"
#include "stages/receive/receive.h"
#include "tests/stages/rig.h"

namespace cpss {
namespace {

using test::CallService;
using test::Rig;
using testing::ElementsAre;
using testing::IsEmpty;

// Notes what it is given to run, and takes none of it.
class Refusing final : public InlineStep {
 public:
  std::span<const std::uint32_t> run_inline(std::span<const std::uint32_t> slots,
                                            std::uint64_t) noexcept override {
    given.push_back(slots.size());
    return slots;
  }
  std::size_t max_inline() const noexcept override { return InlineDispatch::kNoLimit; }

  std::vector<std::size_t> given;
};

// A lane that takes on ten messages at a time, in batches of 32.
class SharingReceiveTest : public testing::Test {
 protected:
  SharingReceiveTest() {
    service_.note(4'900, 1);
    awake_.note_awake(0);
  }

  ReceiveStep step(Rig& rig) {
    sharing_.emplace(WorkSharing::Wiring{rig.requests, attendance_, awake_, hop_, service_,
                                         response_, 50'000, 1, 2});
    return {{.sockets = {&rig.socket()},
             .store = rig.store,
             .pool = rig.pool,
             .requests = rig.requests,
             .access_control = access_control_,
             .batch = 32,
             .lanes = 1,
             .merged = true},
            rig.receive_lane,
            rig.ledger.open(),
            InlineDispatch({rig.requests, 1, service_, 0, false, true, &*sharing_}, behind_,
                           rig.receive_lane)};
  }

  CallService echo_{test::echo};
  FileDescriptor call_event_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)};
  Attendance attendance_{2, call_event_.get()};
  std::array<AwakeLanes::Word, 1> bits_{};
  AwakeLanes awake_{1, bits_};
  HopTime hop_;
  StepCost service_, response_;
  AccessControl access_control_{test::open_access()};
  Refusing behind_;
  std::optional<WorkSharing> sharing_;
};

TEST_F(SharingReceiveTest, ItTakesOnWhatItRunsAtOnce) {
  Rig rig(echo_, {.slots = 256});
  rig.deliver_numbers(100);
  ReceiveStep receive = step(rig);
  EXPECT_EQ(receive.run().moved, 10u);
  EXPECT_THAT(behind_.given, ElementsAre(10));
  EXPECT_EQ(rig.requests.ready_guess(), 10u);
}

// The kernel would drop what its buffer cannot hold.
TEST_F(SharingReceiveTest, ItEmptiesABufferThatFillsIntoTheQueue) {
  Rig rig(echo_, {.slots = 256});
  rig.deliver_numbers(100);
  rig.socket().set_receive_buffer(100);
  ReceiveStep receive = step(rig);
  EXPECT_EQ(receive.run().moved, 42u) << "ten, then batches until no more than 75 are left";
  EXPECT_THAT(behind_.given, ElementsAre(10));
  EXPECT_EQ(rig.requests.ready_guess(), 42u);
}

TEST_F(SharingReceiveTest, AsFarAsThereAreSlots) {
  Rig rig(echo_, {.slots = 16});
  rig.deliver_numbers(100);
  rig.socket().set_receive_buffer(100);
  ReceiveStep receive = step(rig);
  EXPECT_EQ(receive.run(), (RunResult{16, Next::again})) << "the lane itself may run some";
  EXPECT_EQ(receive.run(), (RunResult{0, Next::need_slot}));
}

TEST_F(SharingReceiveTest, WhatCameMergedIsQueuedBeforeAnyOfItIsRun) {
  Rig rig(echo_, {.slots = 256});
  rig.deliver_merged(std::string(90, 'x'), 1);
  ReceiveStep receive = step(rig);
  EXPECT_EQ(receive.run().moved, 90u);
  EXPECT_THAT(behind_.given, ElementsAre(10)) << "of the last batch";
  EXPECT_EQ(rig.requests.ready_guess(), 90u);
}

// Another lane was called since all that attend are held up inside the service.
TEST_F(SharingReceiveTest, WhileTheOthersAreHeldUpItRunsNothing) {
  Rig rig(echo_, {.slots = 256});
  rig.deliver_numbers(100);
  attendance_.set_held_up(true);
  ReceiveStep receive = step(rig);
  EXPECT_EQ(receive.run().moved, 32u);
  EXPECT_THAT(behind_.given, IsEmpty());
  attendance_.came_out();
  EXPECT_EQ(receive.run().moved, 10u);
}

}  // namespace
}  // namespace cpss
