// The stages over fake sockets on the test's own thread: slots, pool, queues, one step of each
// stage, and private counters; on request also the worker queue, with steps of workers and the
// starter of on-demand threads. A step runs only when the test runs it.
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

#include <gmock/gmock.h>

#include "queue/slot_pool.h"
#include "queue/slot_queue.h"
#include "queue/worker_occupancy.h"
#include "queue/worker_queue.h"
#include "services/service.h"
#include "stages/lane/lane_context.h"
#include "stages/message/busy_budget.h"
#include "stages/message/slot_store.h"
#include "stages/receive/access_control.h"
#include "stages/receive/receive.h"
#include "stages/response/response.h"
#include "stages/service/on_demand.h"
#include "stages/service/service.h"
#include "stages/service/worker.h"
#include "tests/stages/own.h"
#include "tests/stages/stage_ledger.h"
#include "tests/support/fake_socket.h"

namespace cpss::test {

// Allows every peer, trusts none, and has no own addresses.
AccessOptions open_access();
// The same, but allows, or trusts, the peers of one network alone.
AccessOptions allowing(std::string_view ip, unsigned length);
AccessOptions trusting(std::string_view ip, unsigned length);
SocketAddress address(std::string_view ip, std::uint16_t port);
Prefix prefix(std::string_view ip, unsigned length);
// An honest client: 192.0.2.1 with a port of its own.
SocketAddress client(unsigned number = 0);
std::string text_of(const std::vector<std::byte>& bytes);
// The texts "first" to "last", as Rig::deliver_numbers() delivers them.
std::vector<std::string> numbers(int first, int last);
// A datagram for a fake socket.
FakeSocket::Incoming incoming(std::string_view bytes, const SocketAddress& peer = client());

// Takes all events out of the ring.
std::vector<Event> events_of(EventRing& ring);
// What an event says.
testing::Matcher<const Event&> has_error(EventKind kind, int error);
testing::Matcher<const Event&> says_service_threw(std::string_view text);

struct RigOptions {
  std::uint32_t slots = 64;
  std::size_t window = 512;
  std::uint32_t batch = 32;
  bool merged = true;      // arrivals may hold several datagrams
  bool coalesces = false;  // receive pauses between small batches
  bool grouped = true;     // replies are grouped by peer and length
  std::size_t sockets = 1;
  AccessOptions access_control = open_access();
  // Busy replies a second: messages that find no slot, or no place in the worker queue, are shed.
  // None: they wait.
  std::optional<std::uint32_t> busy_rate = {};
  std::optional<SocketAddress> reply_address = {};
  // How long a reply waits for room. Long, so that only tests that set it see such a wait end.
  std::chrono::nanoseconds send_wait = std::chrono::seconds(60);
  const SendOutlook* outlook = nullptr;
  // Makes the socket that stands between the steps and a fake one; empty: the steps use the fake
  // itself.
  std::function<std::unique_ptr<DatagramSocket>(FakeSocket&)> wrap = {};
  // With 0 workers the options below have no effect, and Rig::workers is null.
  std::uint32_t workers = 0;
  std::uint32_t worker_queue = 64;
  bool defer_all = false;
  std::uint32_t on_demand = 0;  // max threads
  std::vector<unsigned> on_demand_cpus = {};
};

// The worker queue, its workers, and the starter of on-demand threads.
struct WorkerSide {
  WorkerSide(Service& service, SlotStore& store, SlotPool& pool, SlotQueue& responses,
             StageLedger& ledger, const RigOptions& options);

  // Runs the steps of all workers until the queue is empty. Returns the number of messages.
  std::size_t run();
  // The events of the on-demand threads and their starter since the last call.
  std::vector<Event> on_demand_events();

  Own<WorkerQueue> own_queue;
  WorkerQueue& queue;
  WorkerOccupancy occupancy;
  BusyBudget budget;
  std::vector<std::unique_ptr<LaneState>> states;  // of workers and on-demand places
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
  // Several datagrams of one peer, merged by the kernel.
  void deliver_merged(std::string_view bytes, std::uint32_t segment_size, bool truncated = false);
  // `count` requests: "0" of client(0), "1" of client(1), ...; the first one is number `first`.
  void deliver_numbers(int count, std::size_t socket_number = 0, int first = 0);

  // Runs receive until it finds no work, then service likewise. After that the replies are in the
  // response queue, and what was deferred in the worker queue.
  void receive_and_serve();
  // Delivers the requests and brings them as far as the worker queue.
  void bring_to_workers(const std::vector<const char*>& requests);
  // Runs receive, service and response once each.
  void run_each_once();
  // What the lanes of these three do before a wait.
  void before_wait();
  // Runs all steps (not the starter) until none finds work, no reply waits for room and the
  // sockets' scripts are used up. Returns false if that takes too many rounds.
  bool settle();
  // The replies sent by a socket since the last call, as texts.
  std::vector<std::string> replies(std::size_t socket_number = 0);
  // settle(), then expects the rig to be at rest.
  void finish();
  // finish(), then replies().
  std::vector<std::string> final_replies(std::size_t socket_number = 0);
  // The events of all steps since the last call.
  std::vector<Event> events();

  // Every message is in a slot, among the leftovers (`held_segments`), or in the outcomes; and the
  // counters' `in_flight` is the number of messages in slots and leftovers.
  void expect_ledger(std::uint64_t held_segments = 0) const;
  // Nothing is inside, and every slot is free, exactly once.
  void expect_at_rest();

  // Marks each message of every n-th client as shed; with 1 that of every client. Returns how many.
  int mark_as_shed(unsigned every);
  // Main's part of a forced end. Returns the number of messages that it took.
  std::uint64_t seize_all();
  // The part of it for datagrams without a slot. nullopt: the lane is working on them.
  std::optional<std::uint64_t> take_away_held();
  // Plays a lane that breaks the rules: it ends the message in `slot`, which another one holds, and
  // at once fills the slot with a new message of its own. end_intruder() ends that message.
  void intrude(std::uint32_t slot);
  void end_intruder(std::uint32_t slot);
  // One message was found to be stale, and the intruder in its slot was left alone. Ends that one
  // and expects the rig to be at rest.
  void expect_stale_once(std::uint32_t slot);
  // Main has ended `seized` messages and keeps their slots; no lane has booked or given back any of
  // them, and nothing else is inside.
  void expect_only_seized(std::uint64_t seized);

  std::uint64_t total(Counter counter) const { return ledger.total(counter); }
  std::uint64_t total(Reason reason) const { return ledger.total(reason); }

  StageLedger ledger;
  SlotStore store;

 private:
  Own<SlotPool> own_pool_;
  Own<SlotQueue> own_requests_;
  Own<SlotQueue> own_responses_;
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
  void end_message_in(std::uint32_t slot);
  std::vector<DatagramSocket*> make_sockets(const RigOptions& options);
  const SocketAddress* reply_address() const { return reply_address_ ? &*reply_address_ : nullptr; }
  SlotPool::SlotCache main_cache_;
};

// A service made of one function, which is called for each message in turn and may throw.
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

// Defers every message.
class DeferringService : public Service {
 public:
  void process(std::span<Message> batch, LaneState*) override {
    for (Message& message : batch) message.defer();
  }
};

// Takes up to `count` messages out of a queue, without the stage behind it.
std::vector<std::uint32_t> take_from(SlotQueue& queue, std::size_t count);

void echo(Message& message);
void defer(Message& message);
// The slot that holds a message with this request.
std::uint32_t slot_with(Rig& rig, std::string_view request);
// Ends deferred work with the verdict that the request's first byte names: "reply" with "reply", n,
// i, f(refuse), d(efer), l(onger than allowed), t(hrow), "T..." throws after a reply, any other
// byte gives none.
void verdict_by_first_byte(Message& message);
// Delivers one request for each of these verdicts, runs all steps, and expects each verdict's
// outcome once.
void expect_every_deferred_verdict(Rig& rig);
// A service without a process_deferred() of its own is asked again, by the lanes of a rig with
// these options; and a second defer() is a failure.
void expect_second_defer_fails(const RigOptions& options);

// The request of a message as text.
std::string_view request_of(const Message& message);
// Writes a reply into the reply window.
void reply_with(Message& message, std::string_view text);

}  // namespace cpss::test
