// A lane's steps on sockets without a kernel, to count the instructions that a message takes:
//
//   instructions KIND TRAFFIC BATCHES
//
//   KIND     pools: a receive lane that runs the later stages inline, as with little to do;
//            lanes: a lane of those that share their work, the default
//   TRAFFIC  plain: each datagram by itself; merged: the batch is one arrival
//
// One thread brings BATCHES times 32 requests of 256 bytes from receive to response, service echo,
// without waits and system calls. scripts/bench runs it twice under callgrind: what a run of twice
// as many batches takes more is what the batches take. Exit code 1 if not all were answered.
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "net/datagram_socket.h"
#include "queue/slot_pool.h"
#include "queue/slot_queue.h"
#include "services/registry.h"
#include "stages/lane/attendance.h"
#include "stages/lane/hop_time.h"
#include "stages/lane/lane_context.h"
#include "stages/lane/spin.h"
#include "stages/message/memory.h"
#include "stages/message/slot_store.h"
#include "stages/message/work_sharing.h"
#include "stages/receive/access_control.h"
#include "stages/receive/receive.h"
#include "stages/response/response.h"
#include "stages/service/service.h"
#include "stats/writer.h"

namespace cpss {
namespace {

constexpr std::uint32_t kMessages = 32;  // in a batch
constexpr std::uint32_t kMaxBatch = 64;  // so the lane sees that there are no more
constexpr std::uint32_t kSlots = 1'024;
constexpr std::size_t kBytes = 256;                      // of a message
constexpr std::uint64_t kNoLimitNs = 1'000'000'000'000;  // callgrind makes every step slow

IpAddress ip(const char* text) {
  return *IpAddress::parse(text);
}

// Has one batch whenever it is given one, and takes all replies.
class BatchSocket final : public DatagramSocket {
 public:
  explicit BatchSocket(bool merged) : merged_(merged) {}

  void give() { there_ = kMessages; }
  std::uint64_t answered() const { return answered_; }

  ReceiveResult receive(std::span<const ReceiveBuffer> buffers,
                        std::span<Arrival> arrivals) noexcept override {
    std::size_t filled = 0;
    for (; there_ > 0 && filled < buffers.size(); ++filled) {
      Arrival& arrival = arrivals[filled];
      arrival = {};
      arrival.peer = peer_;
      arrival.length = static_cast<std::uint32_t>(kBytes);
      if (merged_) {
        arrival.segment_size = arrival.length;
        arrival.length *= kMessages;
      }
      there_ -= arrival.datagrams();
    }
    return {filled, 0};
  }
  SendResult send(std::span<const OutgoingDatagram> datagrams) noexcept override {
    answered_ += datagrams.size();
    return {datagrams.size(), 0};
  }
  void wait_writable(std::chrono::milliseconds) noexcept override {}
  int descriptor() const noexcept override { return -1; }

 private:
  const bool merged_;
  const SocketAddress peer_{ip("192.0.2.1"), 20'000};
  std::uint32_t there_ = 0;  // datagrams
  std::uint64_t answered_ = 0;
};

// As of a server with one address on a host with one interface, nothing set.
AccessOptions usual_access() {
  return {.allowed = {},
          .trusted = PrefixSet({*Prefix::make("127.0.0.0", 8), *Prefix::make("::1", 128)}),
          .own_addresses = {{ip("192.0.2.2"), 7'700}},
          .host = LocalAddressSet({ip("127.0.0.1"), ip("::1"), ip("192.0.2.2"), ip("fe80::1")},
                                  {ip("192.0.2.255")})};
}

struct alignas(kCacheLine) Block {
  std::array<Value, kBlockBytes / sizeof(Value)> values{};
};

class Queue {
 public:
  Queue() : memory_(SlotQueue::bytes(kSlots)), queue_(*SlotQueue::create(memory_.data(), kSlots)) {}
  SlotQueue& get() { return queue_; }

 private:
  Memory memory_;
  SlotQueue& queue_;
};

// What both kinds of lanes have.
class Lane {
  std::array<Block, 3> blocks_;
  std::size_t next_block_ = 0;

 public:
  explicit Lane(bool merged) : socket(merged) {}

  StatsWriter writer() { return {blocks_[next_block_++].values.data(), Detail::histograms}; }

  BatchSocket socket;
  std::unique_ptr<Service> service = built_in_services().find("echo")->make({});
  SlotStore store{kSlots, 1'024};
  Memory pool_memory{SlotPool::bytes(kSlots)};
  SlotPool& pool = *SlotPool::create(pool_memory.data(), kSlots);
  Queue requests, responses;
  AccessControl access_control{usual_access()};
  StepCost service_cost, response_cost;
  LaneContext context{pool, 2 * kMaxBatch, 1};
  ResponseStep response{{.sockets = {&socket},
                         .store = store,
                         .responses = responses.get(),
                         .cost = response_cost,
                         .batch = kMaxBatch,
                         .lanes = 1,
                         .grouped = true,
                         .keeps_unsent = true},
                        context,
                        writer()};

 protected:
  ReceiveStep::Wiring receive_wiring(bool merged) {
    return {.sockets = {&socket},
            .store = store,
            .pool = pool,
            .requests = requests.get(),
            .access_control = access_control,
            .batch = kMaxBatch,
            .lanes = 1,
            .merged = merged};
  }
  ServiceStep::Wiring service_wiring() {
    return {*service, store, requests.get(), responses.get(), service_cost, kMaxBatch, 1};
  }
};

class PoolLane : public Lane {
 public:
  explicit PoolLane(bool merged)
      : Lane(merged),
        service_step_(service_wiring(), context, writer(),
                      InlineDispatch({responses.get(), 1, response_cost, kNoLimitNs, false},
                                     response, context)),
        receive_(receive_wiring(merged), context, writer(),
                 InlineDispatch({requests.get(), 1, service_cost, kNoLimitNs, false}, service_step_,
                                context)) {
    // The other lanes sleep. Nothing is inline before something is known of what it takes.
    servers_.begin_wait();
    responders_.begin_wait();
    service_cost.note(100, 1);
    response_cost.note(100, 1);
  }

  void run() { receive_.run(); }

 private:
  SlotQueue::Consumer servers_{requests.get(), 1};
  SlotQueue::Consumer responders_{responses.get(), 1};
  ServiceStep service_step_;
  ReceiveStep receive_;
};

class SharingLane : public Lane {
 public:
  explicit SharingLane(bool merged)
      : Lane(merged),
        service_step_(
            sharing(service_wiring()), context, writer(),
            InlineDispatch({responses.get(), 1, response_cost, 0, true, true}, response, context)),
        receive_(receive_wiring(merged), context, writer(),
                 InlineDispatch({requests.get(), 1, service_cost, 0, true, true, &sharing_},
                                service_step_, context)) {
    awake_.note_awake(0);
    service_cost.note(100, 1);
    response_cost.note(100, 1);
  }

  void run() {
    response.run();
    service_step_.run();
    receive_.run();
  }

 private:
  ServiceStep::Wiring sharing(ServiceStep::Wiring wiring) {
    wiring.keeps_deferred = true;
    wiring.sharing = &sharing_;
    return wiring;
  }

  Attendance attendance_{1, -1};
  std::array<AwakeLanes::Word, 1> bits_{};
  AwakeLanes awake_{1, bits_};
  HopTime hop_;
  WorkSharing sharing_{
      {requests.get(), attendance_, awake_, hop_, service_cost, response_cost, kNoLimitNs, 1, 2}};
  ServiceStep service_step_;
  ReceiveStep receive_;
};

template <class Kind>
int run(bool merged, std::uint64_t batches) {
  Kind lane(merged);
  for (std::uint64_t i = 0; i < batches; ++i) {
    lane.socket.give();
    lane.run();
  }
  std::printf("%llu\n", static_cast<unsigned long long>(lane.socket.answered()));
  return lane.socket.answered() == batches * kMessages ? 0 : 1;
}

}  // namespace
}  // namespace cpss

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  std::uint64_t batches = 0;
  if (words.size() != 3 ||
      std::from_chars(words[2].data(), words[2].data() + words[2].size(), batches).ec !=
          std::errc{}) {
    std::fputs("usage: instructions pools|lanes plain|merged BATCHES\n", stderr);
    return 64;
  }
  const bool merged = words[1] == "merged";
  return words[0] == "pools" ? cpss::run<cpss::PoolLane>(merged, batches)
                             : cpss::run<cpss::SharingLane>(merged, batches);
}
