// Stops one thread at one pause point of the queues until the test lets it go on.
#pragma once

#include <future>

#include "queue/platform.h"

namespace cpss {

class Gate {
 public:
  explicit Gate(PausePoint point) : point_(point) {}

  // From now on the calling thread stops at the point, the first time it comes there.
  void stop_this_thread() noexcept { this_threads_gate() = this; }
  // Returns when the thread has stopped.
  void wait_until_reached() { reached_.get_future().wait(); }
  void open() { opened_.set_value(); }

  static void pass(PausePoint point) noexcept {
    Gate* gate = this_threads_gate();
    if (gate == nullptr || gate->point_ != point) return;
    this_threads_gate() = nullptr;
    gate->reached_.set_value();
    gate->opened_.get_future().wait();
  }

 private:
  static Gate*& this_threads_gate() noexcept {
    static thread_local Gate* gate = nullptr;
    return gate;
  }

  const PausePoint point_;
  std::promise<void> reached_;
  std::promise<void> opened_;
};

struct GatePlatform : NativePlatform {
  static void pause(PausePoint point) noexcept { Gate::pass(point); }
};

}  // namespace cpss
