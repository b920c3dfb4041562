// Where a receive lane waits, over real sockets on loopback; on one thread if not said otherwise.
#include "stages/receive/receive_wait.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/udp_socket.h"
#include "tests/stages/full_socket.h"
#include "tests/stages/open_descriptors.h"
#include "tests/stages/receive/receive_wait_fixture.h"
#include "tests/stages/rig.h"
#include "tests/stages/stage_ledger.h"
#include "tests/stages/wait_meanwhile.h"
#include "tests/support/eventually.h"
#include "tests/support/failing_calls.h"
#include "tests/support/forwarding_socket.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using test::open_descriptors;

TEST_F(ReceiveWaitTest, EndsWhenADatagramIsThere) {
  send("x");
  EXPECT_TRUE(wait());
  EXPECT_EQ(run(), 1u);
}

TEST_F(ReceiveWaitTest, AfterTheStopTheSocketsAreEmptiedFirst) {
  send("a");
  stop();
  EXPECT_TRUE(wait()) << "what is in the socket has to be taken first";
  EXPECT_EQ(run(), 1u);
  send("b");  // came before the lane looked again
  EXPECT_EQ(run(), 1u);
  EXPECT_EQ(run(), 0u);
}

TEST_F(ReceiveWaitTest, TheLaneEndsWhenARunAfterTheStopFoundNothing) {
  stop();
  ASSERT_TRUE(wait());
  ASSERT_EQ(run(), 0u);
  EXPECT_FALSE(wait());
}

TEST_F(ReceiveWaitTest, WithoutAFreeSlotItWaitsForOneNotForTheSocket) {
  starve();
  std::uint64_t slept_ns = 0;
  std::thread downstream([&] {
    let_it_wait_for_a_slot();
    const std::uint64_t begin = monotonic_ns();
    std::this_thread::sleep_for(5ms);
    slept_ns = monotonic_ns() - begin;
    give_one_slot_back();
  });
  EXPECT_TRUE(wait());
  downstream.join();
  EXPECT_EQ(run(), 1u);
  EXPECT_EQ(ledger_.total(Counter::sem_waits), 1u);
  EXPECT_GE(ledger_.total(Counter::slot_wait_ns), slept_ns);
  EXPECT_EQ(ledger_.total(Counter::slot_wait_ns), ledger_.total(Counter::sem_wait_ns));
}

// Slots always come back, so a lane that is to stop still takes the datagrams that the socket
// holds.
TEST_F(ReceiveWaitTest, AStopWhileItWaitsForASlotLosesNothing) {
  for (int i = 0; i < 3; ++i) send("x");
  stop();
  ASSERT_TRUE(wait());
  ASSERT_EQ(run(), 2u);
  ASSERT_EQ(run(), 0u);
  give_one_slot_back();
  EXPECT_TRUE(wait());
  EXPECT_EQ(run(), 1u);
  ASSERT_EQ(run(), 0u);
  give_one_slot_back();
  ASSERT_TRUE(wait());
  ASSERT_EQ(run(), 0u);
  EXPECT_FALSE(wait());
}

// No event wakes the lane: no datagram comes, no slot comes back.
TEST_F(ReceiveWaitTest, EndsAtTheLatestAfterTheLongest) {
  place(20ms);
  for (const bool starved : {false, true}) {
    if (starved) starve();
    for (int i = 0; i < 3; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      EXPECT_TRUE(wait()) << "the lane goes on";
      EXPECT_GE(std::chrono::steady_clock::now() - begin, 19ms) << "nobody woke it";
      EXPECT_EQ(run(), 0u);
    }
  }
  EXPECT_EQ(ledger_.total(Counter::sem_waits), 3u) << "for slots";
  EXPECT_EQ(pool_->free_slots().waiters_guess(), 0u) << "it counts itself out";
}

// Signals for slots that other lanes take first must not begin the wait anew.
TEST_F(ReceiveWaitTest, SignalsThatBringNoSlotDoNotProlongIt) {
  place(20ms);
  starve();
  std::atomic<bool> over = false;
  std::atomic<int> signals = 0;
  std::thread others([&] {
    while (!over && ++signals < 5000) {
      NativePlatform::signal(slots_event_);
      std::this_thread::sleep_for(1ms);
    }
  });
  EXPECT_TRUE(wait());
  EXPECT_LT(signals, 5000) << "it waited until the signals ended";
  over = true;
  others.join();
}

// A forced end: the datagrams in the socket stay with the kernel.
TEST_F(ReceiveWaitTest, AClosedPoolEndsTheLaneAtOnce) {
  starve();
  std::thread forced_end([&] {
    let_it_wait_for_a_slot();
    pool_->free_slots().close();
  });
  EXPECT_TRUE(wait());
  forced_end.join();
  EXPECT_EQ(run(), 0u);
  step_.before_wait();
  EXPECT_FALSE(wait());
  EXPECT_EQ(ledger_.total(Counter::received), 2u);
}

// --- failures ---

// Each read fails with `error`; with 0 the inner socket reads.
class FailingSocket final : public ForwardingSocket {
 public:
  using ForwardingSocket::ForwardingSocket;
  ReceiveResult receive(std::span<const ReceiveBuffer> buffers,
                        std::span<Arrival> arrivals) noexcept override {
    ++calls;
    return error != 0 ? ReceiveResult{0, error} : ForwardingSocket::receive(buffers, arrivals);
  }

  std::atomic<int> error = ENOMEM;
  std::atomic<int> calls = 0;
};

class FailingReceiveWaitTest : public ReceiveWaitTest {
 protected:
  FailingReceiveWaitTest()
      : failing_(socket_),
        failing_step_(step_wiring({&failing_, &healthy_}), lane_, ledger_.open()),
        failing_place_({{&failing_, &healthy_}, pool_, kBatch, 1, stop_event_}, failing_step_) {}

  std::size_t run_failing() {
    last_ = failing_step_.run();
    return last_.moved;
  }
  bool wait_failing() { return failing_place_.wait(last()); }
  // Runs until the wait, or a forced end, ends the lane, as a lane does, and gives each message's
  // slot back.
  void run_lane() {
    do {
      while (run_failing() > 0) give_one_slot_back();
      ++rounds_;
    } while (!forced_end_ && wait_failing());
  }
  // The failing socket has a datagram, and has failed so often that its pause is a second long.
  void fail_often() {
    send("x");
    for (int i = 0; i < 12; ++i) {
      failing_step_.failing_sockets().end_pauses();
      ASSERT_EQ(run_failing(), 0u);
    }
    ASSERT_EQ(failing_.calls, 2 * 12);
  }

  UdpSocket healthy_{test::address("127.0.0.1", 0), {}};
  FailingSocket failing_;
  ReceiveStep failing_step_;
  ReceiveWait failing_place_;
  std::atomic<int> rounds_ = 0;
  std::atomic<bool> forced_end_ = false;
};

// The socket stays readable all the time.
TEST_F(FailingReceiveWaitTest, ASocketWhoseReadsFailDoesNotKeepTheLaneAwake) {
  send("x");
  std::thread lane([this] { run_lane(); });
  std::this_thread::sleep_for(500ms);
  // The pauses so far: 1, 2, 4 ... ms.
  EXPECT_LT(failing_.calls, 2 * 15);
  EXPECT_LT(rounds_, 40);
  send("y", healthy_.local_address());
  EXPECT_TRUE(eventually([this] { return ledger_.total(Counter::received) == 1; }))
      << "the other socket is still served";
  failing_.error = 0;
  EXPECT_TRUE(eventually([this] { return ledger_.total(Counter::received) == 2; }))
      << "it was tried again";
  stop();
  lane.join();
}

// What the stop brings must not wait for the end of the pause.
TEST_F(FailingReceiveWaitTest, AStopEndsThePauseAndASocketThatStillFailsTheLane) {
  fail_often();
  stop();
  EXPECT_TRUE(wait_failing());
  EXPECT_EQ(run_failing(), 0u);
  EXPECT_EQ(failing_.calls, 2 * 13) << "it is tried once more, at once";
  EXPECT_FALSE(wait_failing());
}

TEST_F(FailingReceiveWaitTest, AStopEndsThePauseAndASocketThatFailsNoMoreIsEmptied) {
  fail_often();
  stop();
  EXPECT_TRUE(wait_failing());
  failing_.error = 0;
  EXPECT_EQ(run_failing(), 1u);
  EXPECT_EQ(run_failing(), 0u);
  EXPECT_FALSE(wait_failing());
}

// The kernel refuses all waits of the thread, or only epoll's.
TEST_F(FailingReceiveWaitTest, ALaneThatMayNotWaitLooksInsteadAndDoesNotSpin) {
  failing_.error = 0;
  for (const bool all : {true, false}) {
    rounds_ = 0;
    forced_end_ = false;
    const std::uint64_t received = ledger_.total(Counter::received);
    const std::uint64_t errors = ledger_.total(Counter::wait_errors);
    std::thread lane([&] {
      std::vector<long> calls{SYS_epoll_wait, SYS_epoll_pwait};
      if (all) calls.insert(calls.end(), {SYS_poll, SYS_ppoll});
      test::let_calls_fail(calls, ENOMEM);
      run_lane();
    });
    const auto begin = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(300ms);
    const int rounds = rounds_;
    EXPECT_LT(rounds, test::milliseconds_since(begin) + 20) << "1 ms at least";
    EXPECT_TRUE(eventually([&] { return ledger_.total(Counter::wait_errors) > errors; }));
    EXPECT_TRUE(eventually([&] { return lane_.troubles.look(Trouble::wait).has_value(); }));
    send("x");
    EXPECT_TRUE(eventually([&] { return ledger_.total(Counter::received) == received + 1; }))
        << "it serves all the same";
    // A lane that cannot wait for anything does not see the stop, only a forced end.
    if (all)
      forced_end_ = true;
    else
      stop();
    lane.join();
  }
}

// --- under the policy `shed` ---

class SheddingWaitTest : public ReceiveWaitTest {
 protected:
  SheddingWaitTest() : ReceiveWaitTest(Shedding::Wiring{service_, budget_, nullptr}) {}

  // Both messages stay in their slots, and a third datagram has been shed.
  void shed_one() {
    for (int i = 0; i < 2; ++i) send("x");
    ASSERT_TRUE(wait());
    ASSERT_EQ(run(), 2u);
    send("x");
    ASSERT_EQ(run(), 0u);
    ASSERT_TRUE(starved());
    ASSERT_EQ(ledger_.total(Reason::shed_no_slot), 1u);
  }
  // Runs as a lane does until the wait ends it, or 1000 times. Returns how often it has waited.
  int run_lane() {
    int waits = 0;
    do {
      while (run() > 0) {
      }
      step_.before_wait();
    } while (wait() && ++waits < 1000);
    return waits;
  }

  BusyBudget budget_{0};
  test::CallService service_{[](Message&) {}};
};

TEST_F(SheddingWaitTest, TheWaitForASlotEndsWithoutOne) {
  shed_one();
  const std::uint64_t begin = monotonic_ns();
  EXPECT_TRUE(wait());
  const std::uint64_t waited = monotonic_ns() - begin;
  EXPECT_GE(waited, 900'000u);
  EXPECT_LT(waited, 2'000'000'000u);
  EXPECT_EQ(pool_->free_slots().waiters_guess(), 0u);
  EXPECT_GE(ledger_.total(Counter::slot_wait_ns), 900'000u);
  EXPECT_EQ(run(), 0u);
  EXPECT_FALSE(starved()) << "nothing is left to shed";
}

TEST_F(SheddingWaitTest, ASlotGivenBackEndsIt) {
  shed_one();
  give_one_slot_back();
  EXPECT_TRUE(wait());
  send("x");
  EXPECT_EQ(run(), 1u);
}

// One wake-up serves many datagrams, as long as most of them can only be shed.
TEST_F(SheddingWaitTest, ShortOfSlotsItLetsDatagramsGather) {
  shed_one();
  EXPECT_TRUE(wait());
  EXPECT_EQ(run(), 0u);
  ASSERT_FALSE(starved());
  send("x");
  const std::uint64_t begin = monotonic_ns();
  EXPECT_TRUE(wait());
  EXPECT_GE(monotonic_ns() - begin, 900'000u) << "the datagram was there already";
}

TEST_F(SheddingWaitTest, AGatheringThatIsRefusedIsCounted) {
  shed_one();
  std::thread([&] {
    test::let_calls_fail({SYS_ppoll}, ENOMEM);
    // If the thread is held up for long between two steps, the lane is not short of slots any more.
    for (int i = 0; i < 100 && ledger_.total(Counter::wait_errors) == 0; ++i) {
      EXPECT_TRUE(wait());
      while (run() > 0 || starved()) EXPECT_TRUE(wait());
      send("x");
      EXPECT_TRUE(wait());
      EXPECT_EQ(run(), 0u);
    }
  }).join();
  EXPECT_EQ(ledger_.total(Counter::wait_errors), 1u);
}

TEST_F(SheddingWaitTest, AStopEndsTheGathering) {
  shed_one();
  EXPECT_TRUE(wait());
  EXPECT_EQ(run(), 0u);
  stop();
  int waits = 0;
  while (wait() && ++waits < 10) EXPECT_EQ(run(), 0u);
  EXPECT_LT(waits, 10);
}

TEST_F(SheddingWaitTest, AStopWhileStarvedEmptiesTheSocketAndEndsTheLane) {
  shed_one();
  for (int i = 0; i < 50; ++i) send("x");
  stop();
  EXPECT_LT(run_lane(), 1000);
  EXPECT_EQ(ledger_.total(Counter::received), 53u);
  EXPECT_EQ(ledger_.total(Reason::shed_no_slot), 51u);
}

TEST_F(SheddingWaitTest, AClosedPoolEndsTheLaneAtOnce) {
  shed_one();
  send("x");
  pool_->free_slots().close();
  EXPECT_EQ(run(), 0u);
  EXPECT_FALSE(wait());
  EXPECT_EQ(ledger_.total(Counter::received), 3u);
  EXPECT_EQ(ledger_.in_flight(), 2u);
}

// Without a slot and without a datagram the lane sleeps.
TEST_F(SheddingWaitTest, AnIdleLaneDoesNotSpin) {
  shed_one();
  std::thread lane([this] { run_lane(); });
  std::this_thread::sleep_for(300ms);
  stop();
  lane.join();
  EXPECT_LT(ledger_.total(Counter::syscalls), 20u);
  EXPECT_LT(ledger_.total(Counter::sem_waits), 10u);
}

// --- a lane that also answers: it waits for replies, and for room to send ---

class AnsweringWaitTest : public ReceiveWaitTest {
 protected:
  AnsweringWaitTest() { place_answering(true); }
  ~AnsweringWaitTest() override {
    place_.reset();
    close(replies_event_);
  }

  void place_answering(bool others_hand_it_replies) {
    ReceiveWait::Wiring wiring = place_wiring();
    wiring.stop_reading = &leave_;
    wiring.all_received = &all_received_;
    if (others_hand_it_replies) wiring.queues.push_back({&consumer_, kBatch});
    place(wiring);
  }
  bool wait() {
    RunResult round = last();
    if (lacks_room_) round.add({0, Next::need_room, &full_});
    return place_->wait(round);
  }
  // wait(), while another thread calls `other` as soon as the lane counts as waiting for replies.
  bool wait_while(const std::function<void()>& other) {
    return wait_for([this] { return replies_->idle_guess(1); }, other);
  }
  template <class Ready, class Other>
  bool wait_for(const Ready& ready, const Other& other) {
    const auto let_it_sleep = [&] {
      while (!ready()) std::this_thread::yield();
      std::this_thread::sleep_for(2ms);  // the lane most likely sleeps by then; it need not
    };
    return test::wait_meanwhile([this] { return wait(); }, let_it_sleep, other);
  }
  void put_reply() { SlotQueue::Producer(replies_).put(std::array<std::uint32_t, 1>{0}); }
  std::size_t take_replies() {
    std::array<std::uint32_t, kSlots> slots{};
    return consumer_.try_take(slots);
  }
  // Room comes once the lane has said that it has received all; no reply waits after that.
  void make_room_after_the_last_datagram() {
    lacks_room_ = true;
    EXPECT_TRUE(wait_for([this] { return all_received_.value_guess() == 1; },
                         [this] { full_.make_room(); }));
    lacks_room_ = false;
  }
  void stop_and_find_nothing() {
    stop();
    ASSERT_TRUE(wait());
    ASSERT_EQ(run(), 0u);
  }

  int replies_event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  test::Own<SlotQueue> replies_{kSlots, WakeOptions{{}, replies_event_}};
  SlotQueue::Consumer consumer_{replies_, 1};
  test::FullSocket full_;
  bool lacks_room_ = false;  // replies wait for it
  Semaphore all_received_;
};

TEST_F(AnsweringWaitTest, AReplyThatIsThereEndsTheWaitAtOnce) {
  put_reply();
  EXPECT_TRUE(wait());
  EXPECT_EQ(take_replies(), 1u);
}

TEST_F(AnsweringWaitTest, ReplyAndDatagramWakeItOutOfOneSleep) {
  EXPECT_TRUE(wait_while([this] { put_reply(); }));
  EXPECT_EQ(take_replies(), 1u);
  EXPECT_TRUE(wait_while([this] { send("x"); }));
  EXPECT_EQ(run(), 1u);
  EXPECT_EQ(take_replies(), 0u);
}

TEST_F(AnsweringWaitTest, RoomWakesItAndSoDoTheOthersMeanwhile) {
  lacks_room_ = true;
  EXPECT_TRUE(wait_while([this] { put_reply(); }));
  EXPECT_EQ(take_replies(), 1u);
  EXPECT_TRUE(wait_while([this] { send("x"); }));
  EXPECT_EQ(run(), 1u);
  EXPECT_TRUE(wait_while([this] { full_.make_room(); }));
}

TEST_F(AnsweringWaitTest, WithoutASlotRepliesRoomAndSlotsWakeIt) {
  starve();
  EXPECT_TRUE(wait_while([this] { put_reply(); }));
  EXPECT_EQ(take_replies(), 1u);
  EXPECT_EQ(pool_->free_slots().waiters_guess(), 0u) << "it counts itself out";
  EXPECT_EQ(run(), 0u);
  ASSERT_TRUE(starved());

  lacks_room_ = true;
  EXPECT_TRUE(wait_while([this] { full_.make_room(); }));
  EXPECT_EQ(run(), 0u);
  ASSERT_TRUE(starved());
  lacks_room_ = false;

  EXPECT_TRUE(wait_while([this] { give_one_slot_back(); }));
  EXPECT_EQ(run(), 1u);
  EXPECT_EQ(pool_->free_slots().waiters_guess(), 0u);
}

// The lane itself holds all slots, and its replies have deadlines: no other lane ends this wait.
TEST_F(AnsweringWaitTest, WithoutASlotItStillLooksAfterItsRepliesThatFindNoRoom) {
  lacks_room_ = true;
  for (const bool others_hand_it_replies : {true, false}) {
    place_answering(others_hand_it_replies);
    if (!starved()) starve();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(wait());
    EXPECT_EQ(pool_->free_slots().waiters_guess(), 0u) << "it counts itself out";
    EXPECT_TRUE(starved());
  }
}

TEST_F(AnsweringWaitTest, AReplyIsNoLostRace) {
  EXPECT_TRUE(wait_while([this] { put_reply(); }));
  EXPECT_EQ(run(), 0u);
  EXPECT_EQ(ledger_.total(Counter::lost_races), 0u);
}

TEST_F(AnsweringWaitTest, AfterTheLastDatagramItGoesOnUntilTheRepliesEnd) {
  stop_and_find_nothing();
  EXPECT_EQ(all_received_.value_guess(), 0u) << "that is not known before the lane waits again";
  EXPECT_TRUE(wait_while([this] { put_reply(); }));
  EXPECT_EQ(all_received_.value_guess(), 1u);
  EXPECT_EQ(take_replies(), 1u);
  EXPECT_TRUE(wait_while([this] { put_reply(); }));
  EXPECT_EQ(take_replies(), 1u);
  EXPECT_TRUE(wait_while([this] { replies_->close(); })) << "to look once more";
  EXPECT_FALSE(wait());
  EXPECT_EQ(all_received_.value_guess(), 1u) << "said once";
}

TEST_F(AnsweringWaitTest, WhatTheClosedQueueStillHoldsComesFirst) {
  put_reply();
  replies_->close();
  stop();
  EXPECT_TRUE(wait());
  EXPECT_EQ(take_replies(), 1u);
  while (!starved() && run() > 0) {
  }
  int waits = 0;
  while (wait() && ++waits < 10) run();
  EXPECT_LT(waits, 3);
}

TEST_F(AnsweringWaitTest, ItDoesNotEndBeforeItsRepliesHaveGone) {
  stop_and_find_nothing();
  replies_->close();
  make_room_after_the_last_datagram();
  EXPECT_FALSE(wait());
  EXPECT_EQ(all_received_.value_guess(), 1u);
}

// No other lane hands it replies: the models whose lanes run all steps.
TEST_F(AnsweringWaitTest, WithoutRepliesOfOthersItEndsWhenItsOwnHaveGone) {
  place_answering(false);
  stop_and_find_nothing();
  make_room_after_the_last_datagram();
  EXPECT_FALSE(wait());
}

TEST_F(AnsweringWaitTest, AClosedPoolEndsItWhateverElseItCouldWaitFor) {
  lacks_room_ = true;
  pool_->free_slots().close();
  EXPECT_FALSE(wait());
  EXPECT_EQ(all_received_.value_guess(), 1u) << "who waits for that goes on";
  EXPECT_FALSE(wait());
  EXPECT_EQ(all_received_.value_guess(), 1u);
}

// Main closes the request queue then, so a later datagram would find no lane to process it.
TEST_F(AnsweringWaitTest, WhatComesAfterItHasSaidThatItIsTheLastIsNotRead) {
  stop_and_find_nothing();
  EXPECT_TRUE(wait_while([this] { put_reply(); }));
  ASSERT_EQ(all_received_.value_guess(), 1u);
  send("x");
  EXPECT_EQ(run(), 0u);
  EXPECT_EQ(ledger_.total(Counter::received), 0u);
}

// --- the datagrams in the socket are for the next server ---

TEST_F(AnsweringWaitTest, AfterTheSignASocketThatStaysReadableIsNoReasonToWakeUp) {
  for (int i = 0; i < 5; ++i) send("x");
  leave_.give();
  stop();
  EXPECT_TRUE(wait_while([this] { put_reply(); })) << "not for the socket, nor for the stop";
  EXPECT_EQ(take_replies(), 1u);
  EXPECT_EQ(all_received_.value_guess(), 1u);
  lacks_room_ = true;
  EXPECT_TRUE(wait_while([this] { full_.make_room(); }));
  lacks_room_ = false;
  EXPECT_TRUE(wait_while([this] { replies_->close(); }));
  EXPECT_FALSE(wait());
  EXPECT_EQ(ledger_.total(Counter::received), 0u);
}

TEST_F(AnsweringWaitTest, AfterTheSignALaneWithNothingElseToWaitForEnds) {
  place_answering(false);
  for (int i = 0; i < 5; ++i) send("x");
  leave_.give();
  stop();
  EXPECT_EQ(run(), 0u);
  EXPECT_FALSE(wait());
  EXPECT_EQ(ledger_.total(Counter::received), 0u);
  EXPECT_EQ(ledger_.total(Counter::wait_calls), 0u);
}

TEST_F(AnsweringWaitTest, TheSignReachesALaneThatSleeps) {
  place_answering(false);
  std::thread main([&] {
    std::this_thread::sleep_for(2ms);  // the lane most likely sleeps by then; it need not
    leave_.give();
    stop();
  });
  bool goes_on = wait();
  main.join();
  if (goes_on) goes_on = wait();
  EXPECT_FALSE(goes_on);
}

// --- races between lanes ---

TEST_F(ReceiveWaitTest, ARaceIsLostByWhoIsWokenForADatagramThatAnotherLaneTakes) {
  send("x");
  ASSERT_TRUE(wait());
  std::array<std::byte, 64> bytes{};
  const ReceiveBuffer buffer{bytes.data(), bytes.size()};
  Arrival arrival;
  ASSERT_EQ(socket_.receive({&buffer, 1}, {&arrival, 1}).filled, 1u);
  EXPECT_EQ(run(), 0u);
  EXPECT_EQ(ledger_.total(Counter::lost_races), 1u);

  send("x");
  ASSERT_TRUE(wait());
  EXPECT_EQ(run(), 1u);
  EXPECT_EQ(run(), 0u);
  EXPECT_EQ(ledger_.total(Counter::lost_races), 1u) << "this one it has won";

  stop();
  ASSERT_TRUE(wait());
  EXPECT_EQ(run(), 0u);
  EXPECT_EQ(ledger_.total(Counter::lost_races), 1u) << "woken to stop";
}

// The events that each epoll of this process watches at a descriptor, as the kernel shows them
// (proc(5)).
std::vector<std::uint32_t> watched_events(int descriptor) {
  std::vector<std::uint32_t> result;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      int target = -1;
      unsigned events = 0;
      if (std::sscanf(line.c_str(), "tfd: %d events: %x", &target, &events) == 2 &&
          target == descriptor)
        result.push_back(events);
    }
  }
  return result;
}

TEST_F(ReceiveWaitTest, WhetherADatagramWakesOneLaneOrAllIsAsWired) {
  for (const bool exclusive : {true, false}) {
    ReceiveWait::Wiring wiring = place_wiring();
    wiring.exclusive = exclusive;
    place(wiring);
    const std::vector<std::uint32_t> events = watched_events(socket_.descriptor());
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ((events[0] & EPOLLEXCLUSIVE) != 0, exclusive);
    const std::vector<std::uint32_t> stop_events = watched_events(stop_event_);
    ASSERT_EQ(stop_events.size(), 1u);
    EXPECT_EQ(stop_events[0] & EPOLLEXCLUSIVE, 0u) << "all lanes have to stop";
  }
}

TEST_F(ReceiveWaitTest, ASocketThatCannotBeWaitedForIsAnErrorAndLeaksNothing) {
  FakeSocket fake;
  const std::size_t before = open_descriptors();
  EXPECT_THROW(ReceiveWait({{&fake}, pool_, kBatch, 1, stop_event_}, step_), std::system_error);
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace cpss
