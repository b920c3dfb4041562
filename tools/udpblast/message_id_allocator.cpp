#include "tools/udpblast/message_id_allocator.h"

#include <algorithm>

namespace cpss::udpblast {

MessageIdPool::Range MessageIdPool::take_block() noexcept {
  // Threads ask again and again at the end: without the load the counter could wrap.
  if (next_.load(std::memory_order_relaxed) >= count_) return {count_, count_};
  const std::uint64_t first = next_.fetch_add(kBlock, std::memory_order_relaxed);
  return {std::min(first, count_), std::min(first + kBlock, count_)};
}

MessageIdPool::Range MessageIdAllocator::take(std::uint64_t max) noexcept {
  if (block_.first == block_.end) block_ = pool_.take_block();
  const std::uint64_t first = block_.first;
  block_.first = std::min(block_.end, first + max);
  return {first, block_.first};
}

}  // namespace cpss::udpblast
