#include "tools/udpblast/loop.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/quote.h"
#include "tools/udpblast/transactions.h"

namespace cpss::udpblast {
namespace {

// Room beyond twice the messages that the plan has in one time-out, for plans of a few messages.
constexpr std::uint64_t kSpareRoom = 1'024;

// Part `i` of `whole`, shared out in `parts` that differ by at most one.
std::uint32_t share_of(std::uint32_t whole, std::uint32_t parts, std::uint32_t i) {
  return whole / parts + (i < whole % parts ? 1 : 0);
}

// `whole` is shared out among `clients`, in shares that differ by at most one: how much the clients
// from `first` to `end` - 1 have together.
std::uint32_t share_of_clients(std::uint32_t whole, std::uint32_t clients, std::uint32_t first,
                               std::uint32_t end) {
  const std::uint32_t with_one_more = whole % clients;
  return whole / clients * (end - first) + std::min(end, with_one_more) -
         std::min(first, with_one_more);
}

// In an open loop the messages of the last time-out are under way; after a pause, when the messages
// that were held up are sent at once, twice as many. Room that is not used costs no memory.
std::uint32_t room_for(const SendTimes& times, const Options& options, std::uint64_t messages) {
  const std::uint64_t in_one_timeout =
      std::min(messages, times.due_by(options.timeout_ns)) / options.threads + 1;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(2 * in_one_timeout + kSpareRoom, kMaxSlots - kRemembered));
}

std::uint64_t to_ns(const timeval& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_usec) * 1'000;
}

CpuTime thread_cpu() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return {to_ns(usage.ru_utime), to_ns(usage.ru_stime)};
}

}  // namespace

std::optional<SendTimes> send_times_of(const Options& options) {
  if (options.rate) return SendTimes::at_rate(*options.rate);
  if (options.burst) return SendTimes::in_bursts(options.burst->messages, options.burst->gap_ns);
  return std::nullopt;
}

std::uint64_t messages_of(const Options& options, std::optional<std::uint64_t> one_pass) {
  // The verifying half has to know how many there are, however long it listens.
  const bool one_round = !options.count && (!options.run_ns || options.part == Part::verify);
  if (one_round) return one_pass.value_or(kMaxMessages);
  const std::uint64_t max = options.count.value_or(kMaxMessages);
  const auto times = send_times_of(options);
  if (!times || !options.run_ns) return max;
  return std::min(max, times->due_by(*options.run_ns - 1));
}

LoopSettings settings_of(const Options& options, std::uint64_t messages, std::uint32_t thread) {
  LoopSettings settings;
  settings.server = options.server;
  settings.source = options.source;
  settings.clients = share_of(options.clients, options.threads, thread);
  settings.size = options.size;
  settings.segments = options.segments;
  settings.timeout_ns = options.timeout_ns;
  settings.run_ns = options.run_ns;
  settings.check = options.check;
  if (const auto times = send_times_of(options)) {
    settings.schedule = ScheduleShare{*times, messages, thread, options.threads};
    if (!options.outstanding) {
      settings.outstanding = room_for(*times, options, messages);
      return settings;
    }
  }
  std::uint32_t first_client = 0;
  for (std::uint32_t i = 0; i < thread; ++i)
    first_client += share_of(options.clients, options.threads, i);
  settings.outstanding =
      share_of_clients(options.outstanding.value_or(kDefaultOutstanding), options.clients,
                       first_client, first_client + settings.clients);
  return settings;
}

void Loop::run(std::uint64_t start_ns) {
  // Otherwise the kernel ends waits up to 50 us late, so as to end several together.
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  start_ns_ = last_heard_ns_ = last_sent_ns_ = start_ns;
  const CpuTime before = thread_cpu();
  work();
  const CpuTime after = thread_cpu();
  cpu_ = {after.user_ns - before.user_ns, after.system_ns - before.system_ns};
}

std::span<const std::uint32_t> Loop::wait(std::uint64_t now_ns, std::uint64_t until_ns) {
  tally_.add(Count::wait_calls);
  const std::span<const std::uint32_t> ready = wait_.wait(now_ns, until_ns);
  if (wait_.error() != 0) receive_failed(wait_.error(), "waiting for the socket: ");
  return ready;
}

void Loop::receive_failed(int error, const char* call) {
  tally_.add(Count::receive_errors);
  findings_.note(Fault::receive_error, monotonic_ns(),
                 [&] { return fmt::format("{}{}", call, std::strerror(error)); });
  std::this_thread::sleep_for(std::chrono::nanoseconds(kRetryNs));
}

std::string Loop::identify(std::uint64_t message, std::uint64_t transaction) const {
  const std::string description = workload_.describe(message);
  return fmt::format("message {}{}{}, transaction 0x{:016x}", message + 1,
                     description.empty() ? "" : ", ", description, transaction);
}

std::string Loop::in_words(std::span<const std::byte> datagram) {
  return fmt::format(
      "{} bytes: {}", datagram.size(),
      in_quotes({reinterpret_cast<const char*>(datagram.data()), datagram.size()}, kQuotedBytes));
}

}  // namespace cpss::udpblast
