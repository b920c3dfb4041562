// The addresses of this host as the lanes know them: the main thread publishes them, each lane has
// a copy of its own, which it renews once a batch if there is something new.
//
//   main ─ publish() ─► version, words ◄─ refresh() ─ a lane's copy, of this process or another
//
// A lane that finds nothing new pays for one load of a word that hardly ever changes. One that
// comes while something is being written keeps what it has and looks again with its next batch: no
// lane ever waits, nor is one waited for. Copies take the place of generations that would have to
// be kept for as long as somebody may read them; there is nothing to free.
//
// Invariant: `version` is even and rises by two with each publication; it is odd while the words
// are written. Memory orders: each word is stored with release after `version` has become odd, and
// loaded with acquire; so a lane that has loaded a word of a later publication finds another
// `version` afterwards, and throws away what it has read. `version` is stored with release when the
// words are complete, and loaded with acquire before they are read.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "net/local_addresses.h"
#include "stages/message/memory.h"

namespace cpss {

class HostAddresses {
 public:
  // There is room for several times as many as there are `now`. Throws std::bad_alloc,
  // std::system_error.
  HostAddresses(const LocalAddressSet& now, Sharing sharing);

  // Main thread. False: there are more than there is room for, so that from now on every address is
  // taken for one of this host: its own datagrams are never answered, at the price of peers that
  // use a port of ours.
  bool publish(const LocalAddressSet& now) noexcept;

 private:
  friend class HostAddressCopy;
  struct Head {
    std::atomic<std::uint64_t> version;
    std::atomic<std::uint32_t> addresses;
    std::atomic<std::uint32_t> broadcasts;
    std::atomic<std::uint32_t> networks;
    std::atomic<bool> too_many;
  };
  using Word = std::atomic<std::uint64_t>;
  // An address, or a network's first one, and the bits that its addresses share.
  using Entry = std::array<std::uint64_t, 3>;

  void write(std::size_t place, const IpAddress& ip, unsigned length) noexcept;
  Prefix read(std::size_t place) const noexcept;

  const std::size_t capacity_;  // entries: addresses, then broadcast addresses, then networks
  Memory memory_;
  Head* head_;
  Word* words_;
};

// One thread at a time: a lane's. Allocates nothing after its construction.
class HostAddressCopy {
 public:
  // Has what is published now, for which it waits if need be.
  explicit HostAddressCopy(const HostAddresses& source);

  // Once a batch.
  void refresh() noexcept {
    if (source_.head_->version.load(std::memory_order_acquire) != version_) read();
  }

  bool contains(const IpAddress& address) const noexcept {
    return too_many_ || held_.contains(address);
  }
  bool is_network_broadcast(const IpAddress& address) const noexcept {
    return held_.is_network_broadcast(address);
  }

 private:
  void read() noexcept;

  const HostAddresses& source_;
  std::uint64_t version_ = 0;
  bool too_many_ = false;
  LocalAddressSet held_;
  std::vector<IpAddress> addresses_;  // as they are read, before they are known to be whole
  std::vector<Prefix> networks_;
};

}  // namespace cpss
