// The settings of each thread of a run: the run's options, shared out.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "net/address.h"
#include "tools/udpblast/options.h"
#include "tools/udpblast/send_schedule.h"

namespace cpss::udpblast {

struct LoopSettings {
  SocketAddress server;
  std::optional<SocketAddress> source;
  std::uint32_t clients = 1;      // sockets
  std::uint32_t outstanding = 1;  // max messages under way; in a closed loop at least clients
  std::size_t size = 0;           // bytes of a message
  std::size_t segments = 1;       // messages in one packet
  std::uint64_t timeout_ns = 0;
  std::optional<std::uint64_t> run_ns;    // how long to send
  std::optional<ScheduleShare> schedule;  // open loop
  std::uint64_t seed = 0;                 // of its transaction ids
  bool check = true;
};

// The plan of an open loop, nullopt for a closed one.
std::optional<SendTimes> send_times_of(const Options& options);

// How many messages the run has, as far as that is known before. `one_pass`: the workload's.
std::uint64_t messages_of(const Options& options, std::optional<std::uint64_t> one_pass);

// For thread `thread` of options.threads; sets all but the seed.
LoopSettings settings_of(const Options& options, std::uint64_t messages, std::uint32_t thread);

}  // namespace cpss::udpblast
