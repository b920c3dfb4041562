#include "server/daemon/address_follower.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "server/daemon/log.h"

namespace cpss {
namespace {

constexpr std::chrono::seconds kBeforeAnotherTry{1};

// For instance ` +10.0.0.5 -10.0.0.4`; names at most kMaxNamed addresses.
std::string difference(const LocalAddressSet& before, const LocalAddressSet& after) {
  constexpr std::size_t kMaxNamed = 8;
  const auto only_in = [](const LocalAddressSet& a, const LocalAddressSet& b) {
    std::vector<IpAddress> only;
    std::ranges::set_difference(a.addresses(), b.addresses(), std::back_inserter(only));
    return only;
  };
  std::string text;
  std::size_t named = 0;
  const auto name = [&](char sign, const std::vector<IpAddress>& list) {
    for (const IpAddress& ip : list)
      if (named++ < kMaxNamed) text += fmt::format(" {}{}", sign, ip.to_string());
  };
  name('+', only_in(after, before));
  name('-', only_in(before, after));
  if (named == 0) return " networks or broadcast addresses";
  if (named > kMaxNamed) text += fmt::format(" and {} more", named - kMaxNamed);
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

AddressFollower::AddressFollower()
    : now_(LocalAddressSet::of_this_host()),
      reading_("addresses", &LocalAddressSet::of_this_host) {}

void AddressFollower::serve(AccessControl& access_control, std::vector<SocketAddress> own,
                            std::optional<SocketAddress> reply_address) {
  access_control_ = &access_control;
  own_ = std::move(own);
  reply_address_ = reply_address;
}

void AddressFollower::tick() {
  if (reading_.collect() && take_what_was_read()) publish();
  if (watch_.may_have_changed()) out_of_date_ = true;
  const auto now = std::chrono::steady_clock::now();
  if (!out_of_date_ || reading_.under_way() || now < next_try_) return;
  out_of_date_ = false;  // changes from here on may not be in this reading: the next tick sees them
  if (const int error = reading_.begin(); error != 0) failed(error);
}

// Returns whether there is something new.
bool AddressFollower::take_what_was_read() {
  if (reading_.error() != 0) {
    failed(reading_.error());
    return false;
  }
  unreadable_ = false;
  LocalAddressSet& read = reading_.value();
  if (read == now_) return false;
  log::info("the addresses of this host have changed:" + difference(now_, read));
  now_ = std::move(read);
  return true;
}

void AddressFollower::failed(int error) {
  out_of_date_ = true;
  next_try_ = std::chrono::steady_clock::now() + kBeforeAnotherTry;
  if (std::exchange(unreadable_, true)) return;
  log::warning(
      fmt::format("cannot list the addresses of this host: {}: those known so far stay until they "
                  "can be listed, which is tried once a second; this is said once until then",
                  std::strerror(error)));
}

void AddressFollower::publish() {
  if (access_control_ == nullptr) return;
  const bool fits = access_control_->host().publish(now_);
  if (!fits && !std::exchange(too_many_, true))
    log::warning(
        "this host has several times as many addresses as when the server started: until the next "
        "start requests from a port of ours are refused, whatever their address");
  too_many_ = !fits;
  look_at_reply_address();
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
