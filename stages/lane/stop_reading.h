// The sign to read nothing more, whatever the sockets hold: they are not ours, and the next server
// reads on.
//
// Given once, by the main thread; any reader, in any process that shares the memory. Relaxed: a
// lane that sees it late reads a batch more. A line of its own: every lane reads it before every
// wait, and nobody writes to it.
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
