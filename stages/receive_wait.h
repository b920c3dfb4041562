// Where a receive lane waits: for a readable socket, or, if it ran out of slots, for a free one.
//
// A lane that sheds waits for a slot for at most 1 ms at a time: long enough that the lanes which
// free slots get the CPU, even from a lane in the real-time class. And as long as it has been short
// of slots lately, it lets datagrams gather for 1 ms before it waits for one: woken by each of them
// it would take the CPU from the lanes that answer, a context switch or two for every datagram,
// most of which it can only shed. No wait is longer than `longest`.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "net/datagram_port.h"
#include "queue/slot_pool.h"
#include "stages/receive.h"
#include "stages/step.h"
#include "stages/wait.h"

namespace cpss {

class ReceiveWait final : public WaitPlace {
 public:
  struct Wiring {
    std::vector<DatagramPort*> ports;
    SlotPool& pool;       // wakes by eventfd
    std::uint32_t batch;  // most slots taken after one wait
    std::uint32_t lanes;  // receive lanes, which share the free slots
    int stop_event;       // eventfd, readable from the moment on when receiving has to end
    LongestWait longest = {};
    std::chrono::nanoseconds pause = {};  // between small batches (moderation.h)
  };

  // Throws std::system_error.
  ReceiveWait(Wiring wiring, ReceiveStep& step);
  ~ReceiveWait() override;

  // After the stop event the lane goes on until it finds nothing to read; then wait() is false.
  // Once the pool is closed (a forced end) it is false at once.
  bool wait() noexcept override;

 private:
  void wait_for_slot() noexcept;
  void let_datagrams_gather(std::chrono::nanoseconds time) noexcept;

  Wiring w_;
  ReceiveStep& step_;
  int epoll_ = -1;
  bool stopping_ = false;
  bool pauses_precisely_ = false;     // set with the first pause
  std::uint64_t short_until_ns_ = 0;  // a lane that sheds counts as short of slots until then
};

}  // namespace cpss
