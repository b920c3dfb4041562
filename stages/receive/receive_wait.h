// Where a receive lane waits: for a readable socket or, if it has run out of slots, for a free
// slot (slot_wait.h). A lane that also answers waits here for that, too: for replies that other
// lanes hand to it, and for room in a socket.
//
// A lane that sheds waits for a slot for at most 1 ms at a time: long enough that the lanes which
// free slots get the CPU, even from a lane in the real-time class. If it has lately been short of
// slots, it coalesces for 1 ms before it waits for datagrams: woken by each of them it would take
// the CPU from the lanes that answer, a context switch or two for every datagram, most of which it
// can only shed. No wait is longer than `longest`, and while replies wait for room none is longer
// than kLongestForRoom (wait.h).
//
// The lane does not wait for a socket whose reads fail, only until the time of its next try.
//
// Lanes that share a socket wait for it with EPOLLEXCLUSIVE: a datagram wakes one of them, not all
// (CPSS_EPOLLEXCLUSIVE=false shows the difference: counter lost_races).
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include <poll.h>
#include <sys/epoll.h>

#include "net/datagram_socket.h"
#include "queue/semaphore.h"
#include "queue/slot_pool.h"
#include "queue/slot_queue.h"
#include "stages/lane/failed_waits.h"
#include "stages/lane/step.h"
#include "stages/lane/stop_reading.h"
#include "stages/lane/wait.h"
#include "stages/receive/lost_races.h"
#include "stages/receive/receive.h"
#include "stages/receive/slot_wait.h"

namespace cpss {

class ReceiveWait final : public WaitPlace {
 public:
  struct Wiring {
    std::vector<DatagramSocket*> sockets;
    SlotPool& pool;       // wakes by eventfd
    std::uint32_t batch;  // max slots taken after one wait
    std::uint32_t lanes;  // receive lanes, which share the free slots
    int stop_event;       // eventfd; readable for good once receiving has to end
    LongestWait longest = {};
    std::chrono::nanoseconds coalesce = {};  // the pause between small batches (coalescing.h)
    // Whether a datagram wakes one of the lanes that wait for its socket (EPOLLEXCLUSIVE,
    // epoll_ctl(2)), or all.
    bool exclusive = true;
    // Other lanes wait for the same sockets: count the datagrams that they were quicker to take.
    bool shared = false;
    const StopReading* stop_reading = nullptr;  // as in ReceiveStep
    Semaphore* all_received = nullptr;          // posted once, when the lane will receive no more
    SlotQueue::Consumer* replies = nullptr;     // from other lanes; wakes by eventfd
  };

  // Throws std::system_error.
  ReceiveWait(Wiring wiring, ReceiveStep& step);
  ~ReceiveWait() override;

  // After the stop event the lane goes on until it finds nothing to read. Then wait() is false, if
  // the lane has nothing else to wait for; it waits for replies until their queue is closed. Once
  // the pool is closed (a forced end) wait() is false at once.
  bool wait(const RunResult& last) noexcept override;

 private:
  // The lane will receive no more: the last run came after the stop event, said `next`, and found
  // nothing to read. Says so to who waits for it.
  bool has_received_all(Next next) noexcept;
  void announce_end() noexcept;
  // Sleeps, unless there are replies from other lanes, which also end the sleep. False: there will
  // be no more of them.
  template <class Sleep>
  bool unless_replies(const RunResult& last, Sleep sleep) noexcept;

  // Each sleeps until there is something to do for the lane. `full`: as in RunResult.
  void wait_for_slot(const DatagramSocket* full) noexcept;
  void wait_for_datagrams() noexcept;
  int wait_in_epoll(std::span<epoll_event> events) noexcept;
  void wait_in_poll(const DatagramSocket* full) noexcept;
  void pause(std::chrono::nanoseconds time) noexcept;

  LongestWait longest(const DatagramSocket* full) const noexcept;
  // Waits for the descriptors in polled_, and also for replies and for room in a socket.
  struct Polled {
    bool in_time;
    bool also;  // replies or room are there
  };
  Polled poll_also(const DatagramSocket* full, Deadline deadline) noexcept;
  void note_event(int descriptor) noexcept;
  void note_stop() noexcept;
  // `ready`: the result of a wait. True: it went well, or only a signal ended it.
  bool went_well(int ready) noexcept;

  Wiring w_;
  ReceiveStep& step_;
  FailedWaits failed_waits_;
  int epoll_ = -1;
  bool stopping_ = false;
  bool announced_ = false;
  bool precise_timer_ = false;  // set with the first pause()
  SlotWait slot_wait_;
  LostRaces lost_races_;
  std::vector<pollfd> polled_;
};

}  // namespace cpss
