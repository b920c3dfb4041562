// The half of a run that checks: another process, `udpblast send` with the same seed, sends the
// requests, and the replies arrive at one socket of this loop.
//
// It ends when it has seen all messages, when after the first reply none came for the time-out, or
// when the time limit is over.
//
// In its tally `sent` and `planned` are the messages that the other half was to send, `right`,
// `wrong` and `busy` are the first replies to each, `timed_out` those without a reply.
//
// Threads: tools/udpblast/loop.h. work() allocates nothing for a message; one bit for each is
// allocated before.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tools/udpblast/client_socket.h"
#include "tools/udpblast/datagram_batches.h"
#include "tools/udpblast/loop.h"
#include "tools/udpblast/transactions.h"

namespace cpss::udpblast {

class VerifyLoop final : public Loop {
 public:
  // Binds to settings.server, where the replies arrive. Throws SocketError. `messages` is at most
  // kMaxVerified. `workload` and `stop` outlive the loop.
  VerifyLoop(const LoopSettings& settings, const Workload& workload, std::uint64_t messages,
             const StopFlag& stop);

  SocketAddress address() const { return socket_.local_address(); }  // with the real port

 private:
  void work() override;
  bool finished(std::uint64_t now_ns) const noexcept;
  void receive();
  void take_reply(std::span<const std::byte> reply, std::uint64_t now_ns);

  const LoopSettings settings_;
  const TransactionIds ids_;
  const std::uint64_t messages_;
  std::vector<bool> seen_;
  std::uint64_t different_ = 0;  // bits that are set in seen_
  ClientSocket socket_;
  ReplyBatch replies_;
};

}  // namespace cpss::udpblast
