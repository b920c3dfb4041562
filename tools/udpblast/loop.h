// What the loops of a run have in common: BlastLoop, SendLoop, VerifyLoop. LoopSettings are the
// run's options, shared out among its threads; a Loop is the work of one thread, as the main thread
// sees it.
//
// LoopSettings are plain values, and the functions that make them are pure: any thread. Of a Loop,
// one thread calls run(); any thread may read tally() meanwhile; the rest is for before and after.
// Points in time are monotonic_ns().
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "net/address.h"
#include "tools/udpblast/client_socket.h"
#include "tools/udpblast/options.h"
#include "tools/udpblast/send_schedule.h"
#include "tools/udpblast/tally.h"
#include "tools/udpblast/workload.h"

namespace cpss::udpblast {

struct LoopSettings {
  SocketAddress server;
  std::optional<SocketAddress> source;
  std::uint32_t clients = 1;      // sockets
  std::uint32_t outstanding = 1;  // max messages under way; in a closed loop at least clients
  std::size_t size = 0;           // bytes of a message
  std::size_t segments = 1;       // messages in one packet
  std::uint64_t timeout_ns = 0;
  std::optional<std::uint64_t> run_ns;    // how long to send
  std::optional<ScheduleShare> schedule;  // open loop
  std::uint64_t seed = 0;                 // of its transaction ids
  bool check = true;
};

// The plan of an open loop, nullopt for a closed one.
std::optional<SendTimes> send_times_of(const Options& options);

// How many messages the run has, as far as that is known before. `one_pass`: the workload's.
std::uint64_t messages_of(const Options& options, std::optional<std::uint64_t> one_pass);

// For thread `thread` of options.threads; sets all but the seed.
LoopSettings settings_of(const Options& options, std::uint64_t messages, std::uint32_t thread);

// The main thread sets it for all loops, which look at it at least every kLongestWaitNs.
enum class Stop : std::uint8_t {
  no,
  sending,  // send no more, wait for the outstanding messages
  at_once,  // end now; messages without a reply count as outstanding
};
using StopFlag = std::atomic<Stop>;  // relaxed: nothing else is handed over with it

inline constexpr std::uint64_t kLongestWaitNs = 50'000'000;
inline constexpr std::uint64_t kRetryNs = 1'000'000;  // before another try, if the kernel refused
inline constexpr std::size_t kBatch = 64;             // datagrams in one system call

struct CpuTime {
  std::uint64_t user_ns = 0;
  std::uint64_t system_ns = 0;
};

class Loop {
 public:
  virtual ~Loop() = default;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // `start_ns`: monotonic_ns() at the beginning of the run; may be in the future.
  void run(std::uint64_t start_ns);

  const Tally& tally() const noexcept { return tally_; }

  // After run().
  const FirstFindings& findings() const noexcept { return findings_; }
  CpuTime cpu() const noexcept { return cpu_; }  // of this thread inside run()
  std::uint64_t last_heard_ns() const noexcept { return last_heard_ns_; }
  std::uint64_t last_sent_ns() const noexcept { return last_sent_ns_; }
  bool gave_up() const noexcept { return gave_up_; }

 protected:
  // `workload` and `stop` outlive the loop. Throws SocketError.
  Loop(const Workload& workload, const StopFlag& stop) : workload_(workload), stop_(stop) {}

  virtual void work() = 0;

  // Waits (SocketWait::wait()) and counts that. If the wait fails, pauses for kRetryNs.
  std::span<const std::uint32_t> wait(std::uint64_t now_ns, std::uint64_t until_ns);
  // Counts that a socket could not be read, or waited for, and pauses for kRetryNs: it stays
  // readable, so that without the pause the loop would try again at full speed.
  void receive_failed(int error, const char* call = "");

  Stop told() const noexcept { return stop_.load(std::memory_order_relaxed); }
  double since_start_s(std::uint64_t at_ns) const noexcept {
    return static_cast<double>(at_ns - start_ns_) / 1e9;
  }
  // For findings.
  std::string identify(std::uint64_t message, std::uint64_t transaction) const;
  static std::string in_words(std::span<const std::byte> datagram);

  const Workload& workload_;
  Tally tally_;
  FirstFindings findings_;
  SocketWait wait_;
  std::uint64_t start_ns_ = 0;
  std::uint64_t last_heard_ns_ = 0;  // when the last datagram was received; at first the start
  std::uint64_t last_sent_ns_ = 0;   // when the last message was sent; at first the start
  bool gave_up_ = false;

 private:
  const StopFlag& stop_;
  CpuTime cpu_;
};

}  // namespace cpss::udpblast
