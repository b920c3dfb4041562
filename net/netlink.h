// The kernel's tables of the network, read whole (netlink(7), rtnetlink(7)).
//
// Any thread. May wait: to make some of them the kernel takes its lock of all network configuration
// (RTNL), which others may hold for long; no time limit of ours holds there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>

namespace cpss::netlink {

using Bytes = std::span<const std::byte>;
// One of a row: its type, and what it holds.
using OnItem = std::function<void(std::uint16_t type, Bytes value)>;

// Asks for a table (RTM_GET..., NLM_F_DUMP) and gives each message of the answer to `on_message`,
// without its head. `request`: an ndmsg, an rtmsg ... by which the kernel leaves out what is not
// wanted, as far as it can (NETLINK_GET_STRICT_CHK, since Linux 4.20): what comes has to be looked
// at all the same. Throws std::system_error with the kernel's reason; then part of the table may
// have been given.
void dump(std::uint16_t type, Bytes request, const OnItem& on_message);

// For each attribute (rtattr) of a row of them.
void for_each_attribute(Bytes row, const OnItem& on_attribute);

// The value that `bytes` begin with; false: they are too few.
template <typename Value>
bool begin_with(Bytes bytes, Value& value) noexcept {
  if (bytes.size() < sizeof value) return false;
  std::memcpy(&value, bytes.data(), sizeof value);
  return true;
}

// What follows a fixed head of type `Head` in a message.
template <typename Head>
Bytes behind(Bytes message) noexcept {
  static_assert(sizeof(Head) % 4 == 0, "attributes begin at multiples of 4");
  return message.subspan(message.size() < sizeof(Head) ? message.size() : sizeof(Head));
}

}  // namespace cpss::netlink
