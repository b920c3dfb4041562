#include "tools/udpblast/transactions.h"

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

TransactionTable::TransactionTable(std::uint32_t max_outstanding, std::uint32_t remembered,
                                   std::uint64_t timeout_ns, std::uint64_t seed)
    : max_outstanding_(max_outstanding),
      slots_end_(max_outstanding + remembered),
      slots_(std::make_unique_for_overwrite<Slot[]>(slots_end_)),
      timeout_ns_(timeout_ns),
      ids_(seed) {}

std::uint64_t TransactionTable::open(std::uint64_t message, std::uint32_t client,
                                     std::uint64_t now_ns, std::uint64_t behind_ns) noexcept {
  const std::uint32_t index = take_free();
  Slot& slot = slots_[index];
  slot.transaction = ids_.encode(message, index);
  slot.sent_ns = now_ns;
  slot.planned_ns = now_ns - behind_ns;
  slot.client = client;
  slot.state = State::under_way;
  append(under_way_, index);
  ++outstanding_;
  highest_message_ = std::max(highest_message_, message + 1);
  return slot.transaction;
}

void TransactionTable::take_back(std::uint64_t transaction) noexcept {
  const std::uint32_t index = ids_.decode(transaction).slot;
  remove(under_way_, index);
  give_free(index);
  --outstanding_;
}

TransactionTable::Reply TransactionTable::close(std::uint64_t transaction, std::uint32_t client,
                                                std::uint64_t now_ns) noexcept {
  const auto [message, index] = ids_.decode(transaction);
  if (message >= highest_message_ || index >= used_) return {Match::unknown, 0, 0, 0};
  Slot& slot = slots_[index];
  if (slot.transaction != transaction) return {Match::duplicate, message, 0, 0};
  if (slot.client != client) return {Match::unknown, 0, 0, 0};
  const std::uint64_t age_ns = now_ns - slot.sent_ns;
  const std::uint64_t latency_ns = now_ns - slot.planned_ns;
  switch (slot.state) {
    case State::under_way:
      remove(under_way_, index);
      give_free(index);
      --outstanding_;
      return {Match::in_time, message, age_ns, latency_ns};
    case State::timed_out:
      slot.state = State::answered_late;
      --awaited_late_;
      return {Match::late, message, age_ns, latency_ns};
    case State::free:
    case State::answered_late:
      break;
  }
  return {Match::duplicate, message, age_ns, latency_ns};
}

std::optional<TransactionTable::Expired> TransactionTable::expire(std::uint64_t now_ns) noexcept {
  const std::uint32_t index = under_way_.first;
  if (index == kNone) return std::nullopt;
  Slot& slot = slots_[index];
  if (now_ns <= slot.sent_ns + timeout_ns_) return std::nullopt;
  remove(under_way_, index);
  append(past_time_out_, index);
  slot.state = State::timed_out;
  --outstanding_;
  ++awaited_late_;
  return Expired{ids_.decode(slot.transaction).message, slot.transaction, slot.client, slot.sent_ns,
                 slot.planned_ns};
}

std::optional<std::uint64_t> TransactionTable::next_deadline_ns() const noexcept {
  if (under_way_.first == kNone) return std::nullopt;
  return slots_[under_way_.first].sent_ns + timeout_ns_ + 1;
}

void TransactionTable::append(List& list, std::uint32_t index) noexcept {
  Slot& slot = slots_[index];
  slot.previous = list.last;
  slot.next = kNone;
  (list.last == kNone ? list.first : slots_[list.last].next) = index;
  list.last = index;
}

void TransactionTable::remove(List& list, std::uint32_t index) noexcept {
  const Slot& slot = slots_[index];
  (slot.previous == kNone ? list.first : slots_[slot.previous].next) = slot.next;
  (slot.next == kNone ? list.last : slots_[slot.next].previous) = slot.previous;
}

std::uint32_t TransactionTable::take_free() noexcept {
  if (free_ != kNone) {
    const std::uint32_t index = free_;
    free_ = slots_[index].next;
    return index;
  }
  if (used_ < slots_end_) return used_++;
  const std::uint32_t oldest = past_time_out_.first;
  if (slots_[oldest].state == State::timed_out) --awaited_late_;
  remove(past_time_out_, oldest);
  return oldest;
}

void TransactionTable::give_free(std::uint32_t index) noexcept {
  slots_[index].state = State::free;
  slots_[index].next = free_;
  free_ = index;
}

}  // namespace cpss::udpblast
