#include "stages/shedding.h"

#include <algorithm>
#include <cerrno>

#include "stages/clock.h"
#include "stages/service_call.h"
#include "stages/settlement.h"

namespace cpss {

Shedding::Shedding(const Wiring& wiring, const Shared& shared, std::size_t window_bytes,
                   std::uint32_t batch)
    : w_(wiring),
      shared_(shared),
      window_bytes_(window_bytes),
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

// Each of the datagrams that the kernel merged is asked for: one may be invalid and the next not. A
// truncated buffer ends in the middle of its last datagram, and of that one only.
void Shedding::end_one(const Arrival& arrival, std::size_t index) noexcept {
  const std::uint32_t datagrams = arrival.datagrams();
  if (const auto reason = shared_.admission.refusal(arrival)) {
    shared_.retirement.drop(*reason, datagrams);
    return;
  }
  std::size_t length = arrival.length;
  if (arrival.truncated) {
    shared_.retirement.drop(Reason::invalid_truncated, 1);
    length = std::size_t{datagrams - 1} * arrival.segment_size;
  }
  const std::size_t segment = datagrams == 1 ? length : arrival.segment_size;
  const std::span<std::byte> bytes(buffers_[index].data, length);
  std::span<std::byte> room(buffers_[index].data + window_bytes_, window_bytes_);
  for (std::size_t at = 0; at < length; at += segment)
    room = room.subspan(
        end_datagram(arrival, bytes.subspan(at, std::min(segment, length - at)), room));
}

std::size_t Shedding::end_datagram(const Arrival& arrival, std::span<std::byte> request,
                                   std::span<std::byte> room) noexcept {
  const bool trusted = shared_.admission.trusted(arrival.peer);
  const std::size_t limit = trusted ? room.size() : std::min(room.size(), request.size());
  Message message(request, room.data(), limit, arrival.peer, trusted);
  std::size_t used = 0;
  if (has_busy_reply(w_.service, message, shared_.events) && outgoing_.size() < buffers_.size()) {
    const bool to_source = w_.reply_address == nullptr;
    outgoing_.push_back({message.in_place() ? request.data() : room.data(), message.reply_length(),
                         to_source ? &arrival.peer : w_.reply_address,
                         to_source && arrival.local.known() ? &arrival.local : nullptr});
    if (!message.in_place()) used = message.reply_length();
  }
  shared_.retirement.drop(reason_when_shed(message, Reason::shed_no_slot), 1);
  return used;
}

void Shedding::send(DatagramPort& port) noexcept {
  const std::uint32_t granted =
      w_.budget.take(static_cast<std::uint32_t>(outgoing_.size()), now_ns());
  const auto replies = std::span<const OutgoingDatagram>(outgoing_).first(granted);
  for (std::size_t done = 0; done < replies.size();) {
    const std::uint64_t begin = now_ns();
    const SendResult result = port.send(replies.subspan(done));
    shared_.stats.add(Counter::syscalls);
    shared_.stats.add(Counter::syscall_ns, now_ns() - begin);
    shared_.stats.add(Counter::sent, result.accepted);
    shared_.stats.add(Counter::busy_replies, result.accepted);
    done += result.accepted;
    if (result.error == EAGAIN) return;  // no room in the kernel: the rest is dropped
    if (result.error != 0 && result.error != EINTR) ++done;  // this one cannot be sent
  }
}

}  // namespace cpss
