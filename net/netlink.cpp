#include "net/netlink.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <system_error>
#include <vector>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/file_descriptor.h"

namespace cpss::netlink {
namespace {

// Time limit for each part of the answer: the kernel has it ready once it has taken the request.
constexpr timeval kLongestReceive{1, 0};

[[noreturn]] void fail(int error) {
  throw std::system_error(error, std::generic_category(), "a table of the kernel (netlink)");
}

// Heads, messages and attributes begin at multiples of 4.
constexpr std::size_t aligned(std::size_t bytes) {
  return (bytes + 3) / 4 * 4;
}

// An answer is a row of messages, and each message holds a row of attributes. item_at() returns the
// item of the row that begins at `at`; its head says its length. nullopt at the end of the row, and
// if the length cannot be right: we do not trust the kernel's lengths.
template <typename Head>
struct Item {
  Head head;
  Bytes value;      // behind the head
  std::size_t end;  // where the next one begins
};
template <typename Head, typename Length>
std::optional<Item<Head>> item_at(Bytes row, std::size_t at, Length Head::*length) {
  Head head;
  if (at > row.size() || !begin_with(row.subspan(at), head)) return std::nullopt;
  if (head.*length < sizeof head || head.*length > row.size() - at) return std::nullopt;
  const Bytes all = row.subspan(at, head.*length);
  return Item<Head>{head, all.subspan(std::min(aligned(sizeof head), all.size())),
                    at + aligned(all.size())};
}

void ask(int netlink, std::uint16_t type, Bytes request) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + request.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  std::vector<std::byte> message(header.nlmsg_len);
  std::memcpy(message.data(), &header, sizeof header);
  std::ranges::copy(request, message.begin() + sizeof header);
  if (::send(netlink, message.data(), message.size(), 0) < 0) fail(errno);
}

// Throws the error in an NLMSG_ERROR, or in an NLMSG_DONE that says that the kernel could not read
// the table to its end.
void throw_if_error(std::uint16_t type, Bytes value) {
  int error = 0;
  if (!begin_with(value, error) && type == NLMSG_ERROR) fail(EPROTO);
  if (error < 0) fail(-error);
}

// Returns false if this part has the last message of the answer.
bool read_part(Bytes part, const OnItem& on_message) {
  std::size_t at = 0;
  while (const auto message = item_at(part, at, &nlmsghdr::nlmsg_len)) {
    at = message->end;
    const std::uint16_t type = message->head.nlmsg_type;
    if (type == NLMSG_DONE || type == NLMSG_ERROR) {
      throw_if_error(type, message->value);
      return false;
    }
    on_message(type, message->value);
  }
  return true;
}

}  // namespace

void dump(std::uint16_t type, Bytes request, const OnItem& on_message) {
  const FileDescriptor netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (netlink.get() < 0) fail(errno);
  const int on = 1;
  ::setsockopt(netlink.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  ::setsockopt(netlink.get(), SOL_SOCKET, SO_RCVTIMEO, &kLongestReceive, sizeof kLongestReceive);
  ask(netlink.get(), type, request);
  std::array<std::byte, 32768> part;  // the largest that the kernel sends
  for (bool more = true; more;) {
    const ssize_t size = ::recv(netlink.get(), part.data(), part.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) fail(size == 0 ? EPROTO : errno == EAGAIN ? ETIMEDOUT : errno);
    more = read_part(Bytes(part).first(static_cast<std::size_t>(size)), on_message);
  }
}

void for_each_attribute(Bytes row, const OnItem& on_attribute) {
  constexpr auto kTypeBits = static_cast<std::uint16_t>(~(NLA_F_NESTED | NLA_F_NET_BYTEORDER));
  std::size_t at = 0;
  while (const auto attribute = item_at(row, at, &rtattr::rta_len)) {
    at = attribute->end;
    on_attribute(attribute->head.rta_type & kTypeBits, attribute->value);
  }
}

}  // namespace cpss::netlink
