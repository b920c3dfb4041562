#include "tests/tools/udpblast/responder.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "services/native_wire.h"

namespace cpss::udpblast {
namespace {

constexpr std::size_t kDatagrams = 64;
constexpr std::size_t kWindow = 4096;
constexpr std::size_t kNoReply = 0;

void demand(bool good, const char* call) {
  if (!good) throw std::system_error(errno, std::generic_category(), call);
}

std::size_t native_reply(std::span<std::byte> window, std::size_t length, native::ReplyCode code,
                         std::string_view body) {
  native::Header header = *native::read_header(window.first(length));
  header.kind = static_cast<std::uint8_t>(native::Kind::reply);
  header.code = static_cast<std::uint16_t>(code);
  header.body_length = static_cast<std::uint16_t>(body.size());
  native::write_header(window, header);
  const std::size_t reply = std::max(length, native::kHeaderBytes + body.size());
  std::ranges::fill(window.first(reply).subspan(native::kHeaderBytes), std::byte{0});
  if (!body.empty()) std::memcpy(window.data() + native::kHeaderBytes, body.data(), body.size());
  return reply;
}

// Returns the new length.
std::size_t apply(Mischief mischief, std::span<std::byte> window, std::size_t length) {
  switch (mischief) {
    case Mischief::drop:
      return kNoReply;
    case Mischief::repeat:
    case Mischief::delay:
      return length;
    case Mischief::change_body:
      window[native::kHeaderBytes] ^= std::byte{1};
      return length;
    case Mischief::change_last:
      window[length - 1] ^= std::byte{1};
      return length;
    case Mischief::change_code:
      window[5] = static_cast<std::byte>(native::ReplyCode::internal_error);
      return length;
    case Mischief::busy:
      window[5] = static_cast<std::byte>(native::ReplyCode::busy);
      return length;
    case Mischief::cut_last:
      return length - 1;
    case Mischief::cut_to_header:
      return native::kHeaderBytes;
    case Mischief::cut_to_4:
      return 4;
    case Mischief::longer:
      window[length] = window[length + 1] = std::byte{0};
      return length + 2;
    case Mischief::unknown_id:
      window[15] ^= std::byte{1};
      return length;
    case Mischief::reply_as_request:
      window[3] = static_cast<std::byte>(native::Kind::request);
      return length;
  }
  return length;
}

}  // namespace

ReplyMaker echo_replies() {
  return [](std::span<std::byte>, std::size_t length) { return length; };
}

ReplyMaker ping_replies() {
  return [](std::span<std::byte> window, std::size_t length) {
    return native_reply(window, length, native::ReplyCode::found, {});
  };
}

ReplyMaker lookup_replies(std::map<std::string, std::string, std::less<>> rows) {
  return [rows = std::move(rows)](std::span<std::byte> window, std::size_t length) {
    const native::Header header = *native::read_header(window.first(length));
    const std::string_view number(
        reinterpret_cast<const char*>(window.data()) + native::kHeaderBytes, header.body_length);
    const auto row = rows.find(number);
    if (row == rows.end()) return native_reply(window, length, native::ReplyCode::not_found, {});
    return native_reply(window, length, native::ReplyCode::found, row->second);
  };
}

Responder::Responder(ReplyMaker maker, Plan plan, const char* ip)
    : maker_(std::move(maker)), plan_(std::move(plan)), stop_(::eventfd(0, EFD_CLOEXEC)) {
  SocketAddress address(*IpAddress::parse(ip), 0);
  socket_ = FileDescriptor(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  demand(socket_.valid() && stop_.valid(), "socket or eventfd");
  constexpr int kBuffer = 4 << 20;
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &kBuffer, sizeof kBuffer);
  demand(::bind(socket_.get(), address.data(), address.size()) == 0, "bind");
  socklen_t length = SocketAddress::kCapacity;
  demand(::getsockname(socket_.get(), address.data(), &length) == 0, "getsockname");
  port_ = address.port();
  thread_ = std::thread([this] { serve(); });
}

Responder::~Responder() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

void Responder::serve() {
  std::vector<std::array<std::byte, kWindow>> windows(kDatagrams);
  std::array<SocketAddress, kDatagrams> peers;
  std::array<iovec, kDatagrams> in{};
  std::array<mmsghdr, kDatagrams> incoming{};
  std::array<iovec, 2 * kDatagrams> out{};
  std::array<mmsghdr, 2 * kDatagrams> outgoing{};
  for (;;) {
    send_late(monotonic_ns());
    std::array<pollfd, 2> events{pollfd{socket_.get(), POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0}};
    ::poll(events.data(), events.size(), late_.empty() ? -1 : 1);
    if (events[1].revents != 0) return;
    for (std::size_t i = 0; i < kDatagrams; ++i) {
      in[i] = {windows[i].data(), kWindow};
      incoming[i].msg_hdr = {};
      incoming[i].msg_hdr.msg_name = peers[i].data();
      incoming[i].msg_hdr.msg_namelen = SocketAddress::kCapacity;
      incoming[i].msg_hdr.msg_iov = &in[i];
      incoming[i].msg_hdr.msg_iovlen = 1;
    }
    const int count = ::recvmmsg(socket_.get(), incoming.data(), kDatagrams, MSG_DONTWAIT, nullptr);
    unsigned replies = 0;
    const auto reply = [&](std::size_t i, std::size_t length) {
      out[replies] = {windows[i].data(), length};
      outgoing[replies].msg_hdr = {};
      outgoing[replies].msg_hdr.msg_name = peers[i].data();
      outgoing[replies].msg_hdr.msg_namelen = peers[i].size();
      outgoing[replies].msg_hdr.msg_iov = &out[replies];
      outgoing[replies].msg_hdr.msg_iovlen = 1;
      ++replies;
    };
    for (int n = 0; n < count; ++n) {
      const auto i = static_cast<std::size_t>(n);
      if (plan_.reply_to) peers[i] = *plan_.reply_to;
      const std::uint64_t request = received_.load(std::memory_order_relaxed);
      received_.store(request + 1);
      if (request >= plan_.answer_at_most) continue;
      const std::size_t length = maker_(windows[i], incoming[i].msg_len);
      const auto planned = plan_.mischief.find(request);
      if (planned == plan_.mischief.end()) {
        reply(i, length);
        continue;
      }
      const std::size_t changed = apply(planned->second, windows[i], length);
      if (planned->second == Mischief::delay)
        late_.push_back({monotonic_ns() + plan_.delay_ns,
                         peers[i],
                         {windows[i].begin(), windows[i].begin() + static_cast<long>(changed)}});
      else if (changed != kNoReply)
        reply(i, changed);
      if (planned->second == Mischief::repeat) reply(i, changed);
    }
    for (unsigned sent = 0; sent < replies;) {
      const int done = ::sendmmsg(socket_.get(), outgoing.data() + sent, replies - sent, 0);
      // An error belongs to the first of them (its client has gone), which is left out.
      sent += done > 0 ? static_cast<unsigned>(done) : 1;
    }
  }
}

void Responder::send_late(std::uint64_t now_ns) {
  std::erase_if(late_, [&](const Late& late) {
    if (now_ns < late.due_ns) return false;
    ::sendto(socket_.get(), late.reply.data(), late.reply.size(), 0, late.peer.data(),
             late.peer.size());
    return true;
  });
}

}  // namespace cpss::udpblast
