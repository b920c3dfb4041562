#include "stages/message/send_room.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/stages/busy_service.h"
#include "tests/stages/known_peers.h"
#include "tests/stages/rig.h"

namespace cpss {
namespace {

using test::address;

TEST(SendPressure, RisesFromAQuarterAndFallsBelowAnEighth) {
  SendPressure pressure;
  pressure.look({24, 100});
  EXPECT_FALSE(pressure.on());
  pressure.look({25, 100});
  EXPECT_TRUE(pressure.on());
  pressure.look({13, 100});
  EXPECT_TRUE(pressure.on()) << "in between it stays";
  pressure.look({11, 100});
  EXPECT_FALSE(pressure.on());
  pressure.look({13, 100});
  EXPECT_FALSE(pressure.on());
  pressure.rise();
  EXPECT_TRUE(pressure.on());
}

TEST(SendPressure, WhatIsNotKnownIsNone) {
  SendPressure pressure;
  pressure.rise();
  pressure.look({});
  EXPECT_FALSE(pressure.on());
}

class SendRoomTest : public testing::Test, protected test::KnownPeers {
 protected:
  static constexpr std::size_t kSize = 100'000;

  // Whether it admits a reply of one byte to the peer while `taken` bytes of the buffer are used.
  bool admits(const SocketAddress& peer, std::size_t taken, std::uint64_t now = monotonic_ns()) {
    socket_.set_send_buffer_use({taken, kSize});
    room_.begin(1, socket_, now);
    return room_.admits(peer, 1);
  }
  // How many replies of `bytes` bytes it admits in a row.
  int admitted(const SocketAddress& peer, std::size_t taken, std::size_t bytes) {
    socket_.set_send_buffer_use({taken, kSize});
    room_.begin(1, socket_, monotonic_ns());
    int count = 0;
    while (count < 1000 && room_.admits(peer, bytes)) ++count;
    return count;
  }

  const SocketAddress behind_a_gateway_ = address("198.51.100.1", 7);
  FakeSocket socket_;
  SendRoom room_{&outlook_};
};

TEST_F(SendRoomTest, WithoutPressureEverybodyMayAndNobodyAsks) {
  pressure_[0].rise();  // another socket's
  EXPECT_TRUE(admits(silent_, kSize));
  EXPECT_EQ(socket_.counts().use_calls, 0u);
}

TEST_F(SendRoomTest, UnderPressureEachHasAShare) {
  pressure_[1].rise();
  const auto who = [this](std::size_t taken) {
    std::string may;
    if (admits(silent_, taken)) may += 's';
    if (admits(unknown_, taken)) may += 'u';
    if (admits(open_, taken)) may += 'o';
    if (admits(behind_a_gateway_, taken)) may += 'g';
    return may;
  };
  EXPECT_EQ(who(0), "suog");
  EXPECT_EQ(who(kSize / 2 - 1), "suog");
  EXPECT_EQ(who(kSize / 2), "uog");
  EXPECT_EQ(who(kSize / 4 * 3 - 1), "uog");
  EXPECT_EQ(who(kSize / 4 * 3), "og");
  EXPECT_EQ(who(2 * kSize), "og") << "the kernel says when there is no room";
}

TEST_F(SendRoomTest, WhatIsAdmittedCountsAsTaken) {
  pressure_[1].rise();
  EXPECT_EQ(admitted(silent_, 0, 488), 25) << "50,000 by 2,000 each";
  EXPECT_EQ(admitted(unknown_, 0, 488), 38) << "75,000";
  EXPECT_EQ(admitted(open_, 0, 488), 1000) << "what leaves at once takes nothing";
}

TEST_F(SendRoomTest, WhereNothingIsKnownEverybodyMay) {
  pressure_[1].rise();
  EXPECT_TRUE(
      admits(silent_, kSize, monotonic_ns() + kAhead + 2 * std::uint64_t{ReachMap::kValid.count()}))
      << "out of date";
  socket_.set_send_buffer_use({});
  room_.begin(1, socket_, monotonic_ns());
  EXPECT_TRUE(room_.admits(silent_, 1)) << "a socket that cannot tell";
  SendRoom without(nullptr);
  without.begin(1, socket_, monotonic_ns());
  EXPECT_TRUE(without.admits(silent_, 1));
  without.found_full(1);
}

TEST_F(SendRoomTest, AFullSocketRaisesItsPressure) {
  room_.found_full(1);
  EXPECT_FALSE(pressure_[0].on());
  EXPECT_TRUE(pressure_[1].on());
}

// --- the same for the busy replies of receive lanes ---

class BusyReplyRoomTest : public SendRoomTest {
 protected:
  BusyReplyRoomTest()
      : rig_(
            busy_,
            {.slots = 1, .batch = 8, .sockets = 2, .busy_rate = 10'000'000, .outlook = &outlook_}) {
    rig_.deliver("first", open_, 1);
    EXPECT_EQ(rig_.receive.run().moved, 1u);  // it has the slot
  }
  void shed(const SocketAddress& peer, const char* text) {
    rig_.deliver(text, peer, 1);
    EXPECT_EQ(rig_.receive.run().moved, 0u);
    rig_.expect_ledger();
  }

  test::BusyService busy_;
  test::Rig rig_;
};

TEST_F(BusyReplyRoomTest, UnderPressureNoneGoesToASilentPeer) {
  pressure_[1].rise();
  rig_.socket(1).set_send_buffer_use({60, 100});
  shed(silent_, "bb");
  shed(open_, "bbb");
  EXPECT_THAT(rig_.replies(1), testing::ElementsAre("BBB"));
  EXPECT_EQ(rig_.total(Reason::shed_no_slot), 2u);
  EXPECT_EQ(rig_.total(Counter::busy_replies), 1u);
}

TEST_F(BusyReplyRoomTest, WithoutABusyReplyNobodyAsks) {
  pressure_[1].rise();
  shed(open_, "no");
  EXPECT_EQ(rig_.total(Reason::shed_no_slot), 1u);
  EXPECT_EQ(rig_.socket(1).counts().use_calls, 0u);
}

TEST_F(BusyReplyRoomTest, WithoutPressureAllAreSentAndAFullSocketRaisesIt) {
  shed(silent_, "bb");
  EXPECT_THAT(rig_.replies(1), testing::ElementsAre("BB"));
  EXPECT_FALSE(pressure_[1].on());
  rig_.socket(1).fail_sends(EAGAIN);
  shed(silent_, "bb");
  EXPECT_TRUE(pressure_[1].on());
  EXPECT_FALSE(pressure_[0].on());
}

}  // namespace
}  // namespace cpss
