#include "stages/receive.h"

#include <algorithm>
#include <cstring>

#include "stages/batch_clock.h"

namespace cpss {

ReceiveStep::ReceiveStep(Wiring wiring, StatsWriter stats)
    : w_(std::move(wiring)),
      stats_(stats),
      cache_(w_.pool, 2 * w_.batch, w_.pool_lanes),
      retirement_(w_.store, cache_, stats_, w_.batch),
      outlet_(w_.requests, w_.batch, w_.store, stats_),
      buffers_(w_.batch),
      arrivals_(w_.batch),
      slots_of_arrivals_(w_.batch),
      leftovers_(w_.batch) {
  free_.reserve(2 * std::size_t{w_.batch});
  if (w_.shedding)
    shedding_.emplace(*w_.shedding, Shedding::Shared{w_.admission, retirement_, w_.events, stats_},
                      w_.store.window_bytes(), w_.batch);
}

std::size_t ReceiveStep::run() noexcept {
  starved_ = false;
  // A forced end: nothing more is received, so that the books can be closed.
  if (w_.pool.free_slots().closed()) return 0;
  std::size_t moved = place_leftovers();
  for (std::size_t i = 0; i < w_.ports.size() && leftover_count_ == 0; ++i) {
    moved += receive_from(static_cast<std::uint16_t>(next_port_));
    // Without a slot it stays this socket's turn, or one that others outpace would never get one. A
    // batch that is shed was its turn.
    if (!starved_ || shedding_) next_port_ = (next_port_ + 1) % w_.ports.size();
    if (starved_) {
      if (shedding_) return 0;
      break;
    }
  }
  return moved;
}

void ReceiveStep::before_wait() noexcept {
  stats_.add(Counter::futex_wakes, cache_.give_all_back());
}

void ReceiveStep::accept_tokens(std::uint32_t tokens) noexcept {
  const std::size_t held = free_.size();
  free_.resize(held + tokens);
  cache_.accept(std::span(free_).subspan(held));
}

// No more than its share: what one lane holds and does not need, another one would shed for.
void ReceiveStep::claim() noexcept {
  const std::size_t held = free_.size();
  if (held >= w_.batch) return;
  free_.resize(w_.batch);
  free_.resize(held + cache_.claim(std::span(free_).subspan(held), w_.lanes));
}

void ReceiveStep::give_back_free() noexcept {
  if (free_.empty()) return;
  stats_.add(Counter::futex_wakes, cache_.give_back(free_));
  free_.clear();
}

std::size_t ReceiveStep::receive_from(std::uint16_t port_index) noexcept {
  claim();
  if (free_.empty()) {
    starved_ = !shedding_ || shed_from(port_index);
    return 0;
  }
  const std::size_t room = std::min<std::size_t>(free_.size(), w_.batch);
  for (std::size_t i = 0; i < room; ++i)
    buffers_[i] = {w_.store.request(free_[i]), w_.store.window_bytes()};

  BatchClock clock(stats_);
  const std::uint64_t datagrams = read(*w_.ports[port_index], std::span(buffers_).first(room));
  if (datagrams == 0) {
    give_back_free();
    return 0;
  }

  // The slots that were filled leave the list; the others serve segments that need one of their
  // own.
  std::copy_n(free_.begin(), filled_, slots_of_arrivals_.begin());
  free_.erase(free_.begin(), free_.begin() + static_cast<std::ptrdiff_t>(filled_));
  for (std::size_t i = 0; i < filled_; ++i) admit(arrivals_[i], slots_of_arrivals_[i], port_index);

  const std::uint64_t end_ns = now_ns();
  outlet_.hand_on(end_ns);
  retirement_.finish();
  give_back_free();
  clock.end(end_ns, datagrams);
  return datagrams;
}

bool ReceiveStep::shed_from(std::uint16_t port_index) noexcept {
  BatchClock clock(stats_);
  DatagramPort& port = *w_.ports[port_index];
  const std::uint64_t datagrams = read(port, shedding_->buffers());
  if (datagrams == 0) return false;
  shedding_->end(std::span(arrivals_).first(filled_), port);
  clock.end(now_ns(), datagrams);
  return true;
}

// An error that was pending at the socket is gone once it has been told, and datagrams may wait
// behind it: only after a second one in a row does the socket count as empty. So a lane that is to
// stop leaves nothing behind.
std::uint64_t ReceiveStep::read(DatagramPort& port,
                                std::span<const ReceiveBuffer> buffers) noexcept {
  ReceiveResult result;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const std::uint64_t begin = now_ns();
    result = port.receive(buffers, std::span(arrivals_).first(buffers.size()));
    stats_.add(Counter::syscalls);
    stats_.add(Counter::syscall_ns, now_ns() - begin);
    if (result.error == 0) break;
    stats_.add(Counter::receive_errors);
    w_.events.report(EventKind::receive_error, result.error);
  }
  filled_ = result.filled;

  // Counted before any decision; in memory from here on.
  std::uint64_t datagrams = 0;
  for (std::size_t i = 0; i < filled_; ++i) datagrams += arrivals_[i].datagrams();
  if (datagrams == 0) return 0;
  stats_.add(Counter::received, datagrams);
  stats_.add(Counter::filled, datagrams);
  stats_.add(Counter::entered, datagrams);
  return datagrams;
}

void ReceiveStep::admit(const Arrival& arrival, std::uint32_t slot,
                        std::uint16_t port_index) noexcept {
  if (const auto reason = w_.admission.refusal(arrival)) {
    retirement_.drop(*reason, arrival.datagrams());
    free_.push_back(slot);
    return;
  }
  // A truncated buffer ends in the middle of its last datagram, and of that one only.
  const std::uint32_t datagrams = arrival.datagrams();
  if (arrival.truncated) {
    retirement_.drop(Reason::invalid_truncated, 1);
    if (datagrams == 1) {
      free_.push_back(slot);
      return;
    }
  }
  const std::size_t first = datagrams == 1 ? arrival.length : arrival.segment_size;
  const std::size_t whole =
      arrival.truncated ? std::size_t{datagrams - 1} * arrival.segment_size : arrival.length;
  make_message(slot, arrival, first, port_index);
  // All this before hand_on(): the first message's window holds the other segments too, and belongs
  // to the next stage then.
  const std::span<const std::byte> others(w_.store.request(slot) + first, whole - first);
  const std::size_t placed = place_segments(arrival, port_index, others);
  if (placed < others.size()) keep_leftover(arrival, port_index, others.subspan(placed));
}

void ReceiveStep::make_message(std::uint32_t slot, const Arrival& arrival, std::size_t length,
                               std::uint16_t port_index) noexcept {
  SlotHeader& header = w_.store.header(slot);
  header.peer = arrival.peer;
  header.has_local = arrival.local.known();
  if (header.has_local) header.local = arrival.local;
  header.port_index = port_index;
  header.request_length = static_cast<std::uint16_t>(length);
  header.trusted = w_.admission.trusted(arrival.peer);
  header.shed = false;
  w_.store.occupy(slot);
  outlet_.add(slot);
}

std::size_t ReceiveStep::place_segments(const Arrival& arrival, std::uint16_t port_index,
                                        std::span<const std::byte> bytes) noexcept {
  std::size_t placed = 0;
  while (placed < bytes.size() && !free_.empty()) {
    const std::size_t length = std::min<std::size_t>(arrival.segment_size, bytes.size() - placed);
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    std::memcpy(w_.store.request(slot), bytes.data() + placed, length);
    make_message(slot, arrival, length, port_index);
    placed += length;
  }
  return placed;
}

// Reached only where the kernel merges datagrams. The memory of a leftover is allocated when it is
// first used and kept.
void ReceiveStep::keep_leftover(const Arrival& arrival, std::uint16_t port_index,
                                std::span<const std::byte> bytes) noexcept {
  Leftover& leftover = leftovers_[leftover_count_++];
  leftover.arrival = arrival;
  leftover.port_index = port_index;
  leftover.bytes.assign(bytes.begin(), bytes.end());
  leftover.placed = 0;
}

std::size_t ReceiveStep::place_leftovers() noexcept {
  if (leftover_count_ == 0) return 0;
  BatchClock clock(stats_);
  claim();
  const std::size_t slots = free_.size();
  std::size_t finished = 0;
  for (; finished < leftover_count_ && !free_.empty(); ++finished) {
    Leftover& leftover = leftovers_[finished];
    leftover.placed += place_segments(leftover.arrival, leftover.port_index,
                                      std::span(leftover.bytes).subspan(leftover.placed));
    if (leftover.placed < leftover.bytes.size()) break;
  }
  std::rotate(leftovers_.begin(), leftovers_.begin() + static_cast<std::ptrdiff_t>(finished),
              leftovers_.begin() + static_cast<std::ptrdiff_t>(leftover_count_));
  leftover_count_ -= finished;
  starved_ = leftover_count_ > 0;

  const std::size_t moved = slots - free_.size();
  const std::uint64_t end_ns = now_ns();
  outlet_.hand_on(end_ns);
  give_back_free();
  if (moved > 0) clock.end(end_ns, moved);
  return moved;
}

}  // namespace cpss
