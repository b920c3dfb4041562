#include "stages/receive/host_addresses.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <span>

namespace cpss {
namespace {

// A host with many addresses gets room for more of them (the constructor); the others get 24 KiB.
constexpr std::size_t kMinCapacity = 1'024;

std::size_t size_of(const LocalAddressSet& set) {
  return set.addresses().size() + set.broadcasts().size() + set.networks().size();
}

constexpr std::size_t kHeadBytes = 64;  // a cache line
constexpr unsigned kOfOneAddress = 128;

}  // namespace

HostAddresses::HostAddresses(const LocalAddressSet& now, Sharing sharing)
    : capacity_(std::max(kMinCapacity, 4 * size_of(now))),
      memory_(kHeadBytes + capacity_ * sizeof(Entry), sharing, "host-addresses"),
      head_(new (memory_.data()) Head{}),
      words_(reinterpret_cast<Word*>(memory_.data() + kHeadBytes)) {
  static_assert(sizeof(Head) <= kHeadBytes && sizeof(Word) == sizeof(std::uint64_t) &&
                Word::is_always_lock_free);
  std::uninitialized_value_construct_n(words_, capacity_ * Entry().size());
  publish(now);
}

bool HostAddresses::publish(const LocalAddressSet& now) noexcept {
  static const LocalAddressSet kNone;
  const bool fits = size_of(now) <= capacity_;
  const LocalAddressSet& set = fits ? now : kNone;
  const auto counted = [](std::atomic<std::uint32_t>& count, std::size_t value) {
    count.store(static_cast<std::uint32_t>(value), std::memory_order_release);
  };
  const std::uint64_t version = head_->version.load(std::memory_order_relaxed);
  head_->version.store(version + 1, std::memory_order_relaxed);
  counted(head_->addresses, set.addresses().size());
  counted(head_->broadcasts, set.broadcasts().size());
  counted(head_->networks, set.networks().size());
  head_->too_many.store(!fits, std::memory_order_release);
  std::size_t place = 0;
  for (const IpAddress& ip : set.addresses()) write(place++, ip, kOfOneAddress);
  for (const IpAddress& ip : set.broadcasts()) write(place++, ip, kOfOneAddress);
  for (const Prefix& network : set.networks()) write(place++, network.ip, network.length);
  head_->version.store(version + 2, std::memory_order_release);
  return fits;
}

void HostAddresses::write(std::size_t place, const IpAddress& ip, unsigned length) noexcept {
  Entry entry{};
  std::memcpy(entry.data(), ip.bytes.data(), sizeof ip.bytes);
  entry.back() = length;
  for (std::size_t word = 0; word < entry.size(); ++word)
    words_[place * entry.size() + word].store(entry[word], std::memory_order_release);
}

Prefix HostAddresses::read(std::size_t place) const noexcept {
  Entry entry;
  for (std::size_t word = 0; word < entry.size(); ++word)
    entry[word] = words_[place * entry.size() + word].load(std::memory_order_acquire);
  Prefix prefix;
  std::memcpy(prefix.ip.bytes.data(), entry.data(), sizeof prefix.ip.bytes);
  prefix.length = static_cast<unsigned>(std::min<std::uint64_t>(entry.back(), kOfOneAddress));
  return prefix;
}

HostAddressCopy::HostAddressCopy(const HostAddresses& source) : source_(source) {
  held_.reserve(source.capacity_);
  addresses_.reserve(source.capacity_);
  networks_.reserve(source.capacity_);
  while (version_ == 0) read();
}

void HostAddressCopy::read() noexcept {
  const HostAddresses::Head& head = *source_.head_;
  const std::uint64_t version = head.version.load(std::memory_order_acquire);
  if (version % 2 != 0) return;
  const std::size_t addresses = head.addresses.load(std::memory_order_acquire);
  const std::size_t both = addresses + head.broadcasts.load(std::memory_order_acquire);
  const std::size_t all = both + head.networks.load(std::memory_order_acquire);
  const bool too_many = head.too_many.load(std::memory_order_acquire);
  if (all > source_.capacity_) return;  // counts of two publications
  addresses_.clear();
  networks_.clear();
  for (std::size_t place = 0; place < all; ++place) {
    const Prefix entry = source_.read(place);
    if (place < both)
      addresses_.push_back(entry.ip);
    else
      networks_.push_back(entry);
  }
  if (head.version.load(std::memory_order_relaxed) != version) return;
  version_ = version;
  too_many_ = too_many;
  const std::span read(addresses_);
  held_.assign_sorted(read.first(addresses), read.subspan(addresses), networks_);
}

}  // namespace cpss
