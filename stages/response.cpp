#include "stages/response.h"

#include <cerrno>

namespace cpss {
namespace {

Reason reason_for_send_error(int error) noexcept {
  switch (error) {
    case ECONNREFUSED:
      return Reason::failed_send_refused;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case ENONET:
    case ENODEV:
      return Reason::failed_send_unreachable;
    case EMSGSIZE:
      return Reason::failed_send_too_large;
    case EPERM:
    case EACCES:
      return Reason::failed_send_not_permitted;
    case ENOBUFS:
    case ENOMEM:
      return Reason::failed_send_no_memory;
    default:
      return Reason::failed_send_other;
  }
}

}  // namespace

ResponseStep::ResponseStep(Wiring wiring, LaneContext& lane, StatsWriter stats)
    : w_(std::move(wiring)),
      lane_(lane),
      stats_(stats),
      retirement_(w_.store, lane.cache, stats_, w_.batch),
      intake_(w_.responses, w_.lanes, w_.batch, w_.store, stats_),
      groups_(w_.batch) {
  waiting_.reserve(w_.batch);
  group_.reserve(w_.batch);
  outgoing_.reserve(w_.batch);
  unsent_.reserve(w_.batch);
}

void ResponseStep::before_wait() noexcept {
  stats_.add(Counter::futex_wakes, lane_.cache.give_all_back());
}

std::size_t ResponseStep::run() noexcept {
  if (blocked_on_ != nullptr) return send_on();
  const std::span<const std::uint32_t> slots = intake_.take();
  if (slots.empty()) return 0;
  BatchClock clock(stats_);
  intake_.book_waits(slots, clock.begin_ns());
  set_waiting(slots);
  if (!w_.waits) return send_what_fits(clock);
  while (DatagramPort* full = send_waiting()) {
    // What is done goes back to the pool first: the lane holds only what waits.
    retirement_.finish();
    before_wait();
    const LongWait wait(lane_.progress);
    full->wait_writable(kLongestForRoom);
  }
  retirement_.finish();
  w_.cost.note(clock.end(now_ns(), slots.size()), slots.size());
  return slots.size();
}

std::size_t ResponseStep::send_on() noexcept {
  BatchClock clock(stats_);
  return send_what_fits(clock);
}

std::size_t ResponseStep::send_what_fits(BatchClock& clock) noexcept {
  const std::size_t before = waiting_.size();
  blocked_on_ = send_waiting();
  const std::size_t done = before - waiting_.size();
  if (done > 0) {
    retirement_.finish();
    w_.cost.note(clock.end(now_ns(), done), done);
  }
  return done;
}

std::span<const std::uint32_t> ResponseStep::help(std::span<const std::uint32_t> slots,
                                                  std::uint64_t begin_ns) noexcept {
  if (blocked_on_ != nullptr) return slots;
  BatchClock clock(stats_, begin_ns);
  set_waiting(slots);
  send_waiting();
  unsent_.clear();
  for (const MessageRef ref : waiting_) unsent_.push_back(ref.slot);
  const std::size_t done = slots.size() - unsent_.size();
  if (done > 0) {
    // Only now is it known which of them this stage has dealt with.
    intake_.book_helped(done);
    retirement_.finish();
    w_.cost.note(clock.end(now_ns(), done), done);
  }
  return unsent_;
}

void ResponseStep::set_waiting(std::span<const std::uint32_t> slots) noexcept {
  waiting_.clear();
  for (const std::uint32_t slot : slots) waiting_.push_back(w_.store.message_in(slot));
}

DatagramPort* ResponseStep::send_waiting() noexcept {
  DatagramPort* full = nullptr;
  // What full sockets leave is put behind what has not been tried, and each socket's messages are
  // taken all at once, so that the first `untried` are those of sockets not met in this round.
  for (std::size_t untried = waiting_.size(); untried > 0;) {
    const std::size_t before = waiting_.size();
    DatagramPort& port = *w_.ports[next_group()];
    untried -= before - waiting_.size();
    const std::size_t done = send_group(port);
    const std::size_t others = waiting_.size();
    keep_waiting(done);
    if (waiting_.size() > others) full = &port;
  }
  return full;
}

std::uint16_t ResponseStep::next_group() noexcept {
  const std::uint16_t port_index = w_.store.header(waiting_.front().slot).port_index;
  group_.clear();
  outgoing_.clear();
  std::size_t others = 0;
  for (const MessageRef ref : waiting_) {
    const SlotHeader& header = w_.store.header(ref.slot);
    if (header.port_index != port_index) {
      waiting_[others++] = ref;
      continue;
    }
    if (!retirement_.still_held(ref)) continue;
    group_.push_back(ref);
    const bool to_source = w_.reply_address == nullptr;
    outgoing_.push_back(
        {header.reply_in_request_window ? w_.store.request(ref.slot) : w_.store.reply(ref.slot),
         header.reply_length, to_source ? &header.peer : w_.reply_address,
         to_source && header.has_local ? &header.local : nullptr});
  }
  waiting_.resize(others);
  if (w_.grouped) groups_.gather(outgoing_, group_);
  return port_index;
}

std::size_t ResponseStep::send_group(DatagramPort& port) noexcept {
  std::size_t done = 0;
  while (done < group_.size()) {
    const SendResult result =
        book_call(stats_, [&] { return port.send(std::span(outgoing_).subspan(done)); });
    stats_.add(Counter::sent, result.accepted);
    for (std::size_t i = 0; i < result.accepted; ++i) {
      if (w_.store.header(group_[done + i].slot).shed) stats_.add(Counter::busy_replies);
      end(group_[done + i], Reason::answered);
    }
    done += result.accepted;
    if (result.error == 0 || result.error == EINTR) continue;
    if (result.error == EAGAIN) break;
    send_failed(group_[done++], result.error);
  }
  return done;
}

// The error belongs to exactly this datagram; the rest of the group is tried again after it.
void ResponseStep::send_failed(MessageRef ref, int error) noexcept {
  const Reason reason = reason_for_send_error(error);
  lane_.events.report(EventKind::send_error, error);
  // The others are for where the reply goes to say.
  if (reason == Reason::failed_send_no_memory || reason == Reason::failed_send_other)
    lane_.troubles.failed(Trouble::send, error);
  end(ref, reason);
}

// What was shed ends as shed, whatever the send says.
void ResponseStep::end(MessageRef ref, Reason reason) noexcept {
  const bool shed = w_.store.header(ref.slot).shed;
  retirement_.retire(ref, shed ? Reason::shed_worker_queue_full : reason);
}

void ResponseStep::keep_waiting(std::size_t done) noexcept {
  for (const MessageRef ref : std::span(group_).subspan(done)) {
    if (w_.store.header(ref.slot).shed)
      end(ref, Reason::shed_worker_queue_full);
    else
      waiting_.push_back(ref);
  }
}

}  // namespace cpss
