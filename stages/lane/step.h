// Each stage implements Step; a Lane (lane.h) calls it in a loop, and does what its runs say.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "net/datagram_socket.h"

namespace cpss {

// What the lane is to do after a run. If its steps say different things, it does what stands last
// here.
enum class Next : std::uint8_t {
  empty,      // wait: there is nothing to do now
  need_room,  // wait for room in a socket (RunResult::full), beside everything else
  again,      // run again: another run at once may find something
  need_slot,  // wait for a free slot, even if this run has moved messages
  coalesce,   // pause, even if this run has moved messages
};

struct RunResult {
  std::size_t moved = 0;  // messages
  Next next = Next::empty;
  // A socket without room for replies that the step holds, whatever `next` says; null: none.
  DatagramSocket* full = nullptr;

  bool operator==(const RunResult&) const = default;

  // What another step of the lane says about the same round.
  void add(const RunResult& other) noexcept {
    moved += other.moved;
    next = std::max(next, other.next);
    if (full == nullptr) full = other.full;
  }
};

// The result of a step that only needs to be run again if it has moved messages.
constexpr RunResult has_moved(std::size_t messages) noexcept {
  return {messages, messages > 0 ? Next::again : Next::empty};
}

// One lane's share of a stage. Called by that lane's thread alone.
class Step {
 public:
  virtual ~Step() = default;

  // Takes up to a batch, processes it and hands it on. Never waits for work and never holds a batch
  // back to fill it.
  virtual RunResult run() noexcept = 0;

  // The lane is about to wait: the step gives up everything that other lanes could use.
  virtual void before_wait() noexcept {}
};

// The one place where a lane waits.
class WaitPlace {
 public:
  virtual ~WaitPlace() = default;
  // Waits until there may be something to do. `last`: what the lane's steps said in the round
  // before. False: there never will be again, the lane ends.
  virtual bool wait(const RunResult& last) noexcept = 0;
};

}  // namespace cpss
