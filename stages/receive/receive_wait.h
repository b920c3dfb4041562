// Where a receive lane waits: for a readable socket or, if it has run out of slots, for a free slot
// (slot_wait.h). A lane that runs other stages as well waits here for that, too: for what other
// lanes put into its queues, replies or requests (queue_waits.h), and for room in a socket. Every
// wait is also for the queues, but for the short pauses.
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
// Of lanes that share their work (stages/message/work_sharing.h) only as many wait for sockets as
// there are CPUs. The others are away, until one is called (stages/lane/attendance.h): every
// datagram that came while the others are awake would wake them. If a lane was woken while others
// were awake and has got too few datagrams to be worth it, it goes away for 2 ms; if it had to
// share its CPU (stages/lane/crowding.h), for 2 ms at first and at most 128 ms.
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

#include "base/file_descriptor.h"
#include "net/datagram_socket.h"
#include "queue/semaphore.h"
#include "queue/slot_pool.h"
#include "queue/slot_queue.h"
#include "stages/lane/crowding.h"
#include "stages/lane/failed_waits.h"
#include "stages/lane/step.h"
#include "stages/lane/stop_reading.h"
#include "stages/lane/wait.h"
#include "stages/message/work_sharing.h"
#include "stages/receive/lost_races.h"
#include "stages/receive/queue_waits.h"
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
    Semaphore* all_served = nullptr;  // posted once, when it will give no request to the service
    std::vector<QueueWaits::Queue> queues = {};  // that other lanes put messages into
    const WorkSharing* sharing = nullptr;        // of this lane; null: it does not share its work
  };

  // Throws std::system_error.
  ReceiveWait(Wiring wiring, ReceiveStep& step);
  // After the stop event the lane goes on until it finds nothing to read. Then wait() is false, if
  // the lane has nothing else to wait for; it waits for its queues until all are closed. Once
  // the pool is closed (a forced end) wait() is false at once.
  bool wait(const RunResult& last) noexcept override;

 private:
  // The lane will receive no more: the last run came after the stop event, said `next`, and found
  // nothing to read. Says so to who waits for it.
  bool has_received_all(Next next) noexcept;
  void announce_end() noexcept;
  void announce_served() noexcept;
  // Sleeps, unless there are messages in the queues, which also end the sleep.
  template <class Sleep>
  void unless_queued(Sleep sleep) noexcept;
  // Sleeps away from the sockets and queues, if that is in order.
  bool was_away() noexcept;
  // The lane has to share its CPU (crowding.h). False also if that is not known now.
  bool is_crowded() noexcept;

  // Each sleeps until there is something to do for the lane. `full`: as in RunResult.
  void wait_for_slot(const DatagramSocket* full) noexcept;
  void wait_for_datagrams() noexcept;
  int wait_in_epoll(std::span<epoll_event> events) noexcept;
  void wait_away(LongestWait longest) noexcept;
  void wait_in_poll(const DatagramSocket* full) noexcept;
  void pause(std::chrono::nanoseconds time) noexcept;

  LongestWait longest(const DatagramSocket* full) const noexcept;
  // Waits for the descriptors in polled_, and also for the queues and for room in a socket.
  struct Polled {
    bool in_time;
    bool also;  // messages or room are there
  };
  Polled poll_also(const DatagramSocket* full, Deadline deadline) noexcept;
  void note_event(int descriptor) noexcept;
  void note_stop() noexcept;
  // `ready`: the result of a wait. True: it went well, or only a signal ended it.
  bool went_well(int ready) noexcept;

  Wiring w_;
  ReceiveStep& step_;
  FailedWaits failed_waits_;
  FileDescriptor epoll_;
  FileDescriptor away_epoll_;  // the call to lanes that are away; only with `sharing`
  QueueWaits queues_;
  Crowding crowding_;
  bool woken_beside_others_ = false;  // by a datagram, while other lanes were awake
  bool stopping_ = false;
  bool announced_ = false;
  bool announced_served_ = false;
  bool precise_timer_ = false;  // set with the first pause()
  SlotWait slot_wait_;
  LostRaces lost_races_;
  std::vector<pollfd> polled_;
};

}  // namespace cpss
