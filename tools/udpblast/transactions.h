// Which message is which: the ids of messages, their transaction ids, and the messages under way.
//
//   MessageIdPool, MessageIdAllocator  share the ids of a run's messages out among its threads
//   TransactionIds                     makes a message's transaction id, and takes it apart
//   TransactionTable                   knows which messages of a thread are under way
//
// All threads share one MessageIdPool; a MessageIdAllocator and a TransactionTable belong to one
// thread; a TransactionIds is a plain value, any thread. Times are monotonic_ns(). Nothing is
// allocated after construction.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

namespace cpss::udpblast {

// Message ids 0, 1, 2, ... shared out among the threads: each message is sent by one thread.
//
// Threads take whole blocks from one shared counter, so that a fast thread takes over from a slow
// one and none waits for another; within its block a thread counts for itself.
//
// Shared by all threads.
class MessageIdPool {
 public:
  explicit MessageIdPool(std::uint64_t count) noexcept : count_(count) {}
  MessageIdPool(const MessageIdPool&) = delete;
  MessageIdPool& operator=(const MessageIdPool&) = delete;

  struct Range {
    std::uint64_t first = 0;
    std::uint64_t end = 0;  // one past the last; equal to first: there are no more
  };
  Range take_block() noexcept;

 private:
  static constexpr std::uint64_t kBlock = 256;

  // Relaxed: the ids themselves are all that is handed over.
  std::atomic<std::uint64_t> next_{0};
  const std::uint64_t count_;
};

// Belongs to one thread.
class MessageIdAllocator {
 public:
  explicit MessageIdAllocator(MessageIdPool& pool) noexcept : pool_(pool) {}

  // Takes at most `max` (not 0) ids that follow each other; none: all are taken.
  MessageIdPool::Range take(std::uint64_t max) noexcept;
  // The last `count` ids of the last take() were not used; the next take() has them again.
  void give_back(std::uint64_t count) noexcept { block_.first -= count; }

 private:
  MessageIdPool& pool_;
  MessageIdPool::Range block_;
};

inline constexpr std::uint64_t kMaxMessages = std::uint64_t{1} << 40;
inline constexpr std::uint32_t kMaxSlots = std::uint32_t{1} << 24;

// A transaction id tells the number of its message, and the slot that remembers it.
//
//   id = (message number * 2^24 + slot) * an odd constant + a seed   (mod 2^64)
// An id that was never sent, or that was made with another seed, decodes to a message number far
// beyond those sent; the chance that it does not is messages sent / 2^40.
class TransactionIds {
 public:
  explicit TransactionIds(std::uint64_t seed) noexcept : seed_(seed) {}

  struct Decoded {
    std::uint64_t message;
    std::uint32_t slot;
  };
  // `message` is below kMaxMessages, `slot` below kMaxSlots.
  std::uint64_t encode(std::uint64_t message, std::uint32_t slot) const noexcept {
    return (message << kSlotBits | slot) * kScatter + seed_;
  }
  Decoded decode(std::uint64_t transaction) const noexcept {
    const std::uint64_t plain = (transaction - seed_) * kGather;
    return {plain >> kSlotBits, static_cast<std::uint32_t>(plain & (kMaxSlots - 1))};
  }

 private:
  static constexpr unsigned kSlotBits = 24;
  static_assert(kMaxSlots == std::uint64_t{1} << kSlotBits);
  static_assert(kMaxMessages << kSlotBits == 0, "message number and slot fill an id");

  // Odd, so it has an inverse; with many bits set, so that a change in any bit of an id changes the
  // message number it decodes to.
  static constexpr std::uint64_t kScatter = 0x9e3779b97f4a7c15;
  // By Newton's iteration: each round doubles the number of right bits, of which 3 are right at
  // first.
  static constexpr std::uint64_t kGather = [] {
    std::uint64_t inverse = kScatter;
    for (int round = 0; round < 5; ++round) inverse *= 2 - kScatter * inverse;
    return inverse;
  }();
  static_assert(kScatter * kGather == 1);

  std::uint64_t seed_;
};

inline constexpr std::uint32_t kRemembered = 65'536;  // min slots for timed-out messages

// Knows which messages are under way, and tells what a reply's transaction id means.
//
// A transaction id stands for exactly one message of one thread of one run, and names the slot that
// remembers it. So the slot is found without a search, a reply to a message that has left its slot
// is still recognised (the slot holds another message now: it was answered before), and an id that
// was never sent is not taken for a known one.
//
// A message that times out keeps its slot, so that its reply is recognised as late and its age is
// known, until the slots run out: then the oldest such slot is used again, and a reply to its
// former message counts as duplicate.
//
// Memory that is never needed is never touched, so that there may be slots for many more messages
// than are under way.
class TransactionTable {
 public:
  // `max_outstanding` messages under way, `remembered` timed-out ones; together at most
  // kMaxSlots.
  TransactionTable(std::uint32_t max_outstanding, std::uint32_t remembered,
                   std::uint64_t timeout_ns, std::uint64_t seed);

  // A message is about to be sent. At most `max_outstanding` may be under way; `now_ns` never goes
  // back; `message` is below kMaxMessages; `behind_ns` ago it should have been sent. Returns its
  // transaction id.
  std::uint64_t open(std::uint64_t message, std::uint32_t client, std::uint64_t now_ns,
                     std::uint64_t behind_ns = 0) noexcept;

  // The kernel did not take the message: as if it had never been opened.
  void take_back(std::uint64_t transaction) noexcept;

  enum class Match : std::uint8_t {
    in_time,    // the one reply of a message under way, which now has ended
    late,       // the first reply of a message that timed out
    duplicate,  // a further reply
    unknown,    // never sent by this client
  };
  struct Reply {
    Match match;
    std::uint64_t message;     // not for unknown
    std::uint64_t age_ns;      // since it was sent; for in_time and late
    std::uint64_t latency_ns;  // since it should have been sent; likewise
  };
  // A reply arrived at `client`. Call expire() with the same time before.
  Reply close(std::uint64_t transaction, std::uint32_t client, std::uint64_t now_ns) noexcept;

  struct Expired {
    std::uint64_t message;
    std::uint64_t transaction;
    std::uint32_t client;
    std::uint64_t sent_ns;
    std::uint64_t planned_ns;
  };
  // Ends the oldest message that has been under way for longer than the time-out; nullopt if there
  // is none. Call until it returns nullopt.
  std::optional<Expired> expire(std::uint64_t now_ns) noexcept;

  // When the oldest message will have timed out; nullopt if none is under way.
  std::optional<std::uint64_t> next_deadline_ns() const noexcept;

  std::uint32_t outstanding() const noexcept { return outstanding_; }
  std::uint32_t room() const noexcept { return max_outstanding_ - outstanding_; }
  // Timed-out messages that are remembered and still without a reply.
  std::uint32_t awaited_late() const noexcept { return awaited_late_; }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  enum class State : std::uint8_t { free, under_way, timed_out, answered_late };

  // Written when it is first used, not before.
  struct Slot {
    std::uint64_t transaction;
    std::uint64_t sent_ns;
    std::uint64_t planned_ns;
    std::uint32_t client;
    std::uint32_t previous;  // in the list that its state names
    std::uint32_t next;
    State state;
  };

  // A list through the slots, oldest first.
  struct List {
    std::uint32_t first = kNone;
    std::uint32_t last = kNone;
  };

  void append(List& list, std::uint32_t index) noexcept;
  void remove(List& list, std::uint32_t index) noexcept;
  std::uint32_t take_free() noexcept;
  void give_free(std::uint32_t index) noexcept;

  const std::uint32_t max_outstanding_;
  const std::uint32_t slots_end_;
  std::unique_ptr<Slot[]> slots_;
  std::uint32_t used_ = 0;      // slots; the others were never written
  List under_way_;              // in the order of sending
  List past_time_out_;          // in the order of sending; timed_out and answered_late
  std::uint32_t free_ = kNone;  // a stack through `next`, so that few slots stay in the cache
  std::uint32_t outstanding_ = 0;
  std::uint32_t awaited_late_ = 0;
  std::uint64_t highest_message_ = 0;  // ever opened, plus 1
  std::uint64_t timeout_ns_;
  TransactionIds ids_;
};

}  // namespace cpss::udpblast
