#include "stages/message/slot_store.h"

#include <algorithm>

namespace cpss {
namespace {

constexpr std::uint64_t kFree = 0;
constexpr std::uint64_t kOccupied = 1;
constexpr std::uint64_t kSeized = 2;
constexpr std::uint64_t kStateMask = 3;

std::uint64_t word(std::uint32_t generation, std::uint64_t state) {
  return std::uint64_t{generation} << 2 | state;
}
std::uint32_t generation_of(std::uint64_t occupancy) {
  return static_cast<std::uint32_t>(occupancy >> 2);
}

}  // namespace

// Zeroed memory is a valid array of free headers (occupancy 0), whose lifetime needs no constructor
// (queue/shared_word.h), so it is used as it is: constructing them would touch every page.
SlotStore::SlotStore(std::uint32_t slots, std::size_t window_bytes, Sharing sharing)
    : slots_(slots),
      window_bytes_(window_bytes),
      stride_(stride_of(window_bytes)),
      header_memory_(slots * sizeof(SlotHeader), sharing, "cpss-slot-headers"),
      requests_(slots * stride_, sharing, "cpss-requests"),
      replies_(slots * stride_, sharing, "cpss-replies"),
      headers_(reinterpret_cast<SlotHeader*>(header_memory_.data())) {}

MessageRef SlotStore::occupy(std::uint32_t slot) noexcept {
  SharedWord<std::uint64_t>& occupancy = headers_[slot].occupancy;
  const std::uint32_t generation = generation_of(occupancy.load(std::memory_order_relaxed)) + 1;
  // Release, to the acquire in seize(): when main seizes the slot, the message is complete enough
  // to be booked.
  occupancy.store(word(generation, kOccupied), std::memory_order_release);
  return {slot, generation};
}

MessageRef SlotStore::message_in(std::uint32_t slot) const noexcept {
  return {slot, generation_of(headers_[slot].occupancy.load(std::memory_order_relaxed))};
}

bool SlotStore::holds(MessageRef message) const noexcept {
  return headers_[message.slot].occupancy.load(std::memory_order_relaxed) ==
         word(message.generation, kOccupied);
}

Release SlotStore::release(MessageRef message) noexcept {
  std::uint64_t expected = word(message.generation, kOccupied);
  if (headers_[message.slot].occupancy.compare_exchange_strong(
          expected, word(message.generation, kFree), std::memory_order_acq_rel))
    return Release::released;
  return (expected & kStateMask) == kSeized ? Release::seized : Release::stale;
}

bool SlotStore::seize(std::uint32_t slot) noexcept {
  SharedWord<std::uint64_t>& occupancy = headers_[slot].occupancy;
  std::uint64_t seen = occupancy.load(std::memory_order_acquire);
  while ((seen & kStateMask) == kOccupied) {
    if (occupancy.compare_exchange_weak(seen, (seen & ~kStateMask) | kSeized,
                                        std::memory_order_acq_rel))
      return true;
  }
  return false;
}

}  // namespace cpss
