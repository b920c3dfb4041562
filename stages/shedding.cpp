#include "stages/shedding.h"

#include <algorithm>
#include <cerrno>

#include "stages/clock.h"
#include "stages/settlement.h"

namespace cpss {

Shedding::Shedding(const Wiring& wiring, const Admission& admission, std::size_t window_bytes,
                   std::uint32_t batch, Retirement& retirement, StatsWriter& stats)
    : w_(wiring),
      admission_(admission),
      window_bytes_(window_bytes),
      retirement_(retirement),
      stats_(stats),
      memory_(2 * std::size_t{batch} * window_bytes) {
  for (std::uint32_t i = 0; i < batch; ++i)
    buffers_.push_back({memory_.data() + 2 * std::size_t{i} * window_bytes, window_bytes});
  outgoing_.reserve(batch);
}

void Shedding::end(std::span<const Arrival> arrivals, DatagramPort& port) noexcept {
  outgoing_.clear();
  for (std::size_t i = 0; i < arrivals.size(); ++i) end_one(arrivals[i], i);
  send(port);
}

// Of datagrams that the kernel merged the first is asked for all: they are of one sender and one
// size, and a busy reply to one of them says it all.
void Shedding::end_one(const Arrival& arrival, std::size_t index) noexcept {
  if (const auto reason = admission_.refusal(arrival)) {
    retirement_.drop(*reason, arrival.datagrams());
    return;
  }
  std::uint32_t datagrams = arrival.datagrams();
  if (arrival.truncated) {
    retirement_.drop(Reason::invalid_truncated, 1);
    if (--datagrams == 0) return;
  }
  const std::size_t length =
      datagrams == 1 && !arrival.truncated ? arrival.length : arrival.segment_size;
  std::byte* const request = buffers_[index].data;
  retirement_.drop(reply_to(arrival, {request, length}, request + window_bytes_), datagrams);
}

Reason Shedding::reply_to(const Arrival& arrival, std::span<std::byte> request,
                          std::byte* window) noexcept {
  const bool trusted = admission_.trusted(arrival.peer);
  const std::size_t limit = trusted ? window_bytes_ : std::min(window_bytes_, request.size());
  Message message(request, window, limit, arrival.peer, trusted);
  try {
    w_.service.busy_reply(message);
  } catch (...) {
    message.no_reply();  // silence does as well
  }
  switch (message.verdict()) {
    case Verdict::invalid:
      return reason_for(message.invalid_reason());
    case Verdict::refuse:
      return Reason::refused_by_service;
    case Verdict::reply:
      if (message.reply_too_long()) break;
      outgoing_.push_back(
          {message.in_place() ? request.data() : window, message.reply_length(),
           w_.reply_address != nullptr ? w_.reply_address : &arrival.peer,
           w_.reply_address == nullptr && arrival.local.known() ? &arrival.local : nullptr});
      break;
    default:
      break;
  }
  return Reason::shed_no_slot;
}

void Shedding::send(DatagramPort& port) noexcept {
  const std::uint32_t granted =
      w_.budget.take(static_cast<std::uint32_t>(outgoing_.size()), now_ns());
  const auto replies = std::span<const OutgoingDatagram>(outgoing_).first(granted);
  for (std::size_t done = 0; done < replies.size();) {
    const std::uint64_t begin = now_ns();
    const SendResult result = port.send(replies.subspan(done));
    stats_.add(Counter::syscalls);
    stats_.add(Counter::syscall_ns, now_ns() - begin);
    stats_.add(Counter::sent, result.accepted);
    stats_.add(Counter::busy_replies, result.accepted);
    done += result.accepted;
    if (result.error == EAGAIN) return;  // no room in the kernel: the rest is dropped
    if (result.error != 0 && result.error != EINTR) ++done;  // this one cannot be sent
  }
}

}  // namespace cpss
