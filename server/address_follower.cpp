#include "server/address_follower.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "server/log.h"

namespace cpss {
namespace {

// ` +10.0.0.5 -10.0.0.4`, not without end.
std::string difference(const LocalAddressSet& before, const LocalAddressSet& after) {
  constexpr std::size_t kMostNamed = 8;
  const auto only_in = [](const LocalAddressSet& a, const LocalAddressSet& b) {
    std::vector<IpAddress> only;
    std::ranges::set_difference(a.addresses(), b.addresses(), std::back_inserter(only));
    return only;
  };
  std::string text;
  std::size_t named = 0;
  const auto name = [&](char sign, const std::vector<IpAddress>& list) {
    for (const IpAddress& ip : list)
      if (named++ < kMostNamed) text += fmt::format(" {}{}", sign, ip.to_string());
  };
  name('+', only_in(after, before));
  name('-', only_in(before, after));
  if (named == 0) return " networks or broadcast addresses";
  if (named > kMostNamed) text += fmt::format(" and {} more", named - kMostNamed);
  return text;
}

}  // namespace

const SocketAddress* own_address_for(const SocketAddress& to, std::span<const SocketAddress> own,
                                     const LocalAddressSet& host) {
  const auto takes = [&](const SocketAddress& address) {
    const bool family = to.family() == address.family() || address.family() == AF_INET6;
    return address.port() == to.port() &&
           (address.ip() == to.ip() ||
            (address.ip().is_unspecified() && family && host.contains(to.ip())));
  };
  const auto found = std::ranges::find_if(own, takes);
  return found == own.end() ? nullptr : &*found;
}

void AddressFollower::serve(Admission& admission, std::vector<SocketAddress> own,
                            std::optional<SocketAddress> reply_address) {
  admission_ = &admission;
  own_ = std::move(own);
  reply_address_ = reply_address;
}

void AddressFollower::tick() {
  if (!watch_.may_have_changed() || !read() || admission_ == nullptr) return;
  const bool fits = admission_->host().publish(now_);
  if (!fits && !std::exchange(too_many_, true))
    log::warning(
        "this host has several times as many addresses as when the server started: until the next "
        "start requests from a port of ours are refused, whatever their address");
  too_many_ = !fits;
  look_at_reply_address();
}

// Whether there is something new.
bool AddressFollower::read() {
  try {
    LocalAddressSet read = LocalAddressSet::of_this_host();
    unreadable_ = false;
    if (read == now_) return false;
    log::info("the addresses of this host have changed:" + difference(now_, read));
    now_ = std::move(read);
    return true;
  } catch (const std::system_error& error) {
    if (!std::exchange(unreadable_, true))
      log::warning(fmt::format("{}: those known so far stay; this is said once", error.what()));
    return false;
  }
}

void AddressFollower::look_at_reply_address() {
  if (!reply_address_) return;
  const SocketAddress* const own = own_address_for(*reply_address_, own_, now_);
  const bool before = std::exchange(replies_to_us_, own != nullptr);
  if (own != nullptr && !before)
    log::warning(
        fmt::format("CPSS_RESP_ADDR: {} is our own address now ({}): replies come back, and are "
                    "refused as requests of our own, until it is not",
                    reply_address_->to_string(), own->to_string()));
  if (own == nullptr && before)
    log::info(fmt::format("CPSS_RESP_ADDR: {} is not our own address any more",
                          reply_address_->to_string()));
}

}  // namespace cpss
