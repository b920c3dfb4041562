// Private networks for tests: a test that needs addresses, links or forged packets of its own runs
// in one, and leaves nothing behind. Needs root or user namespaces; for links and addresses also
// `ip` (package iproute2).
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "net/address.h"

namespace cpss {

struct NamespaceRun {
  std::optional<int> exit_status;  // the function's result; 128 + signal if a signal ended it
  std::string not_possible;        // why it was not run at all, for GTEST_SKIP()
};

// Forks; the child gets a network namespace of its own with `lo` up, runs `function` there and
// exits with its result (an exception: 125, its text on standard error). SIGALRM ends a child that
// takes longer than `limit`, so `limit` has to be longer than all waits in the function together:
// else the test does not come to say which of them failed. The function has to stop what it starts.
// A test's function ends with `return testing::Test::HasFailure();`.
NamespaceRun run_in_namespace(const std::function<int()>& function,
                              std::chrono::seconds limit = std::chrono::seconds(60));

// Why links and addresses cannot be made here; empty if they can.
std::string why_no_ip_command();

// Runs `ip ARGUMENTS` in the namespace of the calling thread. Throws std::runtime_error.
void ip_command(const std::string& arguments);

// Gives the interface an address, `10.9.0.1/24` or `fd09::1/64` (without duplicate address
// detection), in the namespace of the calling thread. For IPv6 the kernel completes the address in
// the background, and datagrams sent meanwhile may be lost; so this returns once it is complete.
// Throws std::runtime_error.
void add_address(const std::string& address, const std::string& interface);

// Another network namespace beside the current one, with `lo` up: the other end of a wire. Only
// inside run_in_namespace(). A thread is in one namespace at a time, a socket stays in the one it
// was made in.
class OtherNamespace {
 public:
  OtherNamespace();  // throws std::system_error
  ~OtherNamespace();
  OtherNamespace(const OtherNamespace&) = delete;
  OtherNamespace& operator=(const OtherNamespace&) = delete;

  // Runs `function` with the calling thread in this namespace, and comes back.
  void inside(const std::function<void()>& function) const;

  // A pair of Ethernet interfaces, both up, without addresses yet: `here` in the caller's
  // namespace, `there` in this one.
  void connect(const std::string& here, const std::string& there) const;

 private:
  int home_ = -1;
  int other_ = -1;
};

// Sends a UDP datagram over IPv4 with any sender `source`, port 0 included, by a raw socket
// (CAP_NET_RAW). Returns 0 or errno: the kernel refuses some senders, and puts an address of its
// own in place of 0.0.0.0 (raw(7)).
int send_forged(const SocketAddress& source, const SocketAddress& destination,
                std::span<const std::byte> payload) noexcept;

}  // namespace cpss
