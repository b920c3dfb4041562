#include "stages/receive/receive.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "net/segmentation.h"
#include "stages/lane/batch_clock.h"

namespace cpss {
namespace {

std::size_t buffer_bytes(std::size_t window_bytes, bool merged) {
  return merged ? std::max(kMergedBytes, window_bytes) : window_bytes;
}

}  // namespace

std::uint64_t ReceiveStep::bytes(std::size_t window_bytes, std::uint32_t batch, bool merged,
                                 bool sheds) noexcept {
  const std::uint64_t arrivals = batch * stride_of(buffer_bytes(window_bytes, merged));
  return sheds ? arrivals + Shedding::bytes(window_bytes, batch) : arrivals;
}

ReceiveStep::ReceiveStep(Wiring wiring, LaneContext& lane, StatsWriter stats,
                         std::optional<InlineDispatch> inline_dispatch)
    : w_(std::move(wiring)),
      lane_(lane),
      stats_(stats),
      completion_(w_.store, lane.cache, stats_, w_.batch),
      output_(w_.requests, w_.batch, w_.store, stats_, inline_dispatch),
      memory_(bytes(w_.store.window_bytes(), w_.batch, w_.merged, false)),
      arrivals_(w_.batch),
      host_(w_.access_control.host()),
      failing_(w_.sockets.size(), lane.troubles) {
  free_.reserve(w_.batch);
  const std::size_t each = buffer_bytes(w_.store.window_bytes(), w_.merged);
  for (std::size_t i = 0; i < w_.batch; ++i)
    buffers_.push_back({memory_.data() + i * stride_of(each), each});
  if (w_.shedding)
    shedding_.emplace(*w_.shedding, Shedding::Shared{lane.events, stats_}, w_.store.window_bytes(),
                      w_.batch);
}

RunResult ReceiveStep::run() noexcept {
  // A forced end: the lane receives nothing more, so that the ledger can be closed.
  if (w_.pool.free_slots().closed()) {
    abandon_held();
    return {};
  }
  starved_ = false;
  run_arrivals_ = run_wanted_ = 0;
  std::size_t moved = output_.shares() ? place_all_held() : place_held();
  if (held_ == 0 && !starved_ && may_receive()) moved += receive_from_sockets();
  if (starved_ && shedding_) moved = 0;
  const bool pause = coalescing_is_due();
  // Slots may come back from the lane itself, where it runs what it has queued.
  if (starved_ && !(output_.shares() && moved > 0)) return {moved, Next::need_slot};
  return pause ? RunResult{moved, Next::coalesce} : has_moved(moved);
}

bool ReceiveStep::coalescing_is_due() noexcept {
  if (w_.coalesces && coalescing_.note(run_arrivals_, run_wanted_))
    coalescing_.decide(monotonic_ns(), thread_cpu_ns());
  return coalescing_.due() && held_ == 0 && emptied_ >= w_.sockets.size();
}

std::size_t ReceiveStep::receive_from_sockets() noexcept {
  std::size_t moved = 0;
  for (std::size_t i = 0; i < w_.sockets.size() && held_ == 0 && !starved_; ++i) {
    if (failing_.pauses(next_socket_)) {
      ++emptied_;
      next_socket_ = (next_socket_ + 1) % w_.sockets.size();
      continue;
    }
    moved += receive_from(static_cast<std::uint16_t>(next_socket_));
    if (output_.shares()) moved += place_all_held() + drain(next_socket_);
    // Without a slot it stays this socket's turn; otherwise sockets that others outpace would never
    // get a slot. If the lane sheds, a shed batch was the socket's turn.
    if (!starved_ || shedding_) next_socket_ = (next_socket_ + 1) % w_.sockets.size();
    if (w_.one_batch && moved > 0) break;
  }
  if (std::exchange(lane_.woken_by_socket, false) && run_arrivals_ == 0 && !starved_)
    stats_.add(Counter::lost_races);
  return moved;
}

void ReceiveStep::before_wait() noexcept {
  stats_.add(Counter::futex_wakes, lane_.cache.give_all_back());
}

// Claims no more than the lane's share: for a slot that it held without need, another lane would
// shed a message.
void ReceiveStep::claim() noexcept {
  const std::size_t held = free_.size();
  if (held >= w_.batch) return;
  free_.resize(w_.batch);
  free_.resize(held + lane_.cache.claim(std::span(free_).subspan(held), w_.lanes));
}

void ReceiveStep::give_back_free() noexcept {
  if (free_.empty()) return;
  stats_.add(Counter::futex_wakes, lane_.cache.give_back(free_));
  free_.clear();
}

std::size_t ReceiveStep::arrivals_wanted() const noexcept {
  // Datagrams that the lane sheds need no slot.
  const std::size_t max = drains_ ? w_.batch : output_.max();
  const std::size_t room = free_.empty() ? w_.batch : std::min(free_.size(), max);
  return std::clamp<std::size_t>(room / per_arrival_, 1, w_.batch);
}

std::size_t ReceiveStep::receive_from(std::uint16_t socket_index) noexcept {
  claim();
  starved_ = free_.empty();
  if ((starved_ && !shedding_) || !hold_.pick_up()) return 0;
  BatchClock clock(stats_);
  const std::size_t wanted = arrivals_wanted();
  read(socket_index, wanted);
  emptied_ = filled_ < wanted ? emptied_ + 1 : 0;
  run_arrivals_ += filled_;
  run_wanted_ += wanted;
  if (held_ == 0) {
    hold_.put_down(0);
    starved_ = false;
    give_back_free();
    return 0;
  }
  per_arrival_ = static_cast<std::size_t>(held_ / filled_);
  socket_index_ = socket_index;
  const std::uint64_t datagrams = held_;
  begin_arrival();
  return starved_ ? shed_held(clock, datagrams) : place_batch(clock, datagrams);
}

// The kernel reports a pending error of a socket once, and datagrams may wait behind it. So the
// socket counts as empty only after a second error in a row, and a lane that is to stop leaves no
// datagrams behind.
void ReceiveStep::read(std::uint16_t socket_index, std::size_t max_arrivals) noexcept {
  DatagramSocket& socket = *w_.sockets[socket_index];
  ReceiveResult result;
  for (int attempt = 0; attempt < 2; ++attempt) {
    result = book_call(stats_, [&] {
      return socket.receive(std::span(buffers_).first(max_arrivals),
                            std::span(arrivals_).first(max_arrivals));
    });
    if (result.error == 0) break;
    stats_.add(Counter::receive_errors);
    lane_.events.report(EventKind::receive_error, result.error);
  }
  failing_.note_read(socket_index, result.error);
  filled_ = result.filled;
  arrival_ = 0;

  // Counted before any decision; the datagrams are in memory from here on.
  for (std::size_t i = 0; i < filled_; ++i) held_ += arrivals_[i].datagrams();
  if (held_ == 0) return;
  received_ += held_;
  stats_.add(Counter::received, held_);
  stats_.add(Counter::filled, held_);
  stats_.add(Counter::entered, held_);
  host_.refresh();
}

// Decides, once for all its datagrams, whether the arrival may become messages.
void ReceiveStep::begin_arrival() noexcept {
  for (; arrival_ < filled_; ++arrival_) {
    const Arrival& arrival = arrivals_[arrival_];
    if (const auto reason = w_.access_control.refusal(arrival, host_)) {
      completion_.drop(*reason, arrival.datagrams());
      held_ -= arrival.datagrams();
      continue;
    }
    cursor_ = ArrivalCursor(arrival, buffers_[arrival_].data);
    trusted_ = w_.access_control.trusted(arrival.peer);
    return;
  }
}

void ReceiveStep::next_datagram() noexcept {
  --held_;
  cursor_.next();
  if (!cursor_.done()) return;
  ++arrival_;
  begin_arrival();
}

bool ReceiveStep::too_long() const noexcept {
  return cursor_.cut() || cursor_.bytes().size() > w_.store.window_bytes();
}

std::size_t ReceiveStep::place_batch(BatchClock& clock, std::uint64_t held) noexcept {
  const std::size_t max = std::min<std::size_t>(w_.batch, output_.max_to_add());
  for (std::size_t placed = 0; held_ > 0; next_datagram()) {
    if (too_long()) {
      completion_.drop(Reason::invalid_truncated, 1);
    } else {
      if (free_.empty() || placed == max) break;
      place_datagram(cursor_.bytes());
      ++placed;
    }
  }
  hold_.put_down(held_);
  finish(clock, held - held_);
  return held - held_;
}

void ReceiveStep::place_datagram(std::span<const std::byte> bytes) noexcept {
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  if (!bytes.empty()) std::memcpy(w_.store.request(slot), bytes.data(), bytes.size());
  const Arrival& arrival = arrivals_[arrival_];
  SlotHeader& header = w_.store.header(slot);
  header.peer = arrival.peer;
  header.has_local = arrival.local.known();
  if (header.has_local) header.local = arrival.local;
  header.socket_index = static_cast<std::uint16_t>(w_.first_socket + socket_index_);
  header.request_length = static_cast<std::uint16_t>(bytes.size());
  header.trusted = trusted_;
  header.shed = false;
  w_.store.occupy(slot);
  output_.add(slot);
}

std::size_t ReceiveStep::place_held() noexcept {
  if (held_ == 0) return 0;
  claim();
  starved_ = free_.empty();
  if ((starved_ && !shedding_) || !hold_.pick_up()) return 0;
  BatchClock clock(stats_);
  return starved_ ? shed_held(clock, held_) : place_batch(clock, held_);
}

// A lane that takes from a socket only what it runs leaves the rest in the kernel, which drops what
// its buffer cannot hold. So it takes all out of a buffer that fills, and queues it.
std::size_t ReceiveStep::drain(std::size_t socket) noexcept {
  std::size_t moved = 0;
  drains_ = true;
  while (emptied_ == 0 && held_ == 0 && !starved_ && fills(*w_.sockets[socket])) {
    const std::size_t taken = receive_from(static_cast<std::uint16_t>(socket));
    if (taken == 0) break;
    moved += taken + place_all_held();
  }
  drains_ = false;
  return moved;
}

bool ReceiveStep::fills(const DatagramSocket& socket) noexcept {
  const BufferUse use = socket.receive_buffer_use();
  stats_.add(Counter::syscalls);
  return use.taken > use.size / 4 * 3;
}

std::size_t ReceiveStep::place_all_held() noexcept {
  std::size_t moved = 0;
  while (held_ > 0 && !starved_) {
    const std::size_t placed = place_held();
    if (placed == 0) break;
    moved += placed;
  }
  return moved;
}

std::size_t ReceiveStep::shed_held(BatchClock& clock, std::uint64_t held) noexcept {
  // The service is asked about each datagram of a merged arrival: one may be invalid and the next
  // not.
  for (; held_ > 0; next_datagram()) {
    const std::optional<Reason> reason = reason_to_shed();
    if (!reason) break;
    completion_.drop(*reason, 1);
  }
  shedding_->send(*w_.sockets[socket_index_], w_.first_socket + socket_index_);
  hold_.put_down(held_);
  finish(clock, held - held_);
  return held - held_;
}

// Puts the datagrams down during the call: only the service can promise that it answers quickly.
std::optional<Reason> ReceiveStep::reason_to_shed() noexcept {
  if (too_long()) return Reason::invalid_truncated;
  hold_.put_down(held_);
  const Reason reason = shedding_->answer(arrivals_[arrival_], cursor_.bytes(), trusted_);
  return hold_.pick_up() ? std::optional(reason) : std::nullopt;
}

void ReceiveStep::abandon_held() noexcept {
  if (held_ > 0 && hold_.pick_up()) {
    completion_.drop(Reason::failed_forced_end, held_);
    hold_.put_down(0);
  }
  held_ = 0;
}

// hand_on() comes last, since it may take long: then the lane holds nothing that others could use.
void ReceiveStep::finish(BatchClock& clock, std::size_t datagrams) noexcept {
  const std::uint64_t end_ns = monotonic_ns();
  clock.end(end_ns, datagrams);
  completion_.finish();
  give_back_free();
  lane_.input_empty = emptied_ >= w_.sockets.size() && held_ == 0;
  output_.hand_on(end_ns, held_ + (drains_ ? 1 : 0));
}

}  // namespace cpss
