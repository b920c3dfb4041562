// Events from a lane to the log. The lane does not format, allocate or wait: it puts fixed-size
// records into a ring, from which the main thread takes them. A full ring drops the record and
// counts it. One producer, one consumer, fixed capacity: Boost.Lockfree's spsc_queue fits exactly.
//
// Thread-safety: report() by the lane alone, take() by the main thread alone.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string_view>

#include <boost/lockfree/spsc_queue.hpp>

namespace cpss {

enum class EventKind : std::uint8_t {
  receive_error,
  send_error,
  service_threw,
  thread_not_started,
  process_not_started,
  process_died,
  wait_error,
};

struct Event {
  EventKind kind = EventKind::receive_error;
  int error = 0;       // errno, where the kind has one
  char text[56] = {};  // cut to fit, ends with a zero

  std::string_view text_view() const noexcept { return text; }
};

class EventRing {
 public:
  void report(EventKind kind, int error, std::string_view text = {}) noexcept {
    Event event;
    event.kind = kind;
    event.error = error;
    std::copy_n(text.begin(), std::min(text.size(), sizeof event.text - 1), event.text);
    if (!ring_.push(event))
      dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  bool take(Event& event) noexcept { return ring_.pop(event); }
  // Records that did not fit, so far.
  std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

 private:
  // Compile-time capacity: no allocation, no pointers.
  boost::lockfree::spsc_queue<Event, boost::lockfree::capacity<64>> ring_;
  std::atomic<std::uint64_t> dropped_{0};  // one writer, the lane
};

}  // namespace cpss
