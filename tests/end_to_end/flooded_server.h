// What has to hold for a server that got more than it can do.
#pragma once

#include <cstdint>

#include <sys/types.h>

#include "tests/end_to_end/server_process.h"

namespace cpss {

// Private memory that the process has asked the kernel for, in KiB, touched or not ("VmData",
// proc(5)). What is in RAM would also grow as each slot is used for the first time.
std::uint64_t allocated_kib(pid_t pid);
// Fails the test if that is more than `before_kib`, by more than an allocator may keep. Not under
// ThreadSanitizer, whose own records grow.
void expect_no_more_allocated(pid_t pid, std::uint64_t before_kib);

// Where the datagrams of a flood are (M05). Each datagram that the clients' kernel took is
// received, or counted as dropped at the server's socket, or was lost before it in a CPU's input
// queue. The kernel counts that loss for the whole machine, floods of other programs included, so
// it is an upper bound on the datagrams that may be missing.
class FloodAccount {
 public:
  // To be made before the flood, while the server has received nothing.
  explicit FloodAccount(const ServerProcess& server);

  void add(std::uint64_t sent) noexcept { sent_ += sent; }
  // Waits until each datagram is in one of these counters and nothing is inside. The return of
  // send() does not show that: on a busy machine a CPU's input queue and the socket may hold
  // datagrams long after the server has nothing inside.
  void wait_until_all_taken() const;
  // To be called after the server's end: before it, the last drops are not read yet.
  void expect_all_accounted() const;

 private:
  std::int64_t missing() const;  // sent, and in no counter of the server
  std::int64_t lost_before_us() const;

  const ServerProcess& server_;
  std::uint64_t backlog_drops_before_;
  std::uint64_t sent_ = 0;
};

}  // namespace cpss
