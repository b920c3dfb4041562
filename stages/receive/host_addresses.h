// The addresses of this host as the lanes know them: the main thread publishes them, and each lane
// has its own copy, which it renews before a batch if there is a new publication.
//
//   main ─ publish() ─► version, words ◄─ refresh() ─ a lane's copy, of this process or another
//
// A lane that finds nothing new pays for one load of a word that hardly ever changes. A lane that
// comes while main writes keeps its copy and looks again with its next batch: no lane ever waits,
// and main waits for no lane. With copies no old publication has to be kept for lanes that may
// still read it, and there is nothing to free.
//
// Invariant: `version` is even and rises by two with each publication; it is odd while main writes
// the words. Memory orders: main stores each word with release after it has made `version` odd, and
// the lane loads it with acquire. So a lane that has loaded a word of a later publication finds
// another `version` afterwards, and throws away all that it has read. Main stores `version` with
// release when the words are complete, and the lane loads it with acquire before it reads them.
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
  // Has room for several times as many addresses as there are `now`. Throws std::bad_alloc,
  // std::system_error.
  HostAddresses(const LocalAddressSet& now, Sharing sharing);

  // Main thread. False: there are more addresses than there is room for. From then on every address
  // counts as one of this host. So the server never answers its own datagrams, but it also refuses
  // peers that use a port of ours.
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
  // An address, or the first address of a network, and the bits that all its addresses share.
  using Entry = std::array<std::uint64_t, 3>;

  void write(std::size_t place, const IpAddress& ip, unsigned length) noexcept;
  Prefix read(std::size_t place) const noexcept;

  const std::size_t capacity_;  // entries: addresses, then broadcast addresses, then networks
  Memory memory_;
  Head* head_;
  Word* words_;
};

// Used by one thread at a time: the lane's. Allocates nothing after its construction.
class HostAddressCopy {
 public:
  // Copies the addresses published now, and waits for a publication under way.
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
  std::vector<IpAddress> addresses_;  // as read, before they are known to be of one publication
  std::vector<Prefix> networks_;
};

}  // namespace cpss
