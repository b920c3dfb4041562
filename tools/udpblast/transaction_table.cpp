#include "tools/udpblast/transaction_table.h"

#include <algorithm>

namespace cpss::udpblast {
namespace {

constexpr unsigned kSlotBits = 24;
constexpr std::uint64_t kSlotMask = kMostSlots - 1;
static_assert(kMostSlots == std::uint64_t{1} << kSlotBits);
static_assert(kMostMessages << kSlotBits == 0, "message number and slot fill an id");

// Odd, so it has an inverse; with many bits set, so that a change in any bit of an id changes the
// message number it decodes to.
constexpr std::uint64_t kScatter = 0x9e3779b97f4a7c15;

// Newton's iteration: each round doubles the number of right bits, of which 3 are right at first.
constexpr std::uint64_t inverse_of(std::uint64_t odd) {
  std::uint64_t inverse = odd;
  for (int round = 0; round < 5; ++round) inverse *= 2 - odd * inverse;
  return inverse;
}
constexpr std::uint64_t kGather = inverse_of(kScatter);
static_assert(kScatter * kGather == 1);

}  // namespace

TransactionTable::TransactionTable(std::uint32_t most_outstanding, std::uint32_t remembered,
                                   std::uint64_t timeout_ns, std::uint64_t seed)
    : slots_(most_outstanding + remembered), timeout_ns_(timeout_ns), seed_(seed) {
  for (auto i = static_cast<std::uint32_t>(slots_.size()); i-- > 0;) give_free(i);
}

std::uint64_t TransactionTable::open(std::uint64_t message, std::uint32_t client,
                                     std::uint64_t now_ns) noexcept {
  const std::uint32_t index = take_free();
  Slot& slot = slots_[index];
  slot.transaction = encode(message, index);
  slot.sent_ns = now_ns;
  slot.client = client;
  slot.state = State::under_way;
  append(under_way_, index);
  ++outstanding_;
  highest_message_ = std::max(highest_message_, message + 1);
  return slot.transaction;
}

void TransactionTable::take_back(std::uint64_t transaction) noexcept {
  const std::uint32_t index = decode(transaction).slot;
  remove(under_way_, index);
  give_free(index);
  --outstanding_;
}

TransactionTable::Reply TransactionTable::close(std::uint64_t transaction, std::uint32_t client,
                                                std::uint64_t now_ns) noexcept {
  const auto [message, index] = decode(transaction);
  if (message >= highest_message_ || index >= slots_.size()) return {Match::unknown, 0, 0};
  Slot& slot = slots_[index];
  if (slot.transaction != transaction) return {Match::duplicate, message, 0};
  if (slot.client != client) return {Match::unknown, 0, 0};
  const std::uint64_t age_ns = now_ns - slot.sent_ns;
  switch (slot.state) {
    case State::under_way:
      remove(under_way_, index);
      give_free(index);
      --outstanding_;
      return {Match::in_time, message, age_ns};
    case State::timed_out:
      slot.state = State::answered_late;
      --awaited_late_;
      return {Match::late, message, age_ns};
    case State::free:
    case State::answered_late:
      break;
  }
  return {Match::duplicate, message, age_ns};
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
  return Expired{decode(slot.transaction).message, slot.transaction, slot.client, slot.sent_ns};
}

std::optional<std::uint64_t> TransactionTable::next_deadline_ns() const noexcept {
  if (under_way_.first == kNone) return std::nullopt;
  return slots_[under_way_.first].sent_ns + timeout_ns_ + 1;
}

std::uint64_t TransactionTable::encode(std::uint64_t message, std::uint32_t slot) const noexcept {
  return (message << kSlotBits | slot) * kScatter + seed_;
}

TransactionTable::Decoded TransactionTable::decode(std::uint64_t transaction) const noexcept {
  const std::uint64_t plain = (transaction - seed_) * kGather;
  return {plain >> kSlotBits, static_cast<std::uint32_t>(plain & kSlotMask)};
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
  if (free_ == kNone) {
    const std::uint32_t oldest = past_time_out_.first;
    if (slots_[oldest].state == State::timed_out) --awaited_late_;
    remove(past_time_out_, oldest);
    return oldest;
  }
  const std::uint32_t index = free_;
  free_ = slots_[index].next;
  return index;
}

void TransactionTable::give_free(std::uint32_t index) noexcept {
  slots_[index].state = State::free;
  slots_[index].next = free_;
  free_ = index;
}

}  // namespace cpss::udpblast
