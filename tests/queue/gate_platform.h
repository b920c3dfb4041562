// The server's platform with a gate: a thread that says so stops at a pause point until it is let
// go.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "queue/platform.h"

namespace cpss {

class PauseGate {
 public:
  explicit PauseGate(PausePoint point) noexcept : point_(point) {}

  // By the thread that is to stop.
  void at(PausePoint point) noexcept {
    if (point != point_ || open_) return;
    reached_ = true;
    while (!open_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  // By the test.
  void wait_until_reached() const noexcept {
    while (!reached_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  void open() noexcept { open_ = true; }

 private:
  const PausePoint point_;
  std::atomic<bool> reached_{false};
  std::atomic<bool> open_{false};
};

// The gate of the calling thread; null: it never stops.
inline thread_local PauseGate* this_threads_gate = nullptr;

struct GatePlatform : NativePlatform {
  static void pause(PausePoint point) noexcept {
    if (this_threads_gate != nullptr) this_threads_gate->at(point);
  }
};

}  // namespace cpss
