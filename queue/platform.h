// The machine as semaphore, slot queue, slot pool and leader token need it: a policy, so that the
// same code runs in the server (NativePlatform), in the stress tests (which pause threads at the
// points named here) and in a model checker (which has its own atomics and its own parking).
//
// A platform has:
//   Atomic<T>            like std::atomic<T>
//   Word<T>              the same for memory in which no objects are constructed (shared_word.h)
//   pause(PausePoint)    nothing; tests sleep or yield here
//   Steps                memory orders and steps (steps.h); tests exchange them for broken ones
//   park, unpark         sleep while the low half of a word has a value; wake sleepers (futex(2))
//   signal, drain        write and empty an eventfd(2)
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "queue/shared_word.h"
#include "queue/steps.h"

namespace cpss {

// Where a pause hurts most: intermediate states that other threads can observe.
enum class PausePoint : std::uint8_t {
  queue_claimed,         // position claimed, cell not yet written
  queue_written,         // cell written, published mark not yet looked at
  queue_published,       // mark advanced, tokens not yet posted
  queue_tokens_in_hand,  // tokens taken, cells not yet read
  queue_cells_read,      // cells read, head not yet advanced
  pool_linked,           // chain linked, not yet pushed
  pool_walked,           // chain walked, not yet popped
  semaphore_registered,  // counted as waiter, not yet asleep
  semaphore_woken,       // back from sleep, word not yet looked at
  token_in_hand,         // taken out of a mailbox or the parking place, in none yet
  token_lane_chosen,     // lane chosen for the token, token not yet given
  token_given,           // token in a sleeper's mailbox, sleeper not yet woken
  token_no_room,         // no lane found with room, token not yet parked
  token_parked,          // parked, second look not yet taken
  token_load_cleared,    // lane has room, parked token not yet looked for
  token_counted_out,     // lane no longer counted, mailbox not yet closed
};

// The moment a wait ends at the latest, CLOCK_MONOTONIC.
using Deadline = std::chrono::steady_clock::time_point;
inline constexpr Deadline kNoDeadline = Deadline::max();

// Whether waiters and posters may live in different processes.
enum class Scope : std::uint8_t { process_private, process_shared };

struct NativePlatform {
  template <class T>
  using Atomic = std::atomic<T>;
  template <class T>
  using Word = SharedWord<T>;
  using Steps = cpss::Steps;
  static void pause(PausePoint) noexcept {}

  // Sleeps if the low half of `word` equals `expected`, until unparked or until `deadline`; may
  // return early. Returns false if the deadline has passed.
  static bool park(const std::atomic<std::uint64_t>& word, std::uint32_t expected, Scope scope,
                   Deadline deadline) noexcept;
  static void unpark(const std::atomic<std::uint64_t>& word, int max, Scope scope) noexcept;
  static void signal(int event_fd) noexcept;
  static void drain(int event_fd) noexcept;
};

}  // namespace cpss
