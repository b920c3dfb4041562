// Message ids 0, 1, 2, ... shared out among the threads: each message is sent by one thread.
//
// Threads take whole blocks from one shared counter, so that a fast thread takes over from a slow
// one and none waits for another; within its block a thread counts for itself.
#pragma once

#include <atomic>
#include <cstdint>

namespace cpss::udpblast {

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

}  // namespace cpss::udpblast
