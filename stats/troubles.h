// The one list of troubles that a server may have while it goes on serving. It defines what the
// lanes show (stages/lane/troubles.h), the table of the stats region, getstat's reasons for the
// state `degraded`, and docs/counters.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cpss {

enum class Trouble : std::uint8_t {
  receive,
  wait,
  send,
  thread_start,
  process_start,
  process_death,
  cpus,
};

// The meaning of the number that comes with a trouble.
enum class TroubleNumber : std::uint8_t { none, error, signal };

struct TroubleInfo {
  Trouble id;
  std::string_view name;
  TroubleNumber number;
  // The trouble is over some time after its last failure, with or without a success: the server
  // repeats the failing call at least once a second, or no longer needs it.
  bool fades;
  std::string_view help;
};

inline constexpr auto kTroubles = std::to_array<TroubleInfo>({
    {Trouble::receive, "receive", TroubleNumber::error, true,
     "receiving from a socket fails: what it holds waits"},
    {Trouble::wait, "wait", TroubleNumber::error, true,
     "waiting for sockets fails: they are looked at every 10 ms"},
    {Trouble::send, "send", TroubleNumber::error, true,
     "replies are lost: the kernel does not take them"},
    {Trouble::thread_start, "thread_start", TroubleNumber::error, true,
     "threads cannot be started: there are fewer than there should be"},
    {Trouble::process_start, "process_start", TroubleNumber::error, true,
     "processes cannot be started: there are fewer than there should be"},
    {Trouble::process_death, "process_death", TroubleNumber::signal, false,
     "processes die before they have ended a message"},
    {Trouble::cpus, "cpus", TroubleNumber::none, false,
     "the CPUs that were given may not be used any more: those that are left are"},
});

constexpr const TroubleInfo& info(Trouble trouble) {
  return kTroubles[static_cast<std::size_t>(trouble)];
}

constexpr bool troubles_match_ids() {
  for (std::size_t i = 0; i < kTroubles.size(); ++i)
    if (static_cast<std::size_t>(kTroubles[i].id) != i) return false;
  return true;
}
static_assert(troubles_match_ids() &&
              kTroubles.size() == static_cast<std::size_t>(Trouble::cpus) + 1);

}  // namespace cpss
