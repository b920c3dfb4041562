// The half of a run that sends: messages by plan, or as fast as the kernel takes them. It reads no
// replies; tools/udpblast/verify_loop.h is the other half. Without a plan it gives up when the
// system has refused everything for kHopelessNs.
//
// Threads: tools/udpblast/loop.h. work() allocates nothing for a message.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "tools/udpblast/client_socket.h"
#include "tools/udpblast/datagram_batches.h"
#include "tools/udpblast/loop.h"
#include "tools/udpblast/send_schedule.h"
#include "tools/udpblast/transactions.h"

namespace cpss::udpblast {

class SendLoop final : public Loop {
 public:
  // Opens the sockets. Throws SocketError. `workload`, `message_ids` and `stop` outlive the loop;
  // without a plan it takes its messages from `message_ids`.
  SendLoop(const LoopSettings& settings, const Workload& workload, MessageIdPool& message_ids,
           const StopFlag& stop);

 private:
  void work() override;
  void send_by_schedule(SendSchedule& schedule);
  void send_flat_out();
  bool nothing_gets_out(std::uint64_t now_ns) noexcept;
  std::size_t send_batch(std::size_t count);

  const LoopSettings settings_;
  const TransactionIds ids_;
  MessageIdAllocator allocator_;
  std::vector<ClientSocket> clients_;
  std::size_t next_client_ = 0;
  DatagramBatch requests_;
  std::array<std::uint64_t, kBatch> messages_{};  // of the next batch
  Transmitter transmitter_;
};

}  // namespace cpss::udpblast
