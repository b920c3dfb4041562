// Both halves of a run in one thread: sends messages and checks the replies.
//
// Closed loop: it keeps a fixed number of messages under way; each reply and each time-out makes
// room for one more. Open loop: it sends the messages that are due by plan, whatever comes back
// (tools/udpblast/send_schedule.h); latency counts from the planned time, and a message that timed
// out counts among the latencies with the time it had waited.
//
// After sending it waits until every message is answered or timed out. Then it listens on for
// kListenOnNs, or, if messages have timed out, for at most another time-out, so that late and
// repeated replies are seen.
//
// It gives up if the server never answered and either sends fail or the system says that nothing
// listens there (after a second), or two time-outs have gone by with ten messages lost in a row. A
// closed loop, which would hardly send anything, also gives up once a server that did answer has
// been silent for that long.
//
// Threads: tools/udpblast/loop.h. work() allocates nothing for a message but the text of the first
// case of each fault.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tools/udpblast/client_socket.h"
#include "tools/udpblast/datagram_batches.h"
#include "tools/udpblast/loop.h"
#include "tools/udpblast/send_schedule.h"
#include "tools/udpblast/transactions.h"

namespace cpss::udpblast {

inline constexpr std::uint64_t kListenOnNs = 250'000'000;

class BlastLoop final : public Loop {
 public:
  // Opens the sockets. Throws SocketError. `workload`, `message_ids` and `stop` outlive the loop; a
  // closed loop takes its messages from `message_ids`.
  BlastLoop(const LoopSettings& settings, const Workload& workload, MessageIdPool& message_ids,
            const StopFlag& stop);

 private:
  struct Client {
    ClientSocket socket;
    std::uint32_t window;  // closed loop: messages it may have outstanding
    std::uint32_t outstanding = 0;
    bool listed = false;  // in with_room_
  };

  void work() override;
  void send_no_more(std::uint64_t now_ns) noexcept;
  bool finished(std::uint64_t now_ns) noexcept;
  bool silent_for_too_long(std::uint64_t now_ns) const noexcept;
  std::uint64_t wait_until_ns(std::uint64_t now_ns) const noexcept;

  void send_where_there_is_room();
  void send_next(std::uint32_t index);
  void send_what_is_due();
  std::size_t send_batch(std::uint32_t index, std::size_t count, std::uint64_t now_ns);

  void expire(std::uint64_t now_ns);
  bool receive(std::uint32_t index);
  bool has_room(const Client& client) const noexcept;
  void take_reply(std::uint32_t index, std::span<const std::byte> reply, std::uint64_t now_ns);
  void take_reply_in_time(std::uint64_t message, std::uint64_t transaction,
                          std::span<const std::byte> reply, std::uint64_t latency_ns,
                          std::uint64_t now_ns);
  void record_latency(std::uint64_t transaction, std::uint64_t ns) noexcept;
  void one_less_outstanding(std::uint32_t index) noexcept;

  // A message of a batch, before it is sent.
  struct Next {
    std::uint64_t message;
    std::uint64_t behind_ns;  // since it was planned
    std::uint64_t transaction;
  };

  const LoopSettings settings_;
  const bool classes_;  // there are classes of messages to tell apart
  MessageIdAllocator allocator_;
  std::optional<SendSchedule> schedule_;        // open loop
  std::optional<std::uint64_t> send_until_ns_;  // closed loop
  TransactionTable transactions_;
  std::vector<Client> clients_;
  std::vector<std::uint32_t> with_room_;  // clients that may send; never grows past its first size
  std::uint32_t next_client_ = 0;         // open loop: the one that sends next
  DatagramBatch requests_;
  ReplyBatch replies_;
  std::array<Next, kBatch> next_{};
  Transmitter transmitter_;

  std::optional<std::uint64_t> all_ended_ns_;  // since when nothing is sent or outstanding
  std::uint64_t lost_in_a_row_ = 0;            // since the last datagram arrived
  bool sending_ = true;
  bool send_blocked_ = false;  // the kernel did not take all of the last round
};

}  // namespace cpss::udpblast
