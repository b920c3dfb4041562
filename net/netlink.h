// Reads the kernel's network tables, each as a whole (netlink(7), rtnetlink(7)).
//
// Any thread. May wait: for some tables the kernel takes its lock of all network configuration
// (RTNL), which other processes may hold for long; our time limit does not apply to that wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>

namespace cpss::netlink {

using Bytes = std::span<const std::byte>;
// Gets one message or attribute: its type, and its content.
using OnItem = std::function<void(std::uint16_t type, Bytes value)>;

// Asks for a table (RTM_GET..., NLM_F_DUMP) and gives each message of the answer to `on_message`,
// without its head. `request`: an ndmsg, an rtmsg ... that says what is wanted. The kernel filters
// by it as far as it can (NETLINK_GET_STRICT_CHK, since Linux 4.20), so `on_message` has to check
// what it gets. Throws std::system_error with the kernel's reason; by then `on_message` may have
// got a part of the table.
void dump(std::uint16_t type, Bytes request, const OnItem& on_message);

// Calls `on_attribute` for each attribute (rtattr) in `row`, where they lie one after the other.
void for_each_attribute(Bytes row, const OnItem& on_attribute);

// Takes `value` from the beginning of `bytes`; false: there are too few.
template <typename Value>
bool begin_with(Bytes bytes, Value& value) noexcept {
  if (bytes.size() < sizeof value) return false;
  std::memcpy(&value, bytes.data(), sizeof value);
  return true;
}

// The part of a message behind its fixed head, which has the type `Head`.
template <typename Head>
Bytes behind(Bytes message) noexcept {
  static_assert(sizeof(Head) % 4 == 0, "attributes begin at multiples of 4");
  return message.subspan(message.size() < sizeof(Head) ? message.size() : sizeof(Head));
}

}  // namespace cpss::netlink
