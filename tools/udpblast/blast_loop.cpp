#include "tools/udpblast/blast_loop.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "net/udp_socket.h"
#include "stats/clock.h"
#include "tools/udpblast/difference.h"

namespace cpss::udpblast {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kLongestWaitNs = 50 * kMillisecond;  // how soon a stop is noticed
constexpr std::uint64_t kRetryNs = kMillisecond;             // after a send that failed
constexpr std::uint64_t kHopelessNs = 1'000 * kMillisecond;
constexpr std::uint32_t kRemembered = 65'536;  // timed-out messages
static_assert(kMostOutstanding + kRemembered <= kMostSlots);
constexpr std::size_t kEvents = 64;
constexpr unsigned kErrorsInARow = 3;
constexpr std::uint64_t kLostInARow = 10;  // with few outstanding, two may be lost by chance

std::uint64_t to_ns(const timeval& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_usec) * 1'000;
}

CpuTime thread_cpu() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return {to_ns(usage.ru_utime), to_ns(usage.ru_stime)};
}

// No room now; it passes by itself.
bool no_room(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

BlastLoop::BlastLoop(const LoopSettings& settings, const Workload& workload, NumberPool& numbers,
                     const StopFlag& stop)
    : settings_(settings),
      workload_(workload),
      stop_(stop),
      numbers_(numbers),
      transactions_(settings.outstanding, kRemembered, settings.timeout_ns, settings.seed),
      requests_(kBatch, settings.size),
      // One byte more than a right reply can have: a longer one shows by its length.
      replies_(kBatch, workload.longest_reply() + 1),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      last_heard_ns_(settings.start_ns) {
  if (!epoll_.valid())
    throw SocketError(fmt::format("epoll_create1: {}", std::strerror(errno)), errno);
  clients_.reserve(settings.clients);
  with_room_.reserve(settings.clients);
  for (std::uint32_t i = 0; i < settings.clients; ++i) {
    const std::uint32_t window = settings.outstanding / settings.clients +
                                 (i < settings.outstanding % settings.clients ? 1 : 0);
    clients_.push_back({.socket = ClientSocket(settings.server), .window = window});
    epoll_event event{.events = EPOLLIN, .data = {.u32 = i}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, clients_[i].socket.descriptor(), &event) != 0)
      throw SocketError(fmt::format("epoll_ctl: {}", std::strerror(errno)), errno);
    clients_[i].listed = true;
    with_room_.push_back(i);
  }
}

void BlastLoop::run() {
  const CpuTime before = thread_cpu();
  for (;;) {
    const std::uint64_t now_ns = monotonic_ns();
    expire(now_ns);
    if (finished(now_ns)) break;
    if (sending_) send_where_there_is_room();

    std::array<epoll_event, kEvents> events;
    tally_.add(Count::wait_calls);
    const int ready = ::epoll_wait(epoll_.get(), events.data(), kEvents, wait_ms(now_ns));
    for (int i = 0; i < ready; ++i) receive(events[static_cast<std::size_t>(i)].data.u32);
  }
  tally_.set(Count::outstanding, transactions_.outstanding());
  for (const Client& client : clients_)
    tally_.add(Count::kernel_dropped, client.socket.kernel_dropped());
  const CpuTime after = thread_cpu();
  cpu_ = {after.user_ns - before.user_ns, after.system_ns - before.system_ns};
}

bool BlastLoop::finished(std::uint64_t now_ns) noexcept {
  const Stop stop = stop_.load(std::memory_order_relaxed);
  if (stop == Stop::at_once) return true;
  if (silent_for_too_long(now_ns)) {
    gave_up_ = true;
    return true;
  }
  if (stop == Stop::sending || now_ns >= settings_.send_until_ns.value_or(~std::uint64_t{0}))
    sending_ = false;
  if (sending_ || transactions_.outstanding() != 0) return false;

  if (!all_ended_ns_) all_ended_ns_ = now_ns;
  const bool more_may_come = transactions_.awaited_late() != 0;
  const std::uint64_t listen_on_ns =
      more_may_come ? std::max(kListenOnNs, settings_.timeout_ns) : kListenOnNs;
  return now_ns - *all_ended_ns_ >= listen_on_ns;
}

bool BlastLoop::silent_for_too_long(std::uint64_t now_ns) const noexcept {
  const bool anything_expected = sending_ || transactions_.outstanding() != 0;
  if (!anything_expected) return false;
  const std::uint64_t silence_ns = now_ns - last_heard_ns_;
  const bool told_why = tally_[Count::connection_refused] != 0 || tally_[Count::send_errors] != 0;
  if (told_why && tally_[Count::packets_in] == 0 && silence_ns >= kHopelessNs) return true;
  return sending_ && silence_ns >= 2 * settings_.timeout_ns && lost_in_a_row_ >= kLostInARow;
}

int BlastLoop::wait_ms(std::uint64_t now_ns) const noexcept {
  std::uint64_t until_ns = now_ns + kLongestWaitNs;
  if (const auto deadline_ns = transactions_.next_deadline_ns())
    until_ns = std::min(until_ns, *deadline_ns);
  if (sending_ && settings_.send_until_ns) until_ns = std::min(until_ns, *settings_.send_until_ns);
  if (sending_ && !with_room_.empty())
    until_ns = std::min(until_ns, now_ns + (send_blocked_ ? kRetryNs : 0));
  // Rounded up, so that it has passed when the wait ends.
  return until_ns <= now_ns
             ? 0
             : static_cast<int>((until_ns - now_ns + kMillisecond - 1) / kMillisecond);
}

// One batch for each client, so that replies are read in between and pile up nowhere.
void BlastLoop::send_where_there_is_room() {
  send_blocked_ = false;
  std::erase_if(with_room_, [&](std::uint32_t index) {
    send_batch(index);
    const bool full = clients_[index].outstanding == clients_[index].window;
    if (full) clients_[index].listed = false;
    return full;
  });
}

void BlastLoop::send_batch(std::uint32_t index) {
  Client& client = clients_[index];
  const std::uint64_t now_ns = monotonic_ns();
  const std::uint32_t room = client.window - client.outstanding;
  const NumberPool::Range range = numbers_.take(std::min<std::uint64_t>(room, kBatch));
  const std::size_t count = range.end - range.first;
  if (count == 0) {
    sending_ = false;
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t message = range.first + i;
    batch_transactions_[i] = transactions_.open(message, index, now_ns);
    workload_.build(message, batch_transactions_[i], requests_.window(i));
  }
  const std::size_t sent = transmit(client, count, now_ns);
  tally_.add(Count::sent, sent);
  client.outstanding += static_cast<std::uint32_t>(sent);
  for (std::size_t i = sent; i < count; ++i) transactions_.take_back(batch_transactions_[i]);
  numbers_.give_back(count - sent);
  if (sent < count) send_blocked_ = true;
}

// Returns how many of the batch's first `count` messages the kernel took.
std::size_t BlastLoop::transmit(Client& client, std::size_t count, std::uint64_t now_ns) {
  std::size_t sent = 0;
  unsigned errors_in_a_row = 0;
  while (sent < count) {
    tally_.add(Count::send_calls);
    const ClientSocket::Result result = client.socket.send(requests_, sent, count - sent);
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
    // An error may belong to an earlier datagram (ICMP): it is told once, and the next try sends.
    if (error == ECONNREFUSED) {
      tally_.add(Count::connection_refused);
    } else {
      tally_.add(Count::send_errors);
      findings_.note(Fault::send_error, now_ns, [&] { return std::strerror(error); });
    }
    if (++errors_in_a_row == kErrorsInARow) break;
  }
  return sent;
}

void BlastLoop::expire(std::uint64_t now_ns) {
  while (const auto expired = transactions_.expire(now_ns)) {
    tally_.add(Count::timed_out);
    ++lost_in_a_row_;
    findings_.note(Fault::lost, now_ns, [&] {
      return fmt::format("{}, sent {:.3f} s after the start",
                         identify(expired->message, expired->transaction),
                         since_start_s(expired->sent_ns));
    });
    one_less_outstanding(expired->client);
  }
}

void BlastLoop::receive(std::uint32_t index) {
  tally_.add(Count::receive_calls);
  const ClientSocket::Result result = clients_[index].socket.receive(replies_);
  if (const int error = result.error; error != 0) {
    if (error == ECONNREFUSED) {
      tally_.add(Count::connection_refused);
    } else if (!no_room(error) && error != EINTR) {
      tally_.add(Count::receive_errors);
      findings_.note(Fault::receive_error, monotonic_ns(), [&] { return std::strerror(error); });
    }
    return;
  }
  const std::uint64_t now_ns = monotonic_ns();
  last_heard_ns_ = now_ns;
  lost_in_a_row_ = 0;
  tally_.add(Count::packets_in, result.done);
  expire(now_ns);  // so that what arrived after its time-out is late, whenever it is read
  for (std::size_t i = 0; i < result.done; ++i) take_reply(index, replies_.received(i), now_ns);
}

void BlastLoop::take_reply(std::uint32_t index, std::span<const std::byte> reply,
                           std::uint64_t now_ns) {
  const auto transaction = workload_.transaction_of(reply);
  if (!transaction) {
    tally_.add(Count::malformed);
    findings_.note(Fault::malformed, now_ns, [&] {
      return fmt::format("{} bytes: {}", reply.size(),
                         in_quotes({reinterpret_cast<const char*>(reply.data()), reply.size()}));
    });
    return;
  }
  using Match = TransactionTable::Match;
  const TransactionTable::Reply known = transactions_.close(*transaction, index, now_ns);
  switch (known.match) {
    case Match::in_time:
      tally_.record_latency(known.age_ns);
      one_less_outstanding(index);
      if (!settings_.check || workload_.right(known.message, *transaction, reply)) {
        tally_.add(Count::right);
        break;
      }
      tally_.add(Count::wrong);
      findings_.note(Fault::wrong, now_ns, [&] {
        return fmt::format("{}: {}", identify(known.message, *transaction),
                           workload_.explain(known.message, *transaction, reply));
      });
      break;
    case Match::late:
      tally_.add(Count::late);
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

void BlastLoop::one_less_outstanding(std::uint32_t index) noexcept {
  Client& client = clients_[index];
  --client.outstanding;
  if (client.listed) return;
  client.listed = true;
  with_room_.push_back(index);
}

std::string BlastLoop::identify(std::uint64_t message, std::uint64_t transaction) const {
  const std::string description = workload_.describe(message);
  return fmt::format("message {}{}{}, transaction 0x{:016x}", message + 1,
                     description.empty() ? "" : ", ", description, transaction);
}

double BlastLoop::since_start_s(std::uint64_t at_ns) const noexcept {
  return static_cast<double>(at_ns - settings_.start_ns) / 1e9;
}

}  // namespace cpss::udpblast
