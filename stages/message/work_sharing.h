// Work sharing: what a lane with a batch in hand leaves to lanes that sleep.
//
// Lanes that all do the same take datagrams from the same sockets and messages from the same
// request queue. A lane runs to the end what it has received, as a loop does, and queues part of it
// only if that is worth a hop:
//
//   * what would take longer than CPSS_INLINE_MAX_US, so that nothing waits that long behind it;
//   * so much that the others gain more time than a hop takes (hop_time.h), if lanes sleep and a
//     CPU is free for them. Whether one is, our own lanes that are awake do not tell alone: hops
//     that take long do.
//
// Under full load no lane sleeps, and each takes from the sockets what it runs. With little to do
// one lane does everything. (Blumofe, Leiserson, JACM 46(5), 1999, call it work sharing, as opposed
// to work stealing: the one that has the work moves it. Here the socket is a shared queue already,
// so what is moved is the exception.)
//
// One object per lane, used by its thread alone; the other parts are shared.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "queue/slot_queue.h"
#include "stages/lane/attendance.h"
#include "stages/lane/hop_time.h"
#include "stages/lane/spin.h"
#include "stages/lane/step_cost.h"
#include "stages/lane/wait.h"

namespace cpss {

class WorkSharing final : public WaitCondition {
 public:
  struct Wiring {
    const SlotQueue& requests;
    Attendance& attendance;
    const AwakeLanes& awake;
    HopTime& hop;
    const StepCost& service;   // of this lane
    const StepCost& response;  // of this lane
    std::uint64_t max_ns;      // longest time that messages wait behind what the lane has in hand
    unsigned cpus;
    unsigned lanes;  // that share their work, the first of the server
  };

  explicit WorkSharing(const Wiring& wiring) noexcept : w_(wiring) {}

  // Max messages that the lane takes on at once; at least 1, and 1 while nothing is known of them.
  std::size_t max() const noexcept {
    if (w_.attendance.held_up()) return SIZE_MAX;
    constexpr std::uint64_t kMany = 1'024;
    const std::uint64_t time = ns_for(kMany);
    return time == 0 ? 1 : std::max<std::size_t>(1, kMany * w_.max_ns / time);
  }

  // How many of `messages` in hand the lane is to run itself. `behind`: datagrams that it holds and
  // that wait for these.
  std::size_t portion(std::size_t messages, std::uint64_t behind,
                      std::uint64_t now_ns) const noexcept {
    // Other lanes cannot see what this one holds: first it puts all of it where they can.
    if (behind > 0 || w_.attendance.held_up()) return 0;
    const std::uint64_t hop = w_.hop.expected(now_ns);
    const std::uint64_t time = ns_for(messages);
    std::size_t own = std::min(messages, max());
    if (time > 2 * hop) {
      const std::size_t parts = 1 + std::min<std::uint64_t>(idle_lanes(), time / (2 * hop));
      own = std::min(own, (messages + parts - 1) / parts);
    }
    return own;
  }

  // The lane has queued messages.
  void queued() noexcept {
    if (w_.requests.waiters_guess() == 0) call_if_cpu_free();
  }
  // What the lane had in hand took `ns`, and its sockets had more.
  void held_up(std::uint64_t ns) noexcept {
    if (ns > w_.max_ns) call_if_cpu_free();
  }
  // The lane has taken messages from the queue after `wait_ns`.
  void note_hop(std::uint64_t wait_ns, std::uint64_t now_ns) noexcept {
    w_.hop.note(wait_ns, now_ns);
  }

  // Whether the lane may take from the queue.
  bool holds() const noexcept override { return !w_.attendance.held_up(); }
  // It has called the service.
  void came_out() noexcept { w_.attendance.came_out(); }

  // Whether it was worth waking the lane for so many datagrams, while other lanes are awake.
  bool worth_waking(std::uint64_t datagrams) const noexcept {
    return ns_for(datagrams) >= kWorthWaking;
  }
  // Whether other lanes that share are awake. Called by a lane that counts as asleep.
  bool others_awake() const noexcept { return w_.awake.count_of_first(w_.lanes) > 0; }
  Attendance& attendance() const noexcept { return w_.attendance; }
  unsigned cpus() const noexcept { return w_.cpus; }

 private:
  // Several times what it costs to wake a lane and to put it to sleep.
  static constexpr std::uint64_t kWorthWaking = 10'000;

  std::uint64_t ns_for(std::uint64_t messages) const noexcept {
    return w_.service.ns_for(messages) + w_.response.ns_for(messages);
  }
  // Lanes that sleep and for which, as far as we know, there is a CPU.
  std::uint32_t idle_lanes() const noexcept {
    const unsigned awake = w_.awake.count();
    if (awake >= w_.cpus) return 0;
    return std::min<std::uint32_t>(w_.cpus - awake, w_.requests.waiters_guess());
  }
  void call_if_cpu_free() noexcept {
    if (w_.awake.count() < w_.cpus && !w_.attendance.crowded()) w_.attendance.call();
  }

  Wiring w_;
};

}  // namespace cpss
