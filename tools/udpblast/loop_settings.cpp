#include "tools/udpblast/loop_settings.h"

#include <algorithm>

#include "tools/udpblast/transaction_table.h"

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

}  // namespace cpss::udpblast
