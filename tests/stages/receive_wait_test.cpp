// Where a receive lane waits, over real sockets on loopback; one thread unless said otherwise.
#include "stages/receive_wait.h"

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net/udp_socket.h"
#include "stages/clock.h"
#include "tests/stages/books.h"
#include "tests/stages/rig.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;

class ReceiveWaitTest : public testing::Test {
 protected:
  static constexpr std::uint32_t kSlots = 2;
  static constexpr std::uint32_t kBatch = 4;

  ReceiveWaitTest() : ReceiveWaitTest(std::nullopt) {}
  explicit ReceiveWaitTest(const std::optional<Shedding::Wiring>& shedding)
      : step_({{&socket_}, store_, pool_, requests_, admission_, kBatch, 1, false, false, shedding},
              lane_, books_.open()) {
    place();
  }
  ~ReceiveWaitTest() override {
    place_.reset();
    close(slots_event_);
    close(stop_event_);
  }

  void place(LongestWait longest = {}) {
    place_ = std::make_unique<ReceiveWait>(
        ReceiveWait::Wiring{{&socket_}, pool_, kBatch, 1, stop_event_, longest}, step_);
  }
  // All slots are taken, and a datagram waits for one.
  void starve() {
    for (int i = 0; i < 3; ++i) send("x");
    ASSERT_TRUE(place_->wait());
    ASSERT_EQ(step_.run(), 2u);
    ASSERT_EQ(step_.run(), 0u);
    ASSERT_TRUE(step_.starved());
  }
  void send(std::string_view text) {
    const SocketAddress to = socket_.local_address();
    const OutgoingDatagram datagram{reinterpret_cast<const std::byte*>(text.data()), text.size(),
                                    &to, nullptr};
    ASSERT_EQ(client_.send({&datagram, 1}).accepted, 1u);
  }
  void stop() { NativePlatform::signal(stop_event_); }
  // Ends one message of the request queue and gives its slot back: what downstream does.
  void give_one_slot_back() {
    std::array<std::uint32_t, 1> slot{};
    ASSERT_EQ(SlotQueue::Consumer(requests_, 1).try_take(slot), 1u);
    ASSERT_EQ(store_.release(store_.message_in(slot[0])), Release::released);
    other_.give_back(slot);
  }

  int slots_event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int stop_event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  test::Books books_;
  Memory pool_memory_{SlotPool::bytes(kSlots)};
  Memory request_memory_{SlotQueue::bytes(kSlots)};
  SlotStore store_{kSlots, 64};
  SlotPool& pool_ = *SlotPool::create(pool_memory_.data(), kSlots, {{}, slots_event_});
  SlotQueue& requests_ = *SlotQueue::create(request_memory_.data(), kSlots);
  Admission admission_{test::open_admission()};
  LaneContext lane_{pool_, 2 * kBatch, 1};
  UdpSocket socket_{test::address("127.0.0.1", 0), {}};
  UdpSocket client_{test::address("127.0.0.1", 0), {}};
  ReceiveStep step_;
  SlotPool::SlotCache other_{pool_, 0, 1};
  std::unique_ptr<ReceiveWait> place_;
};

TEST_F(ReceiveWaitTest, EndsWhenADatagramIsThere) {
  send("x");
  EXPECT_TRUE(place_->wait());
  EXPECT_EQ(step_.run(), 1u);
}

TEST_F(ReceiveWaitTest, AfterTheStopTheSocketsAreEmptiedFirst) {
  send("a");
  stop();
  EXPECT_TRUE(place_->wait()) << "what is in the socket has to be taken first";
  EXPECT_EQ(step_.run(), 1u);
  send("b");  // came in before the lane looked again
  EXPECT_EQ(step_.run(), 1u);
  EXPECT_EQ(step_.run(), 0u);
}

TEST_F(ReceiveWaitTest, TheLaneEndsWhenARunAfterTheStopFoundNothing) {
  stop();
  ASSERT_TRUE(place_->wait());
  ASSERT_EQ(step_.run(), 0u);
  EXPECT_FALSE(place_->wait());
}

TEST_F(ReceiveWaitTest, WithoutAFreeSlotItWaitsForOneNotForTheSocket) {
  starve();
  std::uint64_t slept_ns = 0;
  std::thread downstream([&] {
    while (pool_.free_slots().waiters_guess() == 0) std::this_thread::yield();
    const std::uint64_t begin = now_ns();
    std::this_thread::sleep_for(5ms);
    slept_ns = now_ns() - begin;
    give_one_slot_back();
  });
  EXPECT_TRUE(place_->wait());
  downstream.join();
  EXPECT_EQ(step_.run(), 1u);
  EXPECT_EQ(books_.total(Counter::sem_waits), 1u);
  EXPECT_GE(books_.total(Counter::slot_wait_ns), slept_ns);
  EXPECT_EQ(books_.total(Counter::slot_wait_ns), books_.total(Counter::sem_wait_ns));
}

// Slots always come back, so a lane that is to stop still takes what the socket holds.
TEST_F(ReceiveWaitTest, AStopWhileItWaitsForASlotLosesNothing) {
  for (int i = 0; i < 3; ++i) send("x");
  stop();
  ASSERT_TRUE(place_->wait());
  ASSERT_EQ(step_.run(), 2u);
  ASSERT_EQ(step_.run(), 0u);
  give_one_slot_back();
  EXPECT_TRUE(place_->wait());
  EXPECT_EQ(step_.run(), 1u);
  ASSERT_EQ(step_.run(), 0u);
  give_one_slot_back();
  ASSERT_TRUE(place_->wait());
  ASSERT_EQ(step_.run(), 0u);
  EXPECT_FALSE(place_->wait());
}

// Nobody wakes it: no datagram comes, no slot comes back.
TEST_F(ReceiveWaitTest, EndsAtTheLatestAfterTheLongest) {
  place(20ms);
  for (const bool starved : {false, true}) {
    if (starved) starve();
    for (int i = 0; i < 3; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      EXPECT_TRUE(place_->wait()) << "the lane goes on";
      EXPECT_GE(std::chrono::steady_clock::now() - begin, 19ms) << "nobody woke it";
      EXPECT_EQ(step_.run(), 0u);
    }
  }
  EXPECT_EQ(books_.total(Counter::sem_waits), 3u) << "for slots";
  EXPECT_EQ(pool_.free_slots().waiters_guess(), 0u) << "it counts itself out";
}

// Signals whose slots other lanes are quicker to take must not begin the wait anew.
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
  EXPECT_TRUE(place_->wait());
  EXPECT_LT(signals, 5000) << "it waited until the signals ended";
  over = true;
  others.join();
}

// A forced end: what the socket holds is left to the kernel.
TEST_F(ReceiveWaitTest, AClosedPoolEndsTheLaneAtOnce) {
  starve();
  std::thread forced_end([&] {
    while (pool_.free_slots().waiters_guess() == 0) std::this_thread::yield();
    pool_.free_slots().close();
  });
  EXPECT_TRUE(place_->wait());
  forced_end.join();
  EXPECT_EQ(step_.run(), 0u);
  step_.before_wait();
  EXPECT_FALSE(place_->wait());
  EXPECT_EQ(books_.total(Counter::received), 2u);
}

// --- under the policy `shed` ---

class SheddingWaitTest : public ReceiveWaitTest {
 protected:
  SheddingWaitTest() : ReceiveWaitTest(Shedding::Wiring{service_, budget_, nullptr}) {}

  // Both slots are inside, and a third datagram has been shed.
  void shed_one() {
    for (int i = 0; i < 2; ++i) send("x");
    ASSERT_TRUE(place_->wait());
    ASSERT_EQ(step_.run(), 2u);
    send("x");
    ASSERT_EQ(step_.run(), 0u);
    ASSERT_TRUE(step_.starved());
    ASSERT_EQ(books_.total(Reason::shed_no_slot), 1u);
  }

  BusyBudget budget_{0};
  test::CallService service_{[](Message&) {}};
};

TEST_F(SheddingWaitTest, TheWaitForASlotEndsWithoutOne) {
  shed_one();
  const std::uint64_t begin = now_ns();
  EXPECT_TRUE(place_->wait());
  const std::uint64_t waited = now_ns() - begin;
  EXPECT_GE(waited, 900'000u);
  EXPECT_LT(waited, 2'000'000'000u);
  EXPECT_EQ(pool_.free_slots().waiters_guess(), 0u);
  EXPECT_GE(books_.total(Counter::slot_wait_ns), 900'000u);
  EXPECT_EQ(step_.run(), 0u);
  EXPECT_FALSE(step_.starved()) << "nothing is left to shed";
}

TEST_F(SheddingWaitTest, ASlotGivenBackEndsIt) {
  shed_one();
  give_one_slot_back();
  EXPECT_TRUE(place_->wait());
  send("x");
  EXPECT_EQ(step_.run(), 1u);
}

// One wake-up serves many datagrams, as long as most of them can only be shed.
TEST_F(SheddingWaitTest, ShortOfSlotsItLetsDatagramsGather) {
  shed_one();
  EXPECT_TRUE(place_->wait());
  EXPECT_EQ(step_.run(), 0u);
  ASSERT_FALSE(step_.starved());
  send("x");
  const std::uint64_t begin = now_ns();
  EXPECT_TRUE(place_->wait());
  EXPECT_GE(now_ns() - begin, 900'000u) << "the datagram was there already";
}

TEST_F(SheddingWaitTest, AStopEndsTheGathering) {
  shed_one();
  EXPECT_TRUE(place_->wait());
  EXPECT_EQ(step_.run(), 0u);
  stop();
  int waits = 0;
  while (place_->wait() && ++waits < 10) EXPECT_EQ(step_.run(), 0u);
  EXPECT_LT(waits, 10);
}

TEST_F(SheddingWaitTest, AStopWhileStarvedEmptiesTheSocketAndEndsTheLane) {
  shed_one();
  for (int i = 0; i < 50; ++i) send("x");
  stop();
  int waits = 0;
  do {
    while (step_.run() > 0) {
    }
    step_.before_wait();
  } while (place_->wait() && ++waits < 1000);
  EXPECT_LT(waits, 1000);
  EXPECT_EQ(books_.total(Counter::received), 53u);
  EXPECT_EQ(books_.total(Reason::shed_no_slot), 51u);
}

TEST_F(SheddingWaitTest, AClosedPoolEndsTheLaneAtOnce) {
  shed_one();
  send("x");
  pool_.free_slots().close();
  EXPECT_EQ(step_.run(), 0u);
  EXPECT_FALSE(place_->wait());
  EXPECT_EQ(books_.total(Counter::received), 3u);
  EXPECT_EQ(books_.in_flight(), 2u);
}

// Without a slot and without a datagram the lane sleeps.
TEST_F(SheddingWaitTest, AnIdleLaneDoesNotSpin) {
  shed_one();
  std::thread lane([&] {
    do {
      while (step_.run() > 0) {
      }
      step_.before_wait();
    } while (place_->wait());
  });
  std::this_thread::sleep_for(300ms);
  stop();
  lane.join();
  EXPECT_LT(books_.total(Counter::syscalls), 20u);
  EXPECT_LT(books_.total(Counter::sem_waits), 10u);
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST_F(ReceiveWaitTest, APortThatCannotBeWaitedForIsAnErrorAndLeaksNothing) {
  FakePort fake;
  const std::size_t before = open_descriptors();
  EXPECT_THROW(ReceiveWait({{&fake}, pool_, kBatch, 1, stop_event_}, step_), std::system_error);
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace cpss
