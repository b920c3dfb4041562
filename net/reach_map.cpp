#include "net/reach_map.h"

#include <cstring>

namespace cpss {
namespace {

constexpr std::uint64_t kReachMask = 3;

constexpr std::uint64_t code_of(Reach reach) noexcept {
  return static_cast<std::uint64_t>(reach) + 1;
}
constexpr Reach reach_in(std::uint64_t cell) noexcept {
  return static_cast<Reach>((cell & kReachMask) - 1);
}

__extension__ using Product = unsigned __int128;

std::uint64_t folded_product(std::uint64_t a, std::uint64_t b) noexcept {
  const Product product = Product{a} * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::array<std::uint64_t, 2> words_of(const IpAddress& ip) noexcept {
  std::array<std::uint64_t, 2> words;
  static_assert(sizeof words == sizeof ip.bytes);
  std::memcpy(words.data(), ip.bytes.data(), sizeof words);
  return words;
}

}  // namespace

// The bits that a cell has for Reach are 0 in the hash. The factor is secret, too: with a known one
// there are pairs of addresses that have the same hash, whatever is mixed in before it.
std::uint64_t ReachMap::hash_of(const IpAddress& peer) const noexcept {
  std::uint64_t mixed = secret_;
  for (const std::uint64_t word : words_of(peer)) mixed = folded_product(mixed ^ word, factor_);
  return mixed & ~kReachMask;
}

Reach ReachMap::of(const IpAddress& peer, std::uint64_t now_ns) const noexcept {
  const std::uint64_t published = published_ns_.load(std::memory_order_relaxed);
  // `now_ns` may be a little earlier: the clocks of two CPUs differ, or the batch began before the
  // publication.
  if (published == 0 || (now_ns > published && now_ns - published > std::uint64_t{kValid.count()}))
    return Reach::open;
  const Edition& edition = editions_[current_.load(std::memory_order_acquire)];
  const std::uint64_t hash = hash_of(peer);
  // Bounded, since the writer may be changing this edition by now.
  for (std::size_t i = 0; i < kCells; ++i) {
    const std::uint64_t cell =
        edition.cells[((hash >> 2) + i) % kCells].load(std::memory_order_relaxed);
    if (cell == 0) break;
    if ((cell & ~kReachMask) == hash) return reach_in(cell);
  }
  return in_network(edition, peer) ? Reach::unknown : Reach::open;
}

bool ReachMap::in_network(const Edition& edition, const IpAddress& peer) noexcept {
  const std::uint32_t count = edition.network_count.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < count; ++i) {
    const Network& network = edition.networks[i];
    const std::array<std::uint64_t, 2> words = {network.ip[0].load(std::memory_order_relaxed),
                                                network.ip[1].load(std::memory_order_relaxed)};
    Prefix prefix;
    std::memcpy(prefix.ip.bytes.data(), words.data(), sizeof words);
    prefix.length = network.length.load(std::memory_order_relaxed);
    if (prefix.contains(peer)) return true;
  }
  return false;
}

void ReachMap::begin() noexcept {
  Edition& edition = next_edition();
  for (auto& cell : edition.cells) cell.store(0, std::memory_order_relaxed);
  edition.network_count.store(0, std::memory_order_relaxed);
  peers_ = 0;
}

void ReachMap::add(const IpAddress& peer, Reach reach) noexcept {
  Edition& edition = next_edition();
  const std::uint64_t hash = hash_of(peer);
  for (std::size_t i = hash >> 2;; ++i) {
    auto& cell = edition.cells[i % kCells];
    const std::uint64_t there = cell.load(std::memory_order_relaxed);
    const bool the_same = (there & ~kReachMask) == hash && there != 0;
    if (there != 0 && !the_same) continue;
    if (there == 0 && peers_ == kMaxPeers) return;
    if (there == 0) ++peers_;
    if (there == 0 || reach < reach_in(there))
      cell.store(hash | code_of(reach), std::memory_order_relaxed);
    return;
  }
}

void ReachMap::add_network(const Prefix& network) noexcept {
  Edition& edition = next_edition();
  const std::uint32_t count = edition.network_count.load(std::memory_order_relaxed);
  if (count == kMaxNetworks) return;
  const auto words = words_of(network.ip);
  for (std::size_t i = 0; i < words.size(); ++i)
    edition.networks[count].ip[i].store(words[i], std::memory_order_relaxed);
  edition.networks[count].length.store(network.length, std::memory_order_relaxed);
  edition.network_count.store(count + 1, std::memory_order_relaxed);
}

void ReachMap::publish(std::uint64_t now_ns) noexcept {
  current_.store(1 - current_.load(std::memory_order_relaxed), std::memory_order_release);
  published_ns_.store(now_ns, std::memory_order_relaxed);
}

}  // namespace cpss
