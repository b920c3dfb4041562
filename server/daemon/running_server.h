// A server between its start and its end, as the main thread sees it: the tick, the drain, the
// forced end.
//
// The end, after a signal (docs/signals.md) or silence for CPSS_IDLE_EXIT:
//   1. Every socket that we opened gets a filter that accepts nothing: from then on the kernel
//      drops and counts what arrives. membarrier(2) waits for deliveries under way, so that nothing
//      slips in later. Inherited sockets get none: they are read no further, and the next start
//      reads what they hold.
//   2. Receive lanes take what the sockets still hold, then end (in `amped`: go on with replies
//      alone). The request queue is closed: service lanes finish what is in it, then end. So do
//      workers, on-demand threads and response lanes, in this order.
//   3. Every socket that we opened is connected to its own address, so that nothing finds it any
//      more, and membarrier waits once more: then the kernel's count of drops is final. It is read,
//      the region gets its clean-end mark, the ledger is logged. What comes later is answered by
//      the kernel with "port unreachable", and was never ours. (A socket whose address has gone
//      from the host cannot be connected, nor a wildcard where loopback is down: of such a socket
//      what comes between that reading and its closing, some milliseconds later, is in no ledger.)
//
// If that takes longer than CPSS_DRAIN_TIMEOUT, or a second signal comes, main closes the pool, so
// that nobody begins to receive any more, takes every message away from the lanes, books it as
// failed, and leaves without joining them. It is taken by a compare-exchange of the occupancy word
// of its slot (stages/message/slot_store.h), or, for merged datagrams without a slot, of one word
// of the receive lane (stages/receive/held_datagrams.h): a lane that later tries to end such a
// message finds it taken and books nothing. What a lane has in hand at that moment, for the length
// of a system call or of one entry in the ledger, is waited for, up to 2 s. What the sockets still
// hold is counted as dropped by the kernel. Processes are killed, and what they held is booked as
// that of others that die. Only if then nothing is in flight does the region get its clean-end
// mark; if not, the log says how much is, and the region looks like that of a server that died.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "server/daemon/address_follower.h"
#include "server/daemon/cpu_watch.h"
#include "server/daemon/event_log.h"
#include "server/daemon/listeners.h"
#include "server/daemon/neighbour_watch.h"
#include "server/daemon/service_manager.h"
#include "server/daemon/signals.h"
#include "server/daemon/trouble_watch.h"
#include "server/daemon/watchdog.h"
#include "server/pipeline/engine.h"
#include "stats/region.h"

namespace cpss {

class RunningServer {
 public:
  // All of it is the caller's and outlives the server.
  struct Parts {
    EndSignals& signals;
    ServiceManager& manager;
    Listeners& listeners;
    AddressFollower& addresses;
    StatsRegion& region;
    Engine& engine;
    const Assignment& assignment;
    StatsWriter main;                    // of the main thread's block
    std::vector<StatsWriter> receivers;  // of all lanes that receive, to be read
    std::chrono::nanoseconds idle_exit;  // silence after which the server ends; 0: never
  };

  explicit RunningServer(Parts parts);

  // A signal meanwhile, while processes start, forces the end. Throws std::system_error.
  void start();
  // Says that it runs, in the log and to the service manager. `line`: where, and how.
  void announce(const std::string& line);
  // Until a signal, or silence, ends it.
  void run();

  // The orderly end, within `drain_timeout`; returns when all lanes have ended. If that takes
  // longer, or somebody sends another signal, it is a forced end: what is inside is booked as
  // failed, and the process is left at once with kExitForced.
  void end(std::chrono::nanoseconds drain_timeout);

 private:
  void tick();
  // A signal that ends the server, at most `longest` from now; 0: none.
  int next_signal(std::chrono::milliseconds longest);
  void book_kernel_drops();
  void watch_send_buffers();
  void book_lost_lines();
  void tell_watchdog();
  bool silent_for_too_long();
  [[noreturn]] void force_end(const char* why);
  // The end of the counters: marks the region as cleanly ended, if nothing is inside.
  // `nobody_works`: nobody receives, or has anything in hand.
  void close_ledger(bool nobody_works);

  Parts p_;
  EventLog events_;
  CpuWatch cpus_;
  TroubleWatch troubles_;
  NeighbourWatch neighbours_;
  std::optional<Watchdog> watchdog_;
  int core_for_ = 0;  // the signal that asks for a core file at the end; 0: none
  std::uint64_t received_ = 0;
  std::uint64_t lost_lines_ = 0;  // of the log, that are booked
  std::chrono::steady_clock::time_point last_received_;
};

}  // namespace cpss
