// Options that the stages of a server are built with: settings, checked and made into numbers.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "config/settings.h"
#include "net/address.h"
#include "stages/message/memory.h"
#include "stats/metrics.h"

namespace cpss {

struct PoolOptions {
  unsigned lanes = 1;
  std::vector<unsigned> cpus = {};                  // empty: all
  std::optional<unsigned> real_time_priority = {};  // none: not in the real-time class
  Detail detail = Detail::histograms;               // how much is counted of its stage
};

struct PipelineOptions {
  ServerModel model = ServerModel::seda;
  unsigned lanes = 1;  // of symped; processes of mp
  SocketSharing sockets = SocketSharing::shared;
  bool exclusive_wake = true;  // a datagram wakes one of the lanes that wait for its socket
  ProcessUse process_use = ProcessUse::prefork;
  // With SocketSharing::handoff:
  unsigned handoff_limit = 5;                      // max received and not yet answered, for a lane
  unsigned max_lanes = 1;                          // not below `lanes`
  std::chrono::milliseconds idle_lane_end{10000};  // a lane ends after so long without the token

  // Of seda: so many lanes that run all steps and share their work; 0: a pool for each stage.
  unsigned sharing_lanes = 0;
  PoolOptions receive;  // also for lanes that run all steps, except for their number
  PoolOptions service;
  PoolOptions worker{.lanes = 0};
  PoolOptions response;
  unsigned on_demand_threads = 0;  // max; only with workers
  unsigned worker_queue = 0;       // places; only with workers
  bool defer_all = false;          // every message goes to the workers
  bool shed = false;               // sheds messages that find no room; false: they wait
  unsigned busy_rate = 0;          // max busy replies a second
  // Longest batch that a lane dispatches inline; none: each step on its own lanes only.
  std::optional<std::chrono::nanoseconds> inline_max = {};
  unsigned cpus = 1;                       // that the server may use
  std::chrono::nanoseconds spin = {};      // how long a lane looks again before it waits
  std::chrono::nanoseconds coalesce = {};  // of a receive lane between small batches; 0: none
  std::chrono::nanoseconds send_wait = std::chrono::milliseconds(50);  // of a reply for room
  bool stop_reading = false;  // at the end the sockets' datagrams are left to the next server
  bool merged = false;        // arrivals may hold several datagrams (UDP_GRO)
  bool grouped = false;       // replies to one peer may leave as one packet (UDP_SEGMENT)
  Sharing sharing = Sharing::process_private;
  std::optional<SocketAddress> reply_address;  // none: to the source of each request
  std::uint32_t slots = 0;
  std::size_t window_bytes = 0;
  std::uint32_t batch = 0;
};

}  // namespace cpss
