// Knows which messages are under way, and tells what a reply's transaction id means.
//
// A transaction id stands for exactly one message of one thread of one run, and names the slot that
// remembers it (tools/udpblast/transaction_id.h). So the slot is found without a search, a reply to
// a message that has left its slot is still recognised (the slot holds another message now: it was
// answered before), and an id that was never sent is not taken for a known one.
//
// A message that times out keeps its slot, so that its reply is recognised as late and its age is
// known, until the slots run out: then the oldest such slot is used again, and a reply to its
// former message counts as duplicate.
//
// One thread. Nothing is allocated after construction; memory that is never needed is never
// touched, so that there may be slots for many more messages than are under way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "tools/udpblast/transaction_id.h"

namespace cpss::udpblast {

inline constexpr std::uint32_t kRemembered = 65'536;  // min slots for timed-out messages

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
