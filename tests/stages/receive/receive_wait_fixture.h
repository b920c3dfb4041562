// A receive lane's step and wait place over real sockets on loopback, on one thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net/udp_socket.h"
#include "stages/receive/receive_wait.h"
#include "tests/stages/own.h"
#include "tests/stages/rig.h"
#include "tests/stages/stage_ledger.h"

namespace cpss {

class ReceiveWaitTest : public testing::Test {
 protected:
  static constexpr std::uint32_t kSlots = 2;
  static constexpr std::uint32_t kBatch = 4;

  ReceiveWaitTest() : ReceiveWaitTest(std::nullopt) {}
  explicit ReceiveWaitTest(const std::optional<Shedding::Wiring>& shedding)
      : step_(step_wiring({&socket_}, &leave_, shedding), lane_, ledger_.open()) {
    place(place_wiring());
  }
  ~ReceiveWaitTest() override {
    place_.reset();
    close(slots_event_);
    close(stop_event_);
  }

  ReceiveStep::Wiring step_wiring(std::vector<DatagramSocket*> sockets,
                                  const StopReading* stop_reading = nullptr,
                                  const std::optional<Shedding::Wiring>& shedding = {}) {
    return {.sockets = std::move(sockets),
            .store = store_,
            .pool = pool_,
            .requests = requests_,
            .access_control = access_control_,
            .batch = kBatch,
            .lanes = 1,
            .shedding = shedding,
            .stop_reading = stop_reading};
  }
  ReceiveWait::Wiring place_wiring() { return {{&socket_}, pool_, kBatch, 1, stop_event_}; }
  // From now on the lane waits at a place that is wired like this.
  void place(const ReceiveWait::Wiring& wiring) {
    place_.reset();
    place_ = std::make_unique<ReceiveWait>(wiring, step_);
  }
  void place(LongestWait longest) {
    ReceiveWait::Wiring wiring = place_wiring();
    wiring.longest = longest;
    place(wiring);
  }
  std::size_t run() {
    last_ = step_.run();
    return last_.moved;
  }
  bool starved() const { return last_.next == Next::need_slot; }
  // What the lane's wait is told after the last run. It never is that the lane runs again: then the
  // lane does so first, and finds nothing.
  RunResult last() const {
    return {last_.moved, last_.next == Next::again ? Next::empty : last_.next};
  }
  bool wait() { return place_->wait(last()); }
  // All slots are taken, and a datagram waits for one.
  void starve() {
    for (int i = 0; i < 3; ++i) send("x");
    ASSERT_TRUE(wait());
    ASSERT_EQ(run(), 2u);
    ASSERT_EQ(run(), 0u);
    ASSERT_TRUE(starved());
  }
  void send(std::string_view text) { send(text, socket_.local_address()); }
  void send(std::string_view text, const SocketAddress& to) {
    const OutgoingDatagram datagram{reinterpret_cast<const std::byte*>(text.data()), text.size(),
                                    &to, nullptr};
    ASSERT_EQ(client_.send({&datagram, 1}).accepted, 1u);
  }
  void stop() { NativePlatform::signal(stop_event_); }
  // Returns once the lane, on another thread, waits for a slot.
  void let_it_wait_for_a_slot() const {
    while (pool_->free_slots().waiters_guess() == 0) std::this_thread::yield();
  }
  // Ends one message of the request queue and gives its slot back, as the stages behind do.
  void give_one_slot_back() {
    std::array<std::uint32_t, 1> slot{};
    ASSERT_EQ(SlotQueue::Consumer(requests_, 1).try_take(slot), 1u);
    ASSERT_EQ(store_.release(store_.message_in(slot[0])), Release::released);
    other_.give_back(slot);
  }

  int slots_event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int stop_event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  test::StageLedger ledger_;
  SlotStore store_{kSlots, 64};
  test::Own<SlotPool> pool_{kSlots, WakeOptions{{}, slots_event_}};
  test::Own<SlotQueue> requests_{kSlots};
  AccessControl access_control_{test::open_access()};
  LaneContext lane_{pool_, 2 * kBatch, 1};
  StopReading leave_;
  UdpSocket socket_{test::address("127.0.0.1", 0), {}};
  UdpSocket client_{test::address("127.0.0.1", 0), {}};
  ReceiveStep step_;
  RunResult last_;
  SlotPool::SlotCache other_{pool_, 0, 1};
  std::unique_ptr<ReceiveWait> place_;
};

}  // namespace cpss
