// A whole run: opens the sockets, starts the threads, watches them, adds up.
#pragma once

#include "tools/udpblast/options.h"
#include "tools/udpblast/result.h"
#include "tools/udpblast/workload.h"

namespace cpss::udpblast {

// Returns when the run has ended. SIGINT or SIGTERM ends it early: the first one stops sending, a
// second one ends it at once; both are blocked in the calling thread meanwhile. Progress and
// interval reports go to standard error. Throws SocketError (no socket, no thread) and
// UnusableRegion before anything is sent; aborts if its own ledger does not balance.
RunResult run_blast(const Options& options, const Workload& workload);

}  // namespace cpss::udpblast
