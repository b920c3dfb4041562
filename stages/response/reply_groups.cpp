#include "stages/response/reply_groups.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "net/segmentation.h"

namespace cpss {
namespace {

bool belong_together(const OutgoingDatagram& a, const OutgoingDatagram& b) noexcept {
  return a.size == b.size && leaves_the_same_way(a, b);
}

// Hashes peer and length alone; local addresses are few.
std::size_t hash_of(const OutgoingDatagram& reply) noexcept {
  std::uint64_t words[4] = {};
  static_assert(sizeof(SocketAddress) <= sizeof words);
  std::memcpy(words, reply.peer->data(), reply.peer->size());
  std::uint64_t mixed = reply.size;
  for (const std::uint64_t word : words) {
    mixed ^= word;
    mixed *= 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio: spreads the low bits upwards
    mixed ^= mixed >> 32;
  }
  return static_cast<std::size_t>(mixed);
}

}  // namespace

ReplyGroups::ReplyGroups(std::size_t batch)
    : table_(std::bit_ceil(2 * batch)),
      group_(batch),
      place_(batch),
      replies_(batch),
      messages_(batch) {
  groups_.reserve(batch);
}

void ReplyGroups::gather(std::span<OutgoingDatagram> replies,
                         std::span<PendingReply> messages) noexcept {
  // Most batches are of one peer, and end here; or of peers in turn with nothing to bring together,
  // and end at in_order below.
  const auto differs = [](const OutgoingDatagram& a, const OutgoingDatagram& b) {
    return !belong_together(a, b);
  };
  if (std::ranges::adjacent_find(replies, differs) == replies.end()) return;

  std::ranges::fill(table_, std::uint16_t{0});
  groups_.clear();
  bool in_order = true;
  for (std::size_t i = 0; i < replies.size(); ++i) {
    const bool like_the_last = i > 0 && belong_together(replies[i - 1], replies[i]);
    group_[i] = like_the_last ? group_[i - 1] : group_of(replies, static_cast<std::uint16_t>(i));
    ++groups_[group_[i]].size;
    // In order as long as every reply belongs to the newest group.
    in_order = in_order && group_[i] + 1U == groups_.size();
  }
  if (in_order) return;

  std::uint16_t begin = 0;
  for (std::size_t group = 0; group < groups_.size(); ++group) {
    place_[group] = begin;
    begin = static_cast<std::uint16_t>(begin + groups_[group].size);
  }
  for (std::size_t i = 0; i < replies.size(); ++i) {
    const std::uint16_t to = place_[group_[i]]++;
    replies_[to] = replies[i];
    messages_[to] = messages[i];
  }
  std::copy_n(replies_.begin(), replies.size(), replies.begin());
  std::copy_n(messages_.begin(), messages.size(), messages.begin());
}

std::uint16_t ReplyGroups::group_of(std::span<const OutgoingDatagram> replies,
                                    std::uint16_t reply) noexcept {
  const std::size_t mask = table_.size() - 1;
  for (std::size_t at = hash_of(replies[reply]) & mask;; at = (at + 1) & mask) {
    if (table_[at] == 0) {
      groups_.push_back({reply, 0});
      table_[at] = static_cast<std::uint16_t>(groups_.size());
      return static_cast<std::uint16_t>(groups_.size() - 1);
    }
    const auto group = static_cast<std::uint16_t>(table_[at] - 1);
    if (belong_together(replies[groups_[group].first], replies[reply])) return group;
  }
}

}  // namespace cpss
