#include "stages/response/response.h"

#include <algorithm>
#include <cerrno>
#include <numeric>

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

// The step looks at the whole list with each batch.
constexpr std::size_t kMaxInList = 4096;
constexpr std::size_t kMinInList = 2;  // one for each half

// The size of the list of one socket (see the head of response.h), before the constructor makes the
// half for replies without room at least a batch. Lists of this size, of all lanes together, hold
// at most half of the slots, or two replies each.
std::size_t max_in_list(const ResponseStep::Wiring& wiring) noexcept {
  if (wiring.lanes == 0) return wiring.batch;
  const std::size_t share = std::max<std::size_t>(8, 2 * wiring.reply_sockets);
  return std::clamp(wiring.store.slots() / (share * wiring.lanes), kMinInList, kMaxInList);
}

}  // namespace

ResponseStep::ResponseStep(Wiring wiring, LaneContext& lane, StatsWriter stats)
    : w_(std::move(wiring)),
      max_aside_(w_.lanes == 0 ? 0 : max_in_list(w_) / 2),
      max_full_(std::max<std::size_t>(w_.batch, max_in_list(w_) - max_aside_)),
      lane_(lane),
      stats_(stats),
      completion_(w_.store, lane.cache, stats_,
                  w_.reply_sockets * (max_aside_ + max_full_) + w_.batch),
      input_(w_.responses, w_.lanes, w_.batch, w_.store, stats_),
      room_(w_.outlook),
      lists_(w_.sockets.size()),
      groups_(w_.batch) {
  for (Replies& list : lists_) list.reserve(max_aside_ + max_full_ + w_.batch);
  waiting_sockets_.reserve(w_.sockets.size());
  group_.reserve(w_.batch);
  outgoing_.reserve(w_.batch);
  unsent_.reserve(w_.batch);
}

void ResponseStep::before_wait() noexcept {
  stats_.add(Counter::futex_wakes, lane_.cache.give_all_back());
}

RunResult ResponseStep::run() noexcept {
  std::span<const std::uint32_t> slots;
  if (const std::size_t max = max_to_take(); max > 0) slots = input_.take(max);
  if (slots.empty() && waiting_sockets_.empty()) return {};
  BatchClock clock(stats_);
  input_.book_waits(slots, clock.begin_ns());
  add(slots);
  const std::size_t moved = std::max(slots.size(), finish(clock, send(clock.begin_ns())));
  DatagramSocket* const full = full_socket();
  if (moved == 0 && full != nullptr) return {0, Next::need_room, full};
  return {moved, has_moved(moved).next, full};
}

std::span<const std::uint32_t> ResponseStep::run_inline(std::span<const std::uint32_t> slots,
                                                        std::uint64_t begin_ns) noexcept {
  if (max_to_take() == 0) return slots;
  BatchClock clock(stats_, begin_ns);
  add(slots);
  const std::size_t ended = send(begin_ns);
  unsent_.clear();
  if (!w_.keeps_unsent) give_back_all();
  // Only now it is known which of them this stage has kept or ended.
  input_.book_inline(slots.size() - unsent_.size());
  finish(clock, ended);
  return unsent_;
}

void ResponseStep::give_back_all() noexcept {
  for (const std::uint16_t socket : waiting_sockets_) {
    for (const PendingReply& reply : lists_[socket]) unsent_.push_back(reply.message.slot);
    lists_[socket].clear();
  }
  waiting_sockets_.clear();
  waiting_for_room_ = 0;
  lane_.full = nullptr;
}

std::size_t ResponseStep::finish(BatchClock& clock, std::size_t ended) noexcept {
  if (ended == 0) return 0;
  completion_.finish();
  w_.cost.note(clock.end(monotonic_ns(), ended), ended);
  return ended;
}

std::size_t ResponseStep::waiting() const noexcept {
  return std::accumulate(
      waiting_sockets_.begin(), waiting_sockets_.end(), std::size_t{0},
      [this](std::size_t sum, std::uint16_t socket) { return sum + lists_[socket].size(); });
}

std::size_t ResponseStep::max_to_take() const noexcept {
  const bool might_overflow = waiting_for_room_ > 0 && waiting_for_room_ + w_.batch > max_full_;
  return w_.reply_sockets == 1 && might_overflow ? 0 : w_.batch;
}

void ResponseStep::add(std::span<const std::uint32_t> slots) noexcept {
  for (const std::uint32_t slot : slots) {
    const std::uint16_t socket = w_.store.header(slot).socket_index;
    if (lists_[socket].empty()) waiting_sockets_.push_back(socket);
    lists_[socket].push_back({w_.store.message_in(slot)});
  }
}

std::size_t ResponseStep::send(std::uint64_t now_ns) noexcept {
  const std::size_t before = waiting();
  no_room_ = false;
  waiting_for_room_ = 0;
  for (const std::uint16_t socket : waiting_sockets_) send_by(socket, now_ns);
  std::erase_if(waiting_sockets_, [this](std::uint16_t socket) { return lists_[socket].empty(); });
  lane_.full = full_socket();
  // Reported once for all of them: there may be many, and one is like the other.
  if (no_room_) lane_.events.report(EventKind::send_error, EAGAIN);
  return before - waiting();
}

void ResponseStep::send_by(std::uint16_t socket_index, std::uint64_t now_ns) noexcept {
  Replies& list = lists_[socket_index];
  DatagramSocket& socket = *w_.sockets[socket_index];
  room_.begin(socket_index, socket, now_ns);
  kept_ = kept_aside_ = 0;
  bool full = false;
  for (std::size_t next = 0; next < list.size();) {
    if (full) {
      keep(list, list[next++], now_ns, false);
      continue;
    }
    next = next_group(list, next, now_ns);
    const std::size_t done = send_group(socket);
    full = done < group_.size();
    for (const PendingReply& reply : std::span(group_).subspan(done))
      keep(list, reply, now_ns, false);
  }
  if (full) room_.found_full(socket_index);
  list.resize(kept_);
  waiting_for_room_ += kept_ - kept_aside_;
}

std::size_t ResponseStep::next_group(Replies& list, std::size_t first,
                                     std::uint64_t now_ns) noexcept {
  group_.clear();
  outgoing_.clear();
  while (first < list.size() && group_.size() < w_.batch) {
    const PendingReply reply = list[first++];
    if (!completion_.still_held(reply.message)) continue;
    const OutgoingDatagram datagram = datagram_of(reply.message.slot);
    if (!room_.admits(*datagram.peer, datagram.size)) {
      keep(list, reply, now_ns, true);
      continue;
    }
    group_.push_back(reply);
    outgoing_.push_back(datagram);
  }
  if (w_.grouped) groups_.gather(outgoing_, group_);
  return first;
}

std::size_t ResponseStep::send_group(DatagramSocket& socket) noexcept {
  std::size_t done = 0;
  while (done < group_.size()) {
    const SendResult result =
        book_call(stats_, [&] { return socket.send(std::span(outgoing_).subspan(done)); });
    stats_.add(Counter::sent, result.accepted);
    for (std::size_t i = 0; i < result.accepted; ++i) {
      const MessageRef message = group_[done + i].message;
      if (w_.store.header(message.slot).shed) stats_.add(Counter::busy_replies);
      end(message, Reason::answered);
    }
    done += result.accepted;
    if (result.error == 0 || result.error == EINTR) continue;
    if (result.error == EAGAIN) break;
    send_failed(group_[done++].message, result.error);
  }
  return done;
}

// The error belongs to exactly this datagram; send_group() tries the rest of the group after it.
void ResponseStep::send_failed(MessageRef ref, int error) noexcept {
  const Reason reason = reason_for_send_error(error);
  lane_.events.report(EventKind::send_error, error);
  // The other errors come from the way to the peer: no trouble of this server.
  if (reason == Reason::failed_send_no_memory || reason == Reason::failed_send_other)
    lane_.troubles.failed(Trouble::send, error);
  end(ref, reason);
}

// A shed message ends as shed, whatever the send says.
void ResponseStep::keep(Replies& list, PendingReply reply, std::uint64_t now_ns,
                        bool aside) noexcept {
  if (w_.store.header(reply.message.slot).shed) {
    end(reply.message, Reason::shed_worker_queue_full);
    return;
  }
  if (reply.deadline_ns == 0)
    reply.deadline_ns = now_ns + static_cast<std::uint64_t>(w_.longest_wait.count());
  const bool full = aside ? kept_aside_ == max_aside_ : kept_ - kept_aside_ == max_full_;
  if (full || now_ns >= reply.deadline_ns) {
    no_room_ = true;
    end(reply.message, Reason::failed_send_no_room);
    return;
  }
  if (aside) ++kept_aside_;
  list[kept_++] = reply;
}

}  // namespace cpss
