// A server between its start and its end, as the main thread sees it: the tick, the drain, the
// forced end.
//
// The end, after a signal (docs/signals.md) or silence for CPSS_IDLE_EXIT:
//   1. Main gives every socket that we opened a filter that accepts nothing: from then on the
//      kernel drops and counts arriving datagrams. A child process waits for deliveries under way
//      (membarrier(2)), a second at most, so that nothing slips in later. Inherited sockets get no
//      filter: the lanes stop reading them, and the next server reads the datagrams that they hold.
//   2. Receive lanes take the datagrams that the sockets still hold, then end (in `amped`: go on
//      with replies alone). Main closes the request queue: service lanes finish the messages in it,
//      then end. So do workers, on-demand threads and response lanes, in this order.
//   3. Main connects every socket that we opened to its own address, so that no datagram finds it
//      any more, and waits once more: then the kernel's count of drops is final. Main reads it,
//      logs the ledger, and gives the region its clean-end mark. The kernel answers later datagrams
//      with "port unreachable"; they were never ours. (A socket whose address has gone from the
//      host cannot be connected, nor a wildcard where loopback is down: datagrams that come to such
//      a socket between that reading and its closing, some milliseconds later, are in no ledger.)
//
// If that takes longer than CPSS_DRAIN_TIMEOUT, or a second signal comes, main closes the pool, so
// that no lane begins to receive any more, takes every message away from the lanes, books it as
// failed, and leaves without joining them. Main takes a message by a compare-exchange of the
// occupancy word of its slot (stages/message/slot_store.h), and merged datagrams without a slot by
// one of a word of the receive lane (stages/receive/held_datagrams.h): a lane that later tries to
// end such a message finds it taken and books nothing. Main waits, up to 2 s, for what a lane has
// in hand at that moment, for the length of a system call or of one entry in the ledger. Datagrams
// that the sockets still hold are counted as dropped by the kernel. Processes are killed, and the
// messages they held are booked like those of any process that dies. Only if then nothing is in
// flight does the region get its clean-end mark; if not, the log says how many messages are, and
// the region looks like that of a server that died.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "server/daemon/address_follower.h"
#include "server/daemon/cpu_watch.h"
#include "server/daemon/data_reload.h"
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
  // The caller owns all of it; it outlives the server.
  struct Parts {
    EndSignals& signals;
    ServiceManager& manager;
    Listeners& listeners;
    AddressFollower& addresses;
    StatsRegion& region;
    DataReload::Source data;
    Engine& engine;
    const Assignment& assignment;
    StatsWriter main;                    // of the main thread's block
    std::vector<StatsWriter> receivers;  // of all lanes that receive, for reading
    std::chrono::nanoseconds idle_exit;  // silence after which the server ends; 0: never
  };

  explicit RunningServer(Parts parts);

  // A signal while processes start forces the end. Throws std::system_error.
  void start();
  // Tells the log and the service manager that the server runs. `line`: where, and how.
  void announce(const std::string& line);
  // Returns when a signal, or silence, ends the server.
  void run();

  // The orderly end, within `drain_timeout`; returns when all lanes have ended. If that takes
  // longer, or another signal comes, it is a forced end: the messages inside are booked as failed,
  // and the process is left at once with kExitForced.
  void end(std::chrono::nanoseconds drain_timeout);

 private:
  void tick();
  // Waits at most `longest` for a signal that ends the server; 0: none came.
  int next_signal(std::chrono::milliseconds longest);
  void book_kernel_drops();
  void watch_send_buffers();
  void book_lost_lines();
  void tell_watchdog();
  void look_after_data();
  bool silent_for_too_long();
  [[noreturn]] void force_end(const char* why);
  // Closes the counters: marks the region as cleanly ended, if nothing is inside. `nobody_works`:
  // no lane receives, or has anything in hand.
  void close_ledger(bool nobody_works);

  Parts p_;
  EventLog events_;
  CpuWatch cpus_;
  TroubleWatch troubles_;
  NeighbourWatch neighbours_;
  DataReload reload_;
  std::optional<Watchdog> watchdog_;
  std::string ready_line_;  // what the service manager was told
  int core_for_ = 0;        // the signal that asks for a core file at the end; 0: none does
  std::uint64_t received_ = 0;
  std::uint64_t lost_lines_ = 0;  // lost lines of the log that are booked
  std::chrono::steady_clock::time_point last_received_;
};

}  // namespace cpss
