// Which of several lanes listens: the one that has the leader token (the pattern Leader/Followers
// of POSA2: D. Schmidt et al., "Pattern-Oriented Software Architecture", volume 2, 2000).
//
// Lanes that share the server's sockets get in each other's way if all of them listen: each message
// wakes several lanes and is for one. So one lane listens, the leader; the others are its
// followers. The leader receives at most `limit` messages and, before it processes them, promotes
// another lane. Where the token goes:
//
//   to the least loaded running lane that has room        (passed; a sleeper is woken)
//   nowhere, if that lane is the leader itself            (kept; it listens again when it is done)
//   if every running lane is at its limit, to a lane
//   that is not running, whose thread the caller starts   (start)
//   if all lanes are running, to no lane: it is parked    (parked), until a lane has answered the
//                                                         messages it holds, and takes the token
//
// Load is the number of messages a lane has received and not yet answered. Among equals the leader
// itself comes first, then the lower number: with little to do the first lanes do it all, from warm
// caches. Further lanes come only with more messages than the first can hold, and end when they
// have been idle for long.
//
// A sleeper that is offered the token must first wake up. If it does not, because other threads
// have its CPU, no lane listens. So a thread that is no lane (main) calls relieve() at intervals,
// which takes the token back and gives it to another lane. The late lane gets none until it has
// woken. If the token is parked because a lane could not be started, that thread tries again
// (take_up()).
//
//   mailbox   each lane's state:
//                awake -> asleep         by the lane, before it sleeps
//                asleep, late -> awake   by the lane, after its sleep
//                offered -> token        by the lane, after its sleep
//                awake -> closed         by the lane, before its thread ends
//                token -> awake          by the lane: the token is in its hand
//                awake, closed -> token  by the thread that has the token in hand
//                asleep -> offered       by the same
//                offered -> late         by relieve(): the token is in its hand
//                token -> closed         by start_failed(): the token is in its hand
//   load      each lane's, written by that lane alone
//   parked_   whether the token is parked
//   open_     lanes that are not closed, less those about to open or to close
//
// Thread-safety: each lane calls with its own number, on one thread at a time. The leader calls the
// first group of methods; any lane may call the others, but for the last group, which one thread
// that is no lane calls (with start_succeeded() and start_failed() after take_up()). No method
// waits. Lives in ordinary memory, for the threads of one process.
//
// Invariants
//   T1  There is exactly one token: in one mailbox (`token` or `offered`), or parked, or in the
//       hand of one thread, inside promote(), start_failed(), done(), woke(), relieve() or
//       take_up(). Only that thread writes `token` or `offered` into a mailbox and `true` into
//       parked_. Only the lane itself takes `token` out of its mailbox (start_failed() for a lane
//       without a thread). The lane turns `offered` into `token`, or relieve() takes it back, both
//       by compare-exchange.
//   T2  While the token is in one hand, the loads of the other lanes only fall: only promote()
//       raises a load, and only the holder calls it. So a lane once seen with room has room when it
//       gets the token.
//   T3  A closed lane has load 0, and no thread or one that is about to end.
//   T4  While the token is parked, every open lane is at its limit, except for a lane inside done()
//       that has not yet looked at parked_, and except before the second look of the lane that
//       parked, and for late lanes, up to their look inside woke(). So no lane with room stays
//       without the token. And it is not parked for good: the lanes without room hold messages, and
//       the first that has answered its own, or a late one that wakes up, takes it.
//   T5  A lane asleep whose mailbox is given the token is signalled. A signal may come late, when
//       the lane has long found the token: then one later sleep ends early, no more. A late lane
//       has been signalled, too.
//   T6  At least min(options.min, options.started) lanes are open, until they close for good. The
//       leader is always open, and so are late lanes.
//   T7  If a sleeper was offered the token before one call of relieve() and has not woken by the
//       next, that call takes the token from it, if another open lane has room.
//
// Memory orders (each with its partner)
//   (a) mailbox to `token`, compare-exchange or store, release -> mailbox read by its lane,
//       acquire: all that earlier leaders did happened before anything this one does; it sees their
//       loads as high as they were, and their mailboxes without `token` (T1, T2).
//   (b) parked_ store and compare-exchange: the same, when the token goes by way of parked_.
//   (c) load store of 0, or mailbox from late to awake, then parked_ read, all seq_cst, in done()
//       and woke() -> parked_ store, then loads and mailboxes read, all seq_cst, by the thread that
//       parks: if one lane gets room while another thread parks, at least one sees the other (T4).
//       With weaker orders both could read the old value: a store and a later load of another
//       location may be reordered, on x86 too.
//   (d) mailbox to `closed`, release -> mailbox read by the holder, acquire: what a lane did on its
//       last thread happened before what it does on its next. A lane closes after the read of (c),
//       so at the second look the holder sees either load 0 or `closed`.
//   open_ is relaxed: it is a count that is only compared with itself. It is lowered before a
//   mailbox closes and raised after a lane that opens has its thread, so it may be too low, never
//   too high: no lane ends because of another lane that then cannot be started (T6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "queue/invariant.h"
#include "queue/platform.h"

namespace cpss {

struct LeaderTokenOptions {
  std::uint32_t started = 1;  // lanes that run from the beginning, from 0 on; lane 0 is the leader
  std::uint32_t min = 1;      // lanes that stay, however idle
  std::uint32_t limit = 5;    // a lane that holds so many messages has no room for more
};

// Where the token has gone.
enum class TokenGoes : std::uint8_t { kept, passed, start, parked };

struct Promotion {
  TokenGoes token;
  std::uint32_t lane;       // the leader now, or the lane to start; the caller, if kept or parked
  std::uint32_t wakes = 0;  // system calls made
};

template <class Platform>
class BasicLeaderToken {
 public:
  // A lane for each event fd (nonblocking). The event fd wakes the lane while it has no token.
  BasicLeaderToken(std::span<const int> event_fds, const LeaderTokenOptions& options)
      : limit_(options.limit), min_(options.min), lanes_(event_fds.size()), open_(0) {
    invariant(limit_ > 0, "a lane has room for a message");
    invariant(options.started > 0 && options.started <= lanes_.size(), "some lane can listen");
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      lanes_[i].event_fd = event_fds[i];
      lanes_[i].mailbox.store(i < options.started ? Mailbox::awake : Mailbox::closed,
                              std::memory_order_relaxed);
    }
    lanes_[0].mailbox.store(Mailbox::token, std::memory_order_relaxed);
    open_.store(options.started, std::memory_order_relaxed);
  }

  // --- the leader ---

  // Makes another lane the leader. `messages`: how many this lane has received and not yet
  // answered. `may_start`: whether the token may go to a lane that is not running; else only to
  // open lanes.
  //
  // After `start` the caller joins the old thread of that lane, if there was one, starts a new one,
  // which finds the token, and calls start_succeeded(). Before that call has returned the new
  // thread may have ended, and another lane may start the lane again: so the threads' handles need
  // locks. If no thread can be started, the caller calls start_failed(). Either call comes before
  // done().
  Promotion promote(std::uint32_t self, std::uint32_t messages, bool may_start) noexcept {
    invariant(is_leader(self), "only the leader promotes another one");
    // Relaxed: the token carries it on (a), (b).
    lanes_[self].load.store(messages, std::memory_order_relaxed);
    lanes_[self].mailbox.store(Mailbox::awake, std::memory_order_relaxed);  // in hand from here
    Platform::pause(PausePoint::token_in_hand);
    return choose_leader(self, may_start);
  }

  void start_succeeded() noexcept { open_.fetch_add(1, std::memory_order_relaxed); }
  // `lane` could not be started: takes the token back from it, and passes it to an open lane. For
  // the lane whose promote() returned `start`, which still holds its messages, or, without `self`,
  // for the thread whose take_up() did.
  Promotion start_failed(std::optional<std::uint32_t> self, std::uint32_t lane) noexcept {
    Lane& failed = lanes_[lane];
    invariant(failed.mailbox.load(std::memory_order_relaxed) == Mailbox::token,
              "a lane that was to be started still has the token");
    failed.mailbox.store(Mailbox::closed, std::memory_order_relaxed);
    Platform::pause(PausePoint::token_in_hand);
    return choose_leader(self, false);
  }

  // --- any lane ---

  bool is_leader(std::uint32_t self) const noexcept {
    return lanes_[self].mailbox.load(std::memory_order_acquire) == Mailbox::token;  // (a)
  }

  // This lane has answered all that it held. Returns whether it has taken the token, which was
  // parked.
  bool done(std::uint32_t self) noexcept {
    lanes_[self].load.store(0, std::memory_order_seq_cst);  // (c)
    Platform::pause(PausePoint::token_load_cleared);
    return take_if_parked(self);
  }

  // --- a lane that has found that it has no token, and has nothing to do ---

  // Whether it may wait for its event fd; false: the token has come.
  bool prepare_sleep(std::uint32_t self) noexcept {
    return change(self, Mailbox::awake, Mailbox::asleep);
  }

  // After that wait, however it ended. Returns whether the lane has the token.
  bool woke(std::uint32_t self) noexcept {
    Lane& lane = lanes_[self];
    Mailbox state = Mailbox::asleep;
    while (!lane.mailbox.compare_exchange_strong(
        state, state == Mailbox::offered ? Mailbox::token : Mailbox::awake,
        std::memory_order_seq_cst))  // (a), (c)
      invariant(state == Mailbox::offered || state == Mailbox::late,
                "a sleeper is offered the token, or was");
    // After the change: a signal drained here is for the token that this call has found, for one
    // that was taken back, or old. One that is still under way is harmless (T5).
    Platform::drain(lane.event_fd);
    if (state == Mailbox::late) return take_if_parked(self);
    return state == Mailbox::offered;
  }

  // Whether the lane may end its thread; false: it has the token, or too few lanes would remain.
  bool try_end(std::uint32_t self) noexcept { return end(self, min_); }
  // The same when the server stops, however few remain. False for the leader, which ends without
  // asking.
  bool close_for_good(std::uint32_t self) noexcept { return end(self, 0); }

  // --- one thread that is no lane ---

  // The thread calls both at intervals, and no more once lanes close for good. They return where
  // the token has gone, if it has moved; `lane` means nothing if it is parked.

  // Takes the token back from a sleeper that has not woken since the last call. A woken lane must
  // have time to run between two calls. (A sleeper that was offered the token twice and is waking
  // for the second time may be taken for one that stands still: that costs a wake-up.)
  std::optional<Promotion> relieve() noexcept {
    const auto late = first_with(Mailbox::offered);
    if (late != std::exchange(offered_before_, late) || !late) return std::nullopt;
    if (!least_loaded(std::nullopt)) return std::nullopt;  // no other lane has room
    Mailbox state = Mailbox::offered;
    if (!lanes_[*late].mailbox.compare_exchange_strong(state, Mailbox::late,
                                                       std::memory_order_seq_cst))  // (a)
      return std::nullopt;
    offered_before_.reset();
    Platform::pause(PausePoint::token_in_hand);
    return choose_leader(std::nullopt, false);
  }

  // Takes up a token that is parked although a lane is not running, and passes it on; `start` means
  // the same as after promote().
  std::optional<Promotion> take_up() noexcept {
    if (!parked_guess() || !first_with(Mailbox::closed) || !take_parked()) return std::nullopt;
    Platform::pause(PausePoint::token_in_hand);
    return choose_leader(std::nullopt, true);
  }

  // Guesses, true at some moment during the call.
  std::uint32_t load_guess(std::uint32_t lane) const noexcept {
    return lanes_[lane].load.load(std::memory_order_relaxed);
  }
  bool parked_guess() const noexcept { return parked_.load(std::memory_order_relaxed); }
  std::uint32_t open_guess() const noexcept { return open_.load(std::memory_order_relaxed); }

 private:
  template <class T>
  using Atomic = typename Platform::template Atomic<T>;

  enum class Mailbox : std::uint32_t { closed, awake, asleep, late, offered, token };

  // A cache line for each lane: the lane and the thread that gives it the token use it, no other.
  struct alignas(64) Lane {
    Atomic<Mailbox> mailbox{Mailbox::closed};
    Atomic<std::uint32_t> load{0};
    int event_fd = -1;
  };

  // The caller has the token in hand. `self`: its number, if it is a lane.
  Promotion choose_leader(std::optional<std::uint32_t> self, bool may_start) noexcept {
    for (;;) {
      if (const auto lane = least_loaded(self)) {
        if (lane == self) {
          lanes_[*lane].mailbox.store(Mailbox::token, std::memory_order_relaxed);
          return {TokenGoes::kept, *lane};
        }
        Platform::pause(PausePoint::token_lane_chosen);
        if (const auto wakes = give(lanes_[*lane])) return {TokenGoes::passed, *lane, *wakes};
        continue;  // the lane has closed meanwhile, or is late
      }
      if (may_start) {
        if (const auto lane = first_with(Mailbox::closed)) {
          lanes_[*lane].mailbox.store(Mailbox::token, std::memory_order_release);  // (a)
          return {TokenGoes::start, *lane};
        }
      }
      Platform::pause(PausePoint::token_no_room);
      parked_.store(true, std::memory_order_seq_cst);  // (b), (c)
      Platform::pause(PausePoint::token_parked);
      // The second look (c). If a lane has taken the token meanwhile, that lane is the leader.
      const bool taker = least_loaded(self) || (may_start && first_with(Mailbox::closed));
      if (!taker || !take_parked()) return {TokenGoes::parked, self.value_or(0)};
    }
  }

  // The least loaded open lane that has room and is not late; among equals the caller, then the
  // lowest number.
  std::optional<std::uint32_t> least_loaded(std::optional<std::uint32_t> self) const noexcept {
    std::optional<std::uint32_t> best;
    std::uint32_t least_load = limit_;
    const auto look_at = [&](std::uint32_t lane) {
      const std::uint32_t load = lanes_[lane].load.load(std::memory_order_seq_cst);  // (c)
      if (load >= least_load) return;
      const Mailbox state = state_of(lane);
      if (state != Mailbox::awake && state != Mailbox::asleep) return;
      best = lane;
      least_load = load;
    };
    if (self) look_at(*self);
    for (std::uint32_t lane = 0; lane < lanes_.size(); ++lane) look_at(lane);
    return best;
  }

  std::optional<std::uint32_t> first_with(Mailbox state) const noexcept {
    for (std::uint32_t lane = 0; lane < lanes_.size(); ++lane)
      if (state_of(lane) == state) return lane;
    return std::nullopt;
  }

  Mailbox state_of(std::uint32_t lane) const noexcept {
    return lanes_[lane].mailbox.load(std::memory_order_seq_cst);  // (c), (d)
  }

  // Puts the token into a lane's mailbox. Returns the system calls made, or nothing if the lane has
  // closed, or is late.
  std::optional<std::uint32_t> give(Lane& lane) noexcept {
    Mailbox state = lane.mailbox.load(std::memory_order_relaxed);
    do {
      invariant(state != Mailbox::token && state != Mailbox::offered, "there is one token");
      if (state == Mailbox::closed || state == Mailbox::late) return std::nullopt;
    } while (!lane.mailbox.compare_exchange_weak(
        state, state == Mailbox::asleep ? Mailbox::offered : Mailbox::token,
        std::memory_order_release, std::memory_order_relaxed));  // (a)
    if (state == Mailbox::awake) return 0;
    Platform::pause(PausePoint::token_given);
    Platform::signal(lane.event_fd);
    return 1;
  }

  // For a lane that has just got room.
  bool take_if_parked(std::uint32_t self) noexcept {
    if (!parked_.load(std::memory_order_seq_cst) || !take_parked()) return false;  // (c)
    Platform::pause(PausePoint::token_in_hand);
    lanes_[self].mailbox.store(Mailbox::token, std::memory_order_relaxed);
    return true;
  }

  bool take_parked() noexcept {
    bool parked = true;
    return parked_.compare_exchange_strong(parked, false, std::memory_order_seq_cst);  // (b)
  }

  // Changes the lane's own mailbox, unless the token has come into it.
  bool change(std::uint32_t self, Mailbox from, Mailbox to) noexcept {
    Mailbox state = from;
    const bool changed = lanes_[self].mailbox.compare_exchange_strong(
        state, to, std::memory_order_release, std::memory_order_acquire);  // (d), (a)
    invariant(changed || state == Mailbox::token, "nothing but the token comes into a mailbox");
    return changed;
  }

  bool end(std::uint32_t self, std::uint32_t min) noexcept {
    std::uint32_t open = open_.load(std::memory_order_relaxed);
    do {
      if (open <= min) return false;
    } while (!open_.compare_exchange_weak(open, open - 1, std::memory_order_relaxed));
    Platform::pause(PausePoint::token_counted_out);
    if (change(self, Mailbox::awake, Mailbox::closed)) return true;
    open_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }

  const std::uint32_t limit_;
  const std::uint32_t min_;
  std::vector<Lane> lanes_;
  std::optional<std::uint32_t> offered_before_;  // at the last call of relieve()
  alignas(64) Atomic<bool> parked_{false};
  alignas(64) Atomic<std::uint32_t> open_;
};

using LeaderToken = BasicLeaderToken<NativePlatform>;

}  // namespace cpss
