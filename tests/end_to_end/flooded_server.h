// What has to hold of a server that got more than it can do.
#pragma once

#include <cstdint>

#include <sys/types.h>

#include "tests/end_to_end/server_process.h"

namespace cpss {

// Memory of the process that is in RAM.
std::uint64_t resident_kib(pid_t pid);

// Every datagram the clients' kernel took is either received or counted as dropped at the socket
// (M05). The only other place is the CPU's input queue, which counts too: `backlog_drops_before` is
// what backlog_drops() said before the flood. After the server's end: before it, some may still be
// in the socket's buffer, and the last drops are yet to be read.
void expect_all_accounted(const ServerProcess& server, std::uint64_t sent,
                          std::uint64_t backlog_drops_before);

}  // namespace cpss
