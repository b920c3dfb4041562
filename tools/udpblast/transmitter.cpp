#include "tools/udpblast/transmitter.h"

#include <cerrno>
#include <cstring>

namespace cpss::udpblast {
namespace {

constexpr unsigned kErrorsInARow = 3;

// Such an error passes by itself.
bool no_room(int error) noexcept {
  return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

std::size_t Transmitter::transmit(ClientSocket& socket, DatagramBatch& batch, std::size_t count,
                                  std::uint64_t now_ns) {
  std::size_t sent = 0;
  unsigned errors_in_a_row = 0;
  while (sent < count) {
    tally_.add(Count::send_calls);
    const ClientSocket::Result result = socket.send(batch, sent, count - sent);
    const int error = result.error;
    if (error == 0) {
      sent += result.done;
      if (sent < count) tally_.add(Count::partial_sends);
      errors_in_a_row = 0;
      continue;
    }
    if (error == EINTR) continue;
    if (no_room(error)) {
      tally_.add(Count::send_waits);
      break;
    }
    // An error may belong to an earlier datagram (ICMP): the kernel reports it once, and the next
    // try sends.
    if (error == ECONNREFUSED) {
      tally_.add(Count::connection_refused);
    } else {
      tally_.add(Count::send_errors);
      findings_.note(Fault::send_error, now_ns, [&] { return std::strerror(error); });
    }
    if (++errors_in_a_row == kErrorsInARow) break;
  }
  tally_.add(Count::sent, sent);
  return sent;
}

}  // namespace cpss::udpblast
