// Which peers can be reached: a map from address to Reach. Lanes need it to choose which replies
// may take the room in a scarce send buffer; it is made anew from the kernel's neighbour tables
// (neighbours.h) while they do.
//
// Its answers are guesses: the map may be a few hundred milliseconds old, and a reader that two
// publications overtake reads a mixture of both. A map that is older than kValid, or was never
// published, says `open` for every peer.
//
// One writer at a time; any number of readers, in any process that shares the memory. Readers never
// wait and take constant time. Every cell is an atomic of its own, relaxed: publish() hands them
// over with one release store, whose partner is the acquire in of().
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "net/address.h"

namespace cpss {

enum class Reach : std::uint8_t {
  open,     // it has answered the kernel, or the way to it does not depend on that (a gateway)
  unknown,  // its address is in a network of ours, and the kernel knows nothing about it
  silent,   // the kernel has asked for its hardware address and got no answer
};

class ReachMap {
 public:
  static constexpr std::size_t kMaxPeers = 6144;
  static constexpr std::size_t kMaxNetworks = 64;
  static constexpr std::chrono::nanoseconds kValid = std::chrono::seconds(1);

  // `secret`: an attacker who knows it can make up addresses that the map takes for other peers'.
  explicit ReachMap(std::uint64_t secret) noexcept
      : secret_(secret), factor_((secret * 0x9e3779b97f4a7c15u) | 1) {}  // odd: no bit is lost
  ReachMap(const ReachMap&) = delete;
  ReachMap& operator=(const ReachMap&) = delete;

  // `now_ns`: CLOCK_MONOTONIC.
  Reach of(const IpAddress& peer, std::uint64_t now_ns) const noexcept;

  // The writer calls begin(), then add() and add_network(), then publish(). Peers and networks that
  // find no room are left out: such peers are `unknown`, peers in such networks `open`.
  void begin() noexcept;
  // If a peer is added twice (by two interfaces), the better Reach counts.
  void add(const IpAddress& peer, Reach reach) noexcept;
  void add_network(const Prefix& network) noexcept;  // peers in it are `unknown` if not added
  void publish(std::uint64_t now_ns) noexcept;

 private:
  static constexpr std::size_t kCells = 8192;  // a power of two

  struct Network {
    std::array<std::atomic<std::uint64_t>, 2> ip{};  // its bytes
    std::atomic<std::uint32_t> length{0};            // bits of the 16-byte form
  };
  struct Edition {
    // {hash of the peer, Reach + 1}, at the hash or in the next empty cell behind it; 0: empty.
    std::array<std::atomic<std::uint64_t>, kCells> cells{};
    std::array<Network, kMaxNetworks> networks{};
    std::atomic<std::uint32_t> network_count{0};
  };

  std::uint64_t hash_of(const IpAddress& peer) const noexcept;
  static bool in_network(const Edition& edition, const IpAddress& peer) noexcept;
  Edition& next_edition() noexcept {
    return editions_[1 - current_.load(std::memory_order_relaxed)];
  }

  const std::uint64_t secret_;
  const std::uint64_t factor_;
  std::atomic<std::uint32_t> current_{0};
  std::atomic<std::uint64_t> published_ns_{0};  // 0: never
  std::size_t peers_ = 0;                       // the writer alone: peers in its edition
  std::array<Edition, 2> editions_;
};

}  // namespace cpss
