#include "tools/udpblast/verify_loop.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "base/clock.h"

namespace cpss::udpblast {

VerifyLoop::VerifyLoop(const LoopSettings& settings, const Workload& workload,
                       std::uint64_t messages, const StopFlag& stop)
    : Loop(workload, stop),
      settings_(settings),
      ids_(settings.seed),
      messages_(messages),
      seen_(messages),
      socket_(ClientSocket::bound_to(settings.server)),
      // One byte more than a right reply can have: a longer one shows by its length.
      replies_(workload.longest_reply() + 1, false) {
  wait_.add(socket_.descriptor(), 0);
}

void VerifyLoop::work() {
  for (std::uint64_t now_ns = monotonic_ns(); !finished(now_ns); now_ns = monotonic_ns())
    if (!wait(now_ns, now_ns + kLongestWaitNs).empty()) receive();
  tally_.set(Count::planned, messages_);
  tally_.set(Count::sent, messages_);
  tally_.set(Count::timed_out, messages_ - different_);
  tally_.set(Count::kernel_dropped, socket_.kernel_dropped());
}

bool VerifyLoop::finished(std::uint64_t now_ns) const noexcept {
  if (told() != Stop::no || different_ == messages_) return true;
  if (settings_.run_ns && now_ns >= start_ns_ + *settings_.run_ns) return true;
  return tally_[Count::packets_in] != 0 && now_ns >= last_heard_ns_ + settings_.timeout_ns;
}

void VerifyLoop::receive() {
  tally_.add(Count::receive_calls);
  const ClientSocket::Result result = socket_.receive(replies_);
  const std::uint64_t now_ns = monotonic_ns();
  if (const int error = result.error; error != 0) {
    if (error != EAGAIN && error != EINTR) receive_failed(error);
    return;
  }
  last_heard_ns_ = now_ns;
  tally_.add(Count::packets_in, result.done);
  for (const std::span<const std::byte> datagram : replies_.datagrams(result.done))
    take_reply(datagram, now_ns);
}

void VerifyLoop::take_reply(std::span<const std::byte> reply, std::uint64_t now_ns) {
  const auto count = [&](Count which, Fault fault, auto&& words) {
    tally_.add(which);
    findings_.note(fault, now_ns, words);
  };
  const auto transaction = workload_.transaction_of(reply);
  if (!transaction) {
    count(Count::malformed, Fault::malformed, [&] { return in_words(reply); });
    return;
  }
  const auto [message, slot] = ids_.decode(*transaction);
  if (message >= messages_ || slot != 0) {
    count(Count::unknown, Fault::unknown, [&] {
      return fmt::format("transaction 0x{:016x}, {} bytes", *transaction, reply.size());
    });
    return;
  }
  const auto identity = [&, number = message] { return identify(number, *transaction); };
  if (seen_[message]) {
    count(Count::duplicate, Fault::duplicate, identity);
    return;
  }
  seen_[message] = true;
  ++different_;
  if (workload_.busy(reply)) {
    count(Count::busy, Fault::busy, identity);
  } else if (!settings_.check || workload_.right(message, *transaction, reply)) {
    tally_.add(Count::right);
  } else {
    count(Count::wrong, Fault::wrong, [&, number = message] {
      return fmt::format("{}: {}", identity(), workload_.explain(number, *transaction, reply));
    });
  }
}

}  // namespace cpss::udpblast
