// What has to hold of a server that got more than it can do.
#pragma once

#include <cstdint>

#include <sys/types.h>

#include "tests/end_to_end/server_process.h"

namespace cpss {

// Memory of the process that is in RAM.
std::uint64_t resident_kib(pid_t pid);

// Where the datagrams of a flood have got to (M05). Each that the clients' kernel took is received,
// or counted as dropped at the server's socket, or was lost before it in a CPU's input queue, which
// the kernel counts for the whole machine: floods of other programs are in that number, too, so it
// is a bound on what may be missing.
class FloodAccount {
 public:
  // Before the flood; the server has received nothing yet.
  explicit FloodAccount(const ServerProcess& server);

  void add(std::uint64_t sent) noexcept { sent_ += sent; }
  // Until each datagram is in one of these counters and nothing is inside. That send() has returned
  // does not say so: on a busy machine a CPU's input queue and the socket hold datagrams long after
  // the server has nothing inside.
  void wait_until_all_taken() const;
  // After the server's end: before it, the last drops are yet to be read.
  void expect_all_accounted() const;

 private:
  std::int64_t missing() const;  // sent, and in no counter of the server
  std::int64_t lost_before_us() const;

  const ServerProcess& server_;
  std::uint64_t backlog_drops_before_;
  std::uint64_t sent_ = 0;
};

}  // namespace cpss
