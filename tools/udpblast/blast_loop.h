// One thread's work: keep its share of messages outstanding, check what comes back.
//
// A run has three phases. While sending, each reply and each time-out makes room for one more
// message. Then it waits until every message is answered or timed out. Then it listens on for
// kListenOnNs, or, if messages have timed out, for at most another time-out, so that late and
// repeated replies are seen.
//
// It gives up once the server has been silent for two time-outs and ten messages, or for a second
// if it never answered and the system says that nothing listens there.
//
// One thread calls run(); any thread may read tally() meanwhile; the rest is for before and after.
// run() allocates nothing for a message; the first case of each fault is put into words.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "net/address.h"
#include "stats/file_descriptor.h"
#include "tools/udpblast/client_socket.h"
#include "tools/udpblast/datagram_batch.h"
#include "tools/udpblast/finding.h"
#include "tools/udpblast/number_supply.h"
#include "tools/udpblast/tally.h"
#include "tools/udpblast/transaction_table.h"
#include "tools/udpblast/workload.h"

namespace cpss::udpblast {

inline constexpr std::uint64_t kListenOnNs = 250'000'000;

// Told to all loops by the main thread; looked at at least every 50 ms.
enum class Stop : std::uint8_t {
  no,
  sending,  // send no more, wait for what is outstanding
  at_once,  // what is outstanding is counted as such
};
using StopFlag = std::atomic<Stop>;  // relaxed: nothing else is handed over with it

struct LoopSettings {
  SocketAddress server;
  std::uint32_t clients = 1;
  std::uint32_t outstanding = 1;  // at least clients; shared out among them
  std::size_t size = 0;           // bytes of a message
  std::uint64_t timeout_ns = 0;
  std::uint64_t start_ns = 0;                  // monotonic_ns() at the beginning of the run
  std::optional<std::uint64_t> send_until_ns;  // monotonic_ns()
  std::uint64_t seed = 0;                      // of its transaction ids
  bool check = true;
};

struct CpuTime {
  std::uint64_t user_ns = 0;
  std::uint64_t system_ns = 0;
};

class BlastLoop {
 public:
  // Opens the sockets. Throws SocketError. `workload`, `numbers` and `stop` outlive the loop.
  BlastLoop(const LoopSettings& settings, const Workload& workload, NumberPool& numbers,
            const StopFlag& stop);

  void run();

  const Tally& tally() const noexcept { return tally_; }

  // After run().
  const FirstFindings& findings() const noexcept { return findings_; }
  CpuTime cpu() const noexcept { return cpu_; }  // of this thread inside run()
  std::uint64_t last_heard_ns() const noexcept { return last_heard_ns_; }
  bool gave_up() const noexcept { return gave_up_; }

 private:
  static constexpr std::size_t kBatch = 64;  // datagrams in one system call

  struct Client {
    ClientSocket socket;
    std::uint32_t window;  // messages it may have outstanding
    std::uint32_t outstanding = 0;
    bool listed = false;  // in with_room_
  };

  bool finished(std::uint64_t now_ns) noexcept;
  bool silent_for_too_long(std::uint64_t now_ns) const noexcept;
  int wait_ms(std::uint64_t now_ns) const noexcept;

  void send_where_there_is_room();
  void send_batch(std::uint32_t index);
  std::size_t transmit(Client& client, std::size_t count, std::uint64_t now_ns);

  void expire(std::uint64_t now_ns);
  void receive(std::uint32_t index);
  void take_reply(std::uint32_t index, std::span<const std::byte> reply, std::uint64_t now_ns);
  void one_less_outstanding(std::uint32_t index) noexcept;

  std::string identify(std::uint64_t message, std::uint64_t transaction) const;
  double since_start_s(std::uint64_t at_ns) const noexcept;

  const LoopSettings settings_;
  const Workload& workload_;
  const StopFlag& stop_;
  NumberSupply numbers_;
  TransactionTable transactions_;
  std::vector<Client> clients_;
  std::vector<std::uint32_t> with_room_;  // clients that may send; never grows past its first size
  DatagramBatch requests_;
  DatagramBatch replies_;
  std::array<std::uint64_t, kBatch> batch_transactions_{};
  FileDescriptor epoll_;

  Tally tally_;
  FirstFindings findings_;
  CpuTime cpu_;
  std::uint64_t last_heard_ns_;                // a datagram's arrival; at first the start
  std::optional<std::uint64_t> all_ended_ns_;  // since when nothing is sent or outstanding
  std::uint64_t lost_in_a_row_ = 0;            // since a datagram arrived
  bool sending_ = true;
  bool send_blocked_ = false;  // the kernel did not take all of the last round
  bool gave_up_ = false;
};

}  // namespace cpss::udpblast
