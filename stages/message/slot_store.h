// The message slots: what a slot index stands for.
//
// A slot is a header and two windows of CPSS_MSGSIZE bytes, request and reply. Headers, request
// windows and reply windows are three separate arrays. The lane or queue that holds a slot's index
// owns the slot (see queue/slot_pool.h, P1): its fields are plain memory, and the queues order
// their hand-over. Only the occupancy word is atomic, because at a forced end the main thread takes
// slots from lanes that still run.
//
// Occupancy: {generation, free | occupied | seized}. The generation grows each time a slot is
// filled.
//
//   free ──occupy──► occupied ──release (its owner)──► free
//                        └─────seize (main, at a forced end)──► seized, for good
//
// release and seize are compare-exchanges on the word, so exactly one of them succeeds, and its
// caller books the message. If a lane finds another generation in a slot that it holds, its index
// is stale: that is a defect, which is counted, and the slot is not touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/stride.h"
#include "net/address.h"
#include "queue/shared_word.h"
#include "stages/message/memory.h"

namespace cpss {

struct alignas(64) SlotHeader {
  SharedWord<std::uint64_t> occupancy{};
  std::uint64_t published_ns = 0;  // when the stage before handed it on, CLOCK_MONOTONIC
  SocketAddress peer;
  std::uint16_t socket_index = 0;    // which of the server's sockets it came by and leaves by
  std::uint16_t request_length = 0;  // bytes
  std::uint16_t reply_length = 0;    // bytes
  bool reply_in_request_window = false;
  bool shed = false;  // its reply says that the server is busy; it ends as shed, sent or not
  bool trusted = false;
  bool has_local = false;
  // On a second cache line, because only sockets bound to a wildcard need it. Valid if has_local.
  alignas(64) LocalAddress local;
};
static_assert(ImplicitLifetime<SlotHeader>, "zeroed memory is an array of free headers");
static_assert(sizeof(SlotHeader) == 128, "one line that every message needs, one that few do");

// A slot and the generation in which its holder got it.
struct MessageRef {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
};

enum class Release : std::uint8_t { released, seized, stale };

class SlotStore {
 public:
  // `window_bytes`: 1 to 65,535.
  SlotStore(std::uint32_t slots, std::size_t window_bytes,
            Sharing sharing = Sharing::process_private);

  // Bytes that a store of this size uses once every slot has been in use.
  static std::uint64_t bytes(std::uint32_t slots, std::size_t window_bytes) noexcept {
    return slots * std::uint64_t{sizeof(SlotHeader) + 2 * stride_of(window_bytes)};
  }

  std::uint32_t slots() const noexcept { return slots_; }
  std::size_t window_bytes() const noexcept { return window_bytes_; }

  SlotHeader& header(std::uint32_t slot) noexcept { return headers_[slot]; }
  std::byte* request(std::uint32_t slot) noexcept { return requests_.data() + slot * stride_; }
  std::byte* reply(std::uint32_t slot) noexcept { return replies_.data() + slot * stride_; }

  // Marks a free slot, which the caller owns, as holding a message.
  MessageRef occupy(std::uint32_t slot) noexcept {
    SharedWord<std::uint64_t>& occupancy = headers_[slot].occupancy;
    const std::uint32_t generation = generation_of(occupancy.load(std::memory_order_relaxed)) + 1;
    // Release, to the acquire in seize(): when main seizes the slot, the message is complete enough
    // to be booked.
    occupancy.store(word(generation, kOccupied), std::memory_order_release);
    return {slot, generation};
  }
  // The message in a slot just taken from a queue.
  MessageRef message_in(std::uint32_t slot) const noexcept {
    return {slot, generation_of(headers_[slot].occupancy.load(std::memory_order_relaxed))};
  }
  // Whether the slot still holds that message. Lanes check it when they hand it on and send it.
  bool holds(MessageRef message) const noexcept {
    return headers_[message.slot].occupancy.load(std::memory_order_relaxed) ==
           word(message.generation, kOccupied);
  }
  // The end of a message; only after `released` may it be booked and the slot given back.
  Release release(MessageRef message) noexcept {
    std::uint64_t expected = word(message.generation, kOccupied);
    if (headers_[message.slot].occupancy.compare_exchange_strong(
            expected, word(message.generation, kFree), std::memory_order_acq_rel))
      return Release::released;
    return (expected & kStateMask) == kSeized ? Release::seized : Release::stale;
  }
  // Called by the main thread at a forced end. True: the slot held a message, which the caller has
  // to book, since no lane will.
  bool seize(std::uint32_t slot) noexcept;

 private:
  static constexpr std::uint64_t kFree = 0;
  static constexpr std::uint64_t kOccupied = 1;
  static constexpr std::uint64_t kSeized = 2;
  static constexpr std::uint64_t kStateMask = 3;

  static std::uint64_t word(std::uint32_t generation, std::uint64_t state) noexcept {
    return std::uint64_t{generation} << 2 | state;
  }
  static std::uint32_t generation_of(std::uint64_t occupancy) noexcept {
    return static_cast<std::uint32_t>(occupancy >> 2);
  }

  std::uint32_t slots_;
  std::size_t window_bytes_;
  std::size_t stride_;
  Memory header_memory_;
  Memory requests_;
  Memory replies_;
  SlotHeader* headers_;
};

}  // namespace cpss
