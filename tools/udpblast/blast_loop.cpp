#include "tools/udpblast/blast_loop.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "base/clock.h"

namespace cpss::udpblast {
namespace {

// More than one, so that replies that piled up while this thread did not run are read faster than
// new ones are asked for.
constexpr int kReceivesInARow = 4;
constexpr std::uint64_t kLostInARow = 10;  // with few outstanding, two may be lost by chance

}  // namespace

BlastLoop::BlastLoop(const LoopSettings& settings, const Workload& workload,
                     MessageIdPool& message_ids, const StopFlag& stop)
    : Loop(workload, stop),
      settings_(settings),
      classes_(!workload.classes().empty()),
      allocator_(message_ids),
      transactions_(settings.outstanding, kRemembered, settings.timeout_ns, settings.seed),
      requests_(kBatch, settings.size, settings.segments),
      // One byte more than a right reply can have: a longer one shows by its length.
      replies_(workload.longest_reply() + 1, settings.segments > 1),
      transmitter_(tally_, findings_) {
  clients_.reserve(settings.clients);
  with_room_.reserve(settings.clients);
  for (std::uint32_t i = 0; i < settings.clients; ++i) {
    const std::uint32_t window = settings.outstanding / settings.clients +
                                 (i < settings.outstanding % settings.clients ? 1 : 0);
    clients_.push_back(
        {.socket = ClientSocket(settings.server, settings.source), .window = window});
    if (settings.segments > 1) clients_[i].socket.use_segments(settings.size);
    wait_.add(clients_[i].socket.descriptor(), i);
    clients_[i].listed = true;
    with_room_.push_back(i);
  }
}

void BlastLoop::work() {
  std::optional<std::uint64_t> until_ns;
  if (settings_.run_ns) until_ns = start_ns_ + *settings_.run_ns;
  if (settings_.schedule)
    schedule_.emplace(*settings_.schedule, start_ns_, until_ns, tally_);
  else
    send_until_ns_ = until_ns;

  for (;;) {
    const std::uint64_t now_ns = monotonic_ns();
    expire(now_ns);
    if (finished(now_ns)) break;
    if (sending_ && schedule_)
      send_what_is_due();
    else if (sending_)
      send_where_there_is_room();

    const std::uint64_t before_wait_ns = monotonic_ns();
    for (const std::uint32_t index : wait(before_wait_ns, wait_until_ns(before_wait_ns)))
      for (int i = 0; i < kReceivesInARow && receive(index); ++i) continue;
  }
  tally_.set(Count::planned, schedule_ ? schedule_->planned() : tally_[Count::sent]);
  tally_.set(Count::outstanding, transactions_.outstanding());
  for (const Client& client : clients_)
    tally_.add(Count::kernel_dropped, client.socket.kernel_dropped());
}

void BlastLoop::send_no_more(std::uint64_t now_ns) noexcept {
  if (schedule_ && sending_) schedule_->end(now_ns);
  sending_ = false;
}

bool BlastLoop::finished(std::uint64_t now_ns) noexcept {
  const Stop stop = told();
  gave_up_ = silent_for_too_long(now_ns);
  if (stop == Stop::at_once || gave_up_) {
    send_no_more(now_ns);
    return true;
  }
  if (stop == Stop::sending || (send_until_ns_ && now_ns >= *send_until_ns_)) send_no_more(now_ns);
  if (schedule_ && schedule_->done(now_ns)) sending_ = false;
  if (sending_ || transactions_.outstanding() != 0) return false;

  if (!all_ended_ns_) all_ended_ns_ = now_ns;
  const bool more_may_come = transactions_.awaited_late() != 0;
  const std::uint64_t listen_on_ns =
      more_may_come ? std::max(kListenOnNs, settings_.timeout_ns) : kListenOnNs;
  return now_ns - *all_ended_ns_ >= listen_on_ns;
}

bool BlastLoop::silent_for_too_long(std::uint64_t now_ns) const noexcept {
  const bool anything_expected = sending_ || transactions_.outstanding() != 0;
  if (!anything_expected || now_ns <= last_heard_ns_) return false;
  const std::uint64_t silence_ns = now_ns - last_heard_ns_;
  const bool never_heard = tally_[Count::packets_in] == 0;
  const bool told_why = tally_[Count::connection_refused] != 0 || tally_[Count::send_errors] != 0;
  if (told_why && never_heard && silence_ns >= kHopelessNs) return true;
  if (schedule_ && !never_heard) return false;
  return sending_ && silence_ns >= 2 * settings_.timeout_ns && lost_in_a_row_ >= kLostInARow;
}

std::uint64_t BlastLoop::wait_until_ns(std::uint64_t now_ns) const noexcept {
  std::uint64_t until_ns = now_ns + kLongestWaitNs;
  if (const auto deadline_ns = transactions_.next_deadline_ns())
    until_ns = std::min(until_ns, *deadline_ns);
  if (!sending_) return until_ns;
  if (send_until_ns_) until_ns = std::min(until_ns, *send_until_ns_);
  if (send_blocked_) return std::min(until_ns, now_ns + kRetryNs);
  if (schedule_) return std::min(until_ns, schedule_->planned_ns());
  return with_room_.empty() ? until_ns : now_ns;
}

// One batch for each client, so that replies are read in between and pile up nowhere.
void BlastLoop::send_where_there_is_room() {
  send_blocked_ = false;
  std::erase_if(with_room_, [&](std::uint32_t index) {
    send_next(index);
    const bool full = !has_room(clients_[index]);
    if (full) clients_[index].listed = false;
    return full;
  });
}

void BlastLoop::send_next(std::uint32_t index) {
  const Client& client = clients_[index];
  const std::size_t room = std::min<std::size_t>(client.window - client.outstanding, kBatch);
  const MessageIdPool::Range range = allocator_.take(room - room % settings_.segments);
  const std::size_t count = range.end - range.first;
  if (count == 0) {
    sending_ = false;
    return;
  }
  for (std::size_t i = 0; i < count; ++i) next_[i] = {range.first + i, 0, 0};
  const std::size_t sent = send_batch(index, count, monotonic_ns());
  allocator_.give_back(count - sent);
}

// One batch, for the same reason: other messages that are due follow at once, after a look at the
// replies.
void BlastLoop::send_what_is_due() {
  send_blocked_ = false;
  const std::uint64_t now_ns = monotonic_ns();
  const std::size_t due = schedule_->due(now_ns, kBatch);
  const std::size_t count = std::min<std::size_t>(due, transactions_.room());
  if (due == 0) return;
  for (std::size_t i = 0; i < count; ++i)
    next_[i] = {schedule_->message(i), now_ns - schedule_->planned_ns(i), 0};
  const std::size_t sent = send_batch(next_client_, count, now_ns);
  next_client_ = next_client_ + 1 == settings_.clients ? 0 : next_client_ + 1;
  schedule_->sent(sent, monotonic_ns());
  if (send_blocked_)
    schedule_->blocked(now_ns);
  else
    schedule_->missed(due - count);
}

// Sends the first `count` of next_. Returns how many the kernel took.
std::size_t BlastLoop::send_batch(std::uint32_t index, std::size_t count, std::uint64_t now_ns) {
  for (std::size_t i = 0; i < count; ++i) {
    Next& next = next_[i];
    next.transaction = transactions_.open(next.message, index, now_ns, next.behind_ns);
    workload_.build(next.message, next.transaction, requests_.window(i));
  }
  const std::size_t sent = transmitter_.transmit(clients_[index].socket, requests_, count, now_ns);
  clients_[index].outstanding += static_cast<std::uint32_t>(sent);
  for (std::size_t i = 0; classes_ && i < sent; ++i)
    tally_.class_sent(workload_.class_of(next_[i].transaction));
  for (std::size_t i = sent; i < count; ++i) transactions_.take_back(next_[i].transaction);
  if (sent > 0) last_sent_ns_ = now_ns;
  if (sent < count) send_blocked_ = true;
  return sent;
}

void BlastLoop::expire(std::uint64_t now_ns) {
  while (const auto expired = transactions_.expire(now_ns)) {
    tally_.add(Count::timed_out);
    if (schedule_) record_latency(expired->transaction, now_ns - expired->planned_ns);
    ++lost_in_a_row_;
    findings_.note(Fault::lost, now_ns, [&] {
      return fmt::format("{}, sent {:.3f} s after the start",
                         identify(expired->message, expired->transaction),
                         since_start_s(expired->sent_ns));
    });
    one_less_outstanding(expired->client);
  }
}

// Whether the client may send a whole packet.
bool BlastLoop::has_room(const Client& client) const noexcept {
  return client.window - client.outstanding >= settings_.segments;
}

// Returns whether there may be more to receive.
bool BlastLoop::receive(std::uint32_t index) {
  tally_.add(Count::receive_calls);
  const ClientSocket::Result result = clients_[index].socket.receive(replies_);
  if (const int error = result.error; error != 0) {
    if (error == ECONNREFUSED) {
      tally_.add(Count::connection_refused);
    } else if (error != EAGAIN && error != EINTR) {
      receive_failed(error);
    }
    return false;
  }
  const std::uint64_t now_ns = monotonic_ns();
  last_heard_ns_ = now_ns;
  lost_in_a_row_ = 0;
  const auto datagrams = replies_.datagrams(result.done);
  tally_.add(Count::packets_in, datagrams.size());
  expire(now_ns);  // so that a reply after its time-out is late, whenever it is read
  for (const std::span<const std::byte> datagram : datagrams) take_reply(index, datagram, now_ns);
  return result.done == replies_.arrivals();
}

void BlastLoop::take_reply(std::uint32_t index, std::span<const std::byte> reply,
                           std::uint64_t now_ns) {
  const auto transaction = workload_.transaction_of(reply);
  if (!transaction) {
    tally_.add(Count::malformed);
    findings_.note(Fault::malformed, now_ns, [&] { return in_words(reply); });
    return;
  }
  using Match = TransactionTable::Match;
  const TransactionTable::Reply known = transactions_.close(*transaction, index, now_ns);
  switch (known.match) {
    case Match::in_time:
      one_less_outstanding(index);
      take_reply_in_time(known.message, *transaction, reply, known.latency_ns, now_ns);
      break;
    case Match::late:
      tally_.add(Count::late);
      if (workload_.busy(reply)) tally_.add(Count::late_busy);
      findings_.note(Fault::late, now_ns, [&] {
        return fmt::format("{:.3f} s after it was sent, time-out {:g} s: {}",
                           static_cast<double>(known.age_ns) / 1e9,
                           static_cast<double>(settings_.timeout_ns) / 1e9,
                           identify(known.message, *transaction));
      });
      break;
    case Match::duplicate:
      tally_.add(Count::duplicate);
      findings_.note(Fault::duplicate, now_ns,
                     [&] { return identify(known.message, *transaction); });
      break;
    case Match::unknown:
      tally_.add(Count::unknown);
      findings_.note(Fault::unknown, now_ns, [&] {
        return fmt::format("transaction 0x{:016x}, {} bytes, {:.3f} s after the start",
                           *transaction, reply.size(), since_start_s(now_ns));
      });
      break;
  }
}

void BlastLoop::take_reply_in_time(std::uint64_t message, std::uint64_t transaction,
                                   std::span<const std::byte> reply, std::uint64_t latency_ns,
                                   std::uint64_t now_ns) {
  if (workload_.busy(reply)) {
    tally_.add(Count::busy);
    findings_.note(Fault::busy, now_ns, [&] { return identify(message, transaction); });
    return;
  }
  record_latency(transaction, latency_ns);
  if (classes_) tally_.class_answered(workload_.class_of(transaction));
  if (!settings_.check || workload_.right(message, transaction, reply)) {
    tally_.add(Count::right);
    return;
  }
  tally_.add(Count::wrong);
  findings_.note(Fault::wrong, now_ns, [&] {
    return fmt::format("{}: {}", identify(message, transaction),
                       workload_.explain(message, transaction, reply));
  });
}

void BlastLoop::record_latency(std::uint64_t transaction, std::uint64_t ns) noexcept {
  tally_.record_latency(ns);
  if (classes_) tally_.record_class_latency(workload_.class_of(transaction), ns);
}

void BlastLoop::one_less_outstanding(std::uint32_t index) noexcept {
  Client& client = clients_[index];
  --client.outstanding;
  if (client.listed || !has_room(client)) return;
  client.listed = true;
  with_room_.push_back(index);
}

}  // namespace cpss::udpblast
