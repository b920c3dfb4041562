// The steps service and deferred of a lane that shares its work with others.
#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include "base/file_descriptor.h"
#include "stages/lane/attendance.h"
#include "stages/lane/hop_time.h"
#include "stages/message/work_sharing.h"
#include "stages/service/deferred.h"
#include "tests/stages/rig.h"

namespace cpss {
namespace {

using test::CallService;
using test::Own;
using test::Rig;

// The lane is one of two, on one CPU.
class SharingServiceTest : public testing::Test {
 protected:
  static ServiceStep::Wiring wiring(SharingServiceTest& self) {
    ServiceStep::Wiring wiring{self.service_,
                               self.rig_.store,
                               self.rig_.requests,
                               self.rig_.responses,
                               self.rig_.service_cost,
                               32,
                               1};
    wiring.sharing = &self.sharing_;
    wiring.deferred = &static_cast<SlotQueue&>(self.deferred_);
    return wiring;
  }
  // Requests that the lane does not have yet.
  void queue_requests(int count) {
    rig_.deliver_numbers(count);
    while (rig_.receive.run().moved > 0) {
    }
    ASSERT_EQ(rig_.requests.ready_guess(), static_cast<std::uint32_t>(count));
  }
  // As where the lane waits does, once it was woken.
  void set_aside(std::uint32_t count) {
    step_.input().consumer().begin_wait();
    ASSERT_EQ(step_.input().consumer().poll_wait(count).tokens, count);
  }

  CallService service_{[](Message& message) {
                         if (message.request()[0] == std::byte{'d'})
                           message.defer();
                         else
                           test::echo(message);
                       },
                       test::echo};
  Rig rig_{service_};
  FileDescriptor call_event_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)};
  Attendance attendance_{2, call_event_.get()};
  std::array<AwakeLanes::Word, 1> bits_{};
  AwakeLanes awake_{1, bits_};
  HopTime hop_;
  WorkSharing sharing_{{rig_.requests, attendance_, awake_, hop_, rig_.service_cost,
                        rig_.response_cost, 50'000, 1, 2}};
  Own<SlotQueue> deferred_{64, WakeOptions{{}, -1}};
  ServiceStep step_{wiring(*this), rig_.service_lane, rig_.ledger.open()};
  DeferredStep deferred_step_{
      {{service_, rig_.store, rig_.responses}, deferred_, attendance_, awake_, 0},
      rig_.response_lane,
      rig_.ledger.open(),
      InlineDispatch({rig_.responses, 1, rig_.response_cost, 0, true, true}, rig_.response,
                     rig_.response_lane)};
};

// Nobody else sees them: the lane must not enter another message with some of them in its hand, nor
// process them one by one.
TEST_F(SharingServiceTest, AllThatAWaitHasSetAsideIsOneBatch) {
  queue_requests(10);
  set_aside(10);
  EXPECT_EQ(step_.run().moved, 10u);
  EXPECT_TRUE(rig_.settle());
  EXPECT_EQ(rig_.total(Reason::answered), 10u);
  rig_.expect_at_rest();
}

TEST_F(SharingServiceTest, WhileAllOthersAreHeldUpItGivesBackWhatAWaitHasSetAside) {
  queue_requests(10);
  set_aside(10);
  attendance_.set_held_up(true);
  EXPECT_EQ(step_.run().moved, 0u);
  EXPECT_EQ(rig_.requests.ready_guess(), 10u);
  attendance_.set_held_up(false);
  EXPECT_TRUE(rig_.settle());
  rig_.expect_at_rest();
}

// There nobody else may look for them while this lane is inside the message.
TEST_F(SharingServiceTest, RepliesThatLieInTheQueueComeBeforeADeferredMessage) {
  rig_.deliver("deferred");
  rig_.deliver("reply");
  while (rig_.receive.run().moved > 0) {
  }
  while (step_.run().moved > 0) {
  }
  ASSERT_EQ(deferred_->ready_guess(), 1u);
  ASSERT_EQ(rig_.responses.ready_guess(), 1u);
  EXPECT_EQ(deferred_step_.run().moved, 0u);
  EXPECT_EQ(rig_.response.run().moved, 1u);
  EXPECT_EQ(deferred_step_.run().moved, 1u);
  EXPECT_TRUE(rig_.settle());
  EXPECT_EQ(rig_.total(Reason::answered), 2u);
  rig_.expect_at_rest();
}

}  // namespace
}  // namespace cpss
