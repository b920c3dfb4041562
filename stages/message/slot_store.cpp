#include "stages/message/slot_store.h"

#include <algorithm>

namespace cpss {
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
