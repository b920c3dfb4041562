// Tells all lanes to read nothing more, whatever the sockets hold: the sockets are not ours, and
// the next server reads on.
//
// Given once, by the main thread; any reader, in any process that shares the memory. Relaxed: a
// lane that sees it late reads a batch more. A cache line of its own: every lane reads it before
// every wait, and no thread writes to anything else on that line.
#pragma once

#include <atomic>

namespace cpss {

class alignas(64) StopReading {
 public:
  void give() noexcept { given_.store(true, std::memory_order_relaxed); }
  bool given() const noexcept { return given_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> given_{false};
};

}  // namespace cpss
