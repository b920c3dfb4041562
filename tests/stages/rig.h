// The stages over fake sockets on the test's own thread: slots, pool, queues, one step of each
// stage, and private counters; on request also the worker queue, with steps of workers and the
// starter of on-demand threads. Nothing runs unless the test runs it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "queue/slot_pool.h"
#include "queue/slot_queue.h"
#include "queue/worker_occupancy.h"
#include "queue/worker_queue.h"
#include "services/service.h"
#include "stages/lane/lane_context.h"
#include "stages/message/busy_budget.h"
#include "stages/message/memory.h"
#include "stages/message/slot_store.h"
#include "stages/receive/access_control.h"
#include "stages/receive/receive.h"
#include "stages/response/response.h"
#include "stages/service/on_demand.h"
#include "stages/service/service.h"
#include "stages/service/worker.h"
#include "tests/stages/stage_ledger.h"
#include "tests/support/fake_socket.h"

namespace cpss::test {

// Everybody may ask, nobody is trusted, nothing is our own.
AccessOptions open_access();
SocketAddress address(std::string_view ip, std::uint16_t port);
Prefix prefix(std::string_view ip, unsigned length);
// An honest client: 192.0.2.1 with a port of its own.
SocketAddress client(unsigned number = 0);
std::string text_of(const std::vector<std::byte>& bytes);

struct RigOptions {
  std::uint32_t slots = 64;
  std::size_t window = 512;
  std::uint32_t batch = 32;
  bool merged = true;      // arrivals may hold several datagrams
  bool coalesces = false;  // receive pauses between small batches
  bool grouped = true;     // replies are brought together by peer and length
  std::size_t sockets = 1;
  AccessOptions access_control = open_access();
  // Busy replies a second: what finds no slot, or no place in the worker queue, is shed. None: it
  // waits.
  std::optional<std::uint32_t> busy_rate = {};
  std::optional<SocketAddress> reply_address = {};
  // Of a reply for room. Long, so that only a test that wants it sees the end of one.
  std::chrono::nanoseconds send_wait = std::chrono::seconds(60);
  const SendOutlook* outlook = nullptr;
  // Stands between the steps and a fake port; empty: the steps use the fake itself.
  std::function<std::unique_ptr<DatagramSocket>(FakeSocket&)> wrap = {};
  // Without workers none of the rest is there.
  std::uint32_t workers = 0;
  std::uint32_t worker_queue = 64;
  bool defer_all = false;
  std::uint32_t on_demand = 0;  // the most threads
  std::vector<unsigned> on_demand_cpus = {};
};

// The worker queue, who takes from it, and who starts threads for it.
struct WorkerSide {
  WorkerSide(Service& service, SlotStore& store, SlotPool& pool, SlotQueue& responses,
             StageLedger& ledger, const RigOptions& options);

  // The steps of all workers, until the queue is empty. Returns how many messages.
  std::size_t run();
  // Of the on-demand threads and their starter, since the last call.
  std::vector<Event> on_demand_events();

  Memory memory;
  WorkerQueue& queue;
  WorkerOccupancy occupancy;
  BusyBudget budget;
  std::vector<std::unique_ptr<LaneState>> states;  // of workers and places
  std::deque<LaneContext> worker_lanes;
  std::deque<WorkerStep> steps;
  LaneContext starter_lane;
  std::deque<LaneContext> thread_lanes;
  std::optional<OnDemandStarter> starter;
};

class Rig {
 public:
  explicit Rig(Service& service, RigOptions options = {});

  FakeSocket& socket(std::size_t number = 0) { return *fakes_[number]; }
  void deliver(std::string_view request, const SocketAddress& peer = client(),
               std::size_t socket_number = 0);
  // Several datagrams of one peer that the kernel merged.
  void deliver_merged(std::string_view bytes, std::uint32_t segment_size, bool truncated = false);

  // Runs all steps (not the starter) until none finds anything to do, no reply waits for room and
  // the sockets' scripts are used up. Returns false where that takes suspiciously long.
  bool settle();
  // What went out of a port since the last call, as texts.
  std::vector<std::string> replies(std::size_t socket_number = 0);
  // Events of all steps since the last call.
  std::vector<Event> events();

  // A message is in a slot or among the leftovers (`held_segments`), or it is in the outcomes; what
  // the counters call in flight is what is really there.
  void expect_ledger(std::uint64_t held_segments = 0) const;
  // Nothing is inside, and every slot is free, exactly once.
  void expect_at_rest();

  // Main's part of a forced end. Returns how many messages it took.
  std::uint64_t seize_all();
  // The part of it that is about datagrams without a slot. None: the lane has them in hand.
  std::optional<std::uint64_t> take_away_held();
  // Another lane that breaks the rules: ends the message in `slot`, which someone else holds, and
  // at once fills the slot with a new message of its own. end_intruder() ends that one.
  void intrude(std::uint32_t slot);
  void end_intruder(std::uint32_t slot);

  std::uint64_t total(Counter counter) const { return ledger.total(counter); }
  std::uint64_t total(Reason reason) const { return ledger.total(reason); }

  StageLedger ledger;
  SlotStore store;

 private:
  Memory pool_memory_;
  Memory request_memory_;
  Memory response_memory_;
  BusyBudget budget_;
  std::unique_ptr<LaneState> service_state_;
  std::optional<SocketAddress> reply_address_;
  AccessControl access_control_;
  std::vector<std::unique_ptr<FakeSocket>> fakes_;
  std::vector<std::unique_ptr<DatagramSocket>> wrappers_;
  std::vector<DatagramSocket*> sockets_;
  StatsWriter main_;

 public:
  SlotPool& pool;
  SlotQueue& requests;
  SlotQueue& responses;
  LaneContext receive_lane;
  LaneContext service_lane;
  LaneContext response_lane;
  StepCost service_cost;
  StepCost response_cost;
  std::unique_ptr<WorkerSide> workers;  // null without workers
  ReceiveStep receive;
  ServiceStep service;
  ResponseStep response;

 private:
  void book_forced_end(std::uint64_t messages);
  std::vector<DatagramSocket*> make_sockets(const RigOptions& options);
  const SocketAddress* reply_address() const { return reply_address_ ? &*reply_address_ : nullptr; }
  SlotPool::SlotCache main_cache_;
};

// A service made of one function, called for each message in turn; what it throws goes through.
class CallService final : public Service {
 public:
  using Call = std::function<void(Message&)>;
  explicit CallService(Call call, Call deferred = {}, Call busy = {})
      : call_(std::move(call)), deferred_(std::move(deferred)), busy_(std::move(busy)) {}

  void process(std::span<Message> batch, LaneState*) override {
    for (Message& message : batch) call_(message);
  }
  void process_deferred(Message& message, LaneState* state) override {
    if (deferred_)
      deferred_(message);
    else
      Service::process_deferred(message, state);
  }
  void busy_reply(Message& message) const override {
    if (busy_)
      busy_(message);
    else
      Service::busy_reply(message);
  }

 private:
  Call call_;
  Call deferred_;
  Call busy_;
};

void echo(Message& message);
void defer(Message& message);
// The slot that holds a message with this request.
std::uint32_t slot_with(Rig& rig, std::string_view request);
// Each verdict that deferred work can end with, as the request's first byte says: "reply" with
// "reply", n, i, f(refuse), d(efer), l(onger than allowed), t(hrow), "T..." throw after a reply,
// and none for any other.
void verdict_by_first_byte(Message& message);
// Delivers one request for each of these, runs all, and expects each verdict's end, once.
void expect_every_deferred_verdict(Rig& rig);

// The request of a message as text.
std::string_view request_of(const Message& message);
// Writes a reply into the reply window.
void reply_with(Message& message, std::string_view text);

}  // namespace cpss::test
