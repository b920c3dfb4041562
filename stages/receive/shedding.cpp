#include "stages/receive/shedding.h"

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "stages/lane/batch_clock.h"
#include "stages/message/service_call.h"

namespace cpss {

Shedding::Shedding(const Wiring& wiring, const Shared& shared, std::size_t window_bytes,
                   std::uint32_t batch)
    : w_(wiring),
      shared_(shared),
      window_bytes_(window_bytes),
      batch_(batch),
      replies_(bytes(window_bytes, batch)),
      room_(w_.outlook) {
  outgoing_.reserve(batch);
}

Reason Shedding::answer(const Arrival& arrival, std::span<std::byte> request,
                        bool trusted) noexcept {
  std::byte* const window = replies_.data() + outgoing_.size() * window_bytes_;
  const bool room = outgoing_.size() < batch_;
  const std::size_t limit = trusted ? window_bytes_ : std::min(window_bytes_, request.size());
  Message message(request, window, limit, arrival.peer, trusted);
  if (has_busy_reply(w_.service, message, shared_.events) && room) {
    const bool to_source = w_.reply_address == nullptr;
    outgoing_.push_back({message.in_place() ? request.data() : window, message.reply_length(),
                         to_source ? &arrival.peer : w_.reply_address,
                         to_source && arrival.local.known() ? &arrival.local : nullptr});
  }
  return reason_when_shed(message, Reason::shed_no_slot);
}

void Shedding::send(DatagramSocket& socket, std::size_t place) noexcept {
  if (outgoing_.empty()) return;
  const std::uint64_t now = monotonic_ns();
  room_.begin(place, socket, now);
  if (room_.pressed())
    std::erase_if(outgoing_, [this](const OutgoingDatagram& reply) {
      return !room_.admits(*reply.peer, reply.size);
    });
  const std::uint32_t granted = w_.budget.take(static_cast<std::uint32_t>(outgoing_.size()), now);
  const auto replies = std::span<const OutgoingDatagram>(outgoing_).first(granted);
  for (std::size_t done = 0; done < replies.size();) {
    const SendResult result =
        book_call(shared_.stats, [&] { return socket.send(replies.subspan(done)); });
    shared_.stats.add(Counter::sent, result.accepted);
    shared_.stats.add(Counter::busy_replies, result.accepted);
    done += result.accepted;
    if (result.error == EAGAIN) {  // no room in the kernel: the rest is dropped
      room_.found_full(place);
      break;
    }
    if (result.error != 0 && result.error != EINTR) ++done;  // this one cannot be sent: skip it
  }
  outgoing_.clear();
}

}  // namespace cpss
