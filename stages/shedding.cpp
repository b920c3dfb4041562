#include "stages/shedding.h"

#include <algorithm>
#include <cerrno>

#include "stages/batch_clock.h"
#include "stages/clock.h"
#include "stages/service_call.h"
#include "stages/settlement.h"

namespace cpss {

Shedding::Shedding(const Wiring& wiring, const Shared& shared, std::size_t window_bytes,
                   std::uint32_t batch)
    : w_(wiring),
      shared_(shared),
      window_bytes_(window_bytes),
      batch_(batch),
      replies_((std::size_t{batch} + 1) * window_bytes) {
  outgoing_.reserve(batch);
}

// Each of the datagrams that the kernel merged is asked for: one may be invalid and the next not.
void Shedding::end(const Arrival& arrival, ArrivalCursor cursor, bool trusted) noexcept {
  for (; !cursor.done(); cursor.next()) {
    if (cursor.cut() || cursor.bytes().size() > window_bytes_)
      shared_.retirement.drop(Reason::invalid_truncated, 1);
    else
      end_datagram(arrival, cursor.bytes(), trusted);
  }
}

void Shedding::end_datagram(const Arrival& arrival, std::span<std::byte> request,
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
  shared_.retirement.drop(reason_when_shed(message, Reason::shed_no_slot), 1);
}

void Shedding::send(DatagramPort& port) noexcept {
  const std::uint32_t granted =
      w_.budget.take(static_cast<std::uint32_t>(outgoing_.size()), now_ns());
  const auto replies = std::span<const OutgoingDatagram>(outgoing_).first(granted);
  for (std::size_t done = 0; done < replies.size();) {
    const SendResult result =
        book_call(shared_.stats, [&] { return port.send(replies.subspan(done)); });
    shared_.stats.add(Counter::sent, result.accepted);
    shared_.stats.add(Counter::busy_replies, result.accepted);
    done += result.accepted;
    if (result.error == EAGAIN) break;  // no room in the kernel: the rest is dropped
    if (result.error != 0 && result.error != EINTR) ++done;  // this one cannot be sent
  }
  outgoing_.clear();
}

}  // namespace cpss
