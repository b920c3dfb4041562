#include "tests/stages/rig.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cpss::test {
namespace {

constexpr std::uint32_t kPoolLanes = 3;

std::optional<ServiceStep::Deferral> deferral(WorkerSide* workers, const RigOptions& options) {
  if (workers == nullptr) return {};
  return ServiceStep::Deferral{workers->queue, workers->occupancy, options.defer_all,
                               options.busy_rate ? &workers->budget : nullptr};
}

void take_all(EventRing& ring, std::vector<Event>& into) {
  for (Event event; ring.take(event);) into.push_back(event);
}

}  // namespace

WorkerSide::WorkerSide(Service& service, SlotStore& store, SlotPool& pool, SlotQueue& responses,
                       StageLedger& ledger, const RigOptions& options)
    : memory(WorkerQueue::bytes()),
      queue(*WorkerQueue::create(memory.data(), options.worker_queue)),
      occupancy(options.workers, options.on_demand),
      budget(options.busy_rate.value_or(0)),
      starter_lane(pool, 0, kPoolLanes) {
  const auto new_state = [&] { return states.emplace_back(service.make_lane_state()).get(); };
  for (std::uint32_t i = 0; i < options.workers; ++i)
    steps.emplace_back(
        WorkerStep::Wiring{{service, store, queue, responses}, occupancy, {}, new_state()},
        worker_lanes.emplace_back(pool, 0U, kPoolLanes), ledger.open());
  if (options.on_demand == 0) return;
  std::vector<OnDemandStarter::Place> places;
  for (std::uint32_t i = 0; i < options.on_demand; ++i)
    places.push_back({"demand-" + std::to_string(i), ledger.open(),
                      thread_lanes.emplace_back(pool, 0U, kPoolLanes), new_state()});
  starter.emplace(
      OnDemandStarter::Wiring{service, store, queue, responses, occupancy, options.on_demand_cpus},
      std::move(places), starter_lane, ledger.open());
}

std::size_t WorkerSide::run() {
  std::size_t total = 0;
  for (std::size_t done = 1; done > 0; total += done) {
    done = 0;
    for (WorkerStep& step : steps) done += step.run().moved;
  }
  return total;
}

std::vector<Event> WorkerSide::on_demand_events() {
  std::vector<Event> result;
  take_all(starter_lane.events, result);
  for (LaneContext& lane : thread_lanes) take_all(lane.events, result);
  return result;
}

AccessOptions open_access() {
  return {{}, {}, {}, LocalAddressSet(), false};
}

SocketAddress address(std::string_view ip, std::uint16_t port) {
  return {IpAddress::parse(ip).value(), port};
}

Prefix prefix(std::string_view ip, unsigned length) {
  return Prefix::make(ip, length).value();
}

SocketAddress client(unsigned number) {
  return address("192.0.2.1", static_cast<std::uint16_t>(20'000 + number));
}

std::string text_of(const std::vector<std::byte>& bytes) {
  std::string text(bytes.size(), '\0');
  std::transform(bytes.begin(), bytes.end(), text.begin(),
                 [](std::byte byte) { return static_cast<char>(byte); });
  return text;
}

Rig::Rig(Service& user, RigOptions options)
    : store(options.slots, options.window),
      pool_memory_(SlotPool::bytes(options.slots)),
      request_memory_(SlotQueue::bytes(options.slots)),
      response_memory_(SlotQueue::bytes(options.slots)),
      budget_(options.busy_rate.value_or(0)),
      service_state_(user.make_lane_state()),
      reply_address_(options.reply_address),
      access_control_(options.access_control),
      sockets_(make_sockets(options)),
      main_(ledger.open()),
      pool(*SlotPool::create(pool_memory_.data(), options.slots)),
      requests(*SlotQueue::create(request_memory_.data(), options.slots)),
      responses(*SlotQueue::create(response_memory_.data(), options.slots)),
      receive_lane(pool, 2 * options.batch, kPoolLanes),
      service_lane(pool, 2 * options.batch, kPoolLanes),
      response_lane(pool, 2 * options.batch, kPoolLanes),
      workers(options.workers == 0
                  ? nullptr
                  : std::make_unique<WorkerSide>(user, store, pool, responses, ledger, options)),
      receive({sockets_, store, pool, requests, access_control_, options.batch, 1, options.merged,
               options.coalesces,
               options.busy_rate ? std::optional(Shedding::Wiring{user, budget_, reply_address(),
                                                                  options.outlook})
                                 : std::nullopt},
              receive_lane, ledger.open()),
      service({user, store, requests, responses, service_cost, options.batch, 1,
               deferral(workers.get(), options), false, service_state_.get()},
              service_lane, ledger.open()),
      response({sockets_, store, responses, response_cost, options.batch, 1, options.grouped,
                reply_address(), options.send_wait, options.sockets, options.outlook},
               response_lane, ledger.open()),
      main_cache_(pool, 0, kPoolLanes) {}

std::vector<DatagramSocket*> Rig::make_sockets(const RigOptions& options) {
  std::vector<DatagramSocket*> sockets;
  for (std::size_t i = 0; i < options.sockets; ++i) {
    sockets.push_back(fakes_.emplace_back(std::make_unique<FakeSocket>()).get());
    if (options.wrap) sockets.back() = wrappers_.emplace_back(options.wrap(*fakes_.back())).get();
  }
  return sockets;
}

void Rig::deliver(std::string_view request, const SocketAddress& peer, std::size_t socket_number) {
  FakeSocket::Incoming incoming;
  incoming.bytes = bytes_of(request);
  incoming.peer = peer;
  socket(socket_number).deliver(std::move(incoming));
}

void Rig::deliver_merged(std::string_view bytes, std::uint32_t segment_size, bool truncated) {
  FakeSocket::Incoming incoming;
  incoming.bytes = bytes_of(bytes);
  incoming.peer = client();
  incoming.segment_size = segment_size;
  incoming.truncated = truncated;
  socket().deliver(std::move(incoming));
}

bool Rig::settle() {
  // A fake socket may say "nothing now" and have more in its script.
  const auto all_read = [this] {
    return std::all_of(fakes_.begin(), fakes_.end(),
                       [](const auto& fake) { return fake->all_received(); });
  };
  for (int round = 0; round < 100'000; ++round) {
    RunResult result = receive.run();
    result.add(service.run());
    if (workers) result.moved += workers->run();
    result.add(response.run());
    if (result == RunResult{} && all_read()) return true;
  }
  return false;
}

std::vector<std::string> Rig::replies(std::size_t socket_number) {
  std::vector<std::string> texts;
  for (const FakeSocket::Sent& sent : socket(socket_number).take_sent())
    texts.push_back(text_of(sent.bytes));
  return texts;
}

std::vector<Event> Rig::events() {
  std::vector<Event> result;
  for (LaneContext* lane : {&receive_lane, &service_lane, &response_lane})
    take_all(lane->events, result);
  if (workers)
    for (LaneContext& lane : workers->worker_lanes) take_all(lane.events, result);
  return result;
}

void Rig::expect_ledger(std::uint64_t held_segments) const {
  std::uint64_t inside = held_segments;
  for (std::uint32_t slot = 0; slot < store.slots(); ++slot)
    if (store.holds(store.message_in(slot))) ++inside;
  EXPECT_EQ(ledger.in_flight(), inside);
  // A stale index stands for a message that was booked before, so it adds one outcome too many: the
  // ledger of a server with such a defect does not balance.
  const std::uint64_t stale = total(Reason::failed_stale_slot);
  EXPECT_EQ(total(Counter::received) + stale, ledger.outcomes() + inside);
  EXPECT_EQ(total(Counter::completed) + stale, ledger.outcomes());
}

void Rig::expect_at_rest() {
  receive.before_wait();
  service.before_wait();
  response.before_wait();
  expect_ledger();
  EXPECT_EQ(ledger.in_flight(), 0u);
  std::vector<std::uint32_t> slots(store.slots() + 1);
  const std::size_t free = main_cache_.claim(slots);
  slots.resize(free);
  main_cache_.give_back(slots);
  std::sort(slots.begin(), slots.end());
  std::vector<std::uint32_t> all(store.slots());
  std::iota(all.begin(), all.end(), 0u);
  EXPECT_EQ(slots, all);
}

void Rig::book_forced_end(std::uint64_t messages) {
  main_.book(Reason::failed_forced_end, messages);
  main_.add(Counter::completed, messages);
  main_.add(Counter::given_back, messages);
}

std::uint64_t Rig::seize_all() {
  std::uint64_t seized = 0;
  for (std::uint32_t slot = 0; slot < store.slots(); ++slot)
    if (store.seize(slot)) ++seized;
  book_forced_end(seized);
  return seized;
}

std::optional<std::uint64_t> Rig::take_away_held() {
  const std::optional<std::uint64_t> taken = receive.take_away_held();
  if (taken) book_forced_end(*taken);
  return taken;
}

void Rig::intrude(std::uint32_t slot) {
  ASSERT_EQ(store.release(store.message_in(slot)), Release::released);
  main_.book(Reason::answered);
  main_.add(Counter::completed);
  main_.add(Counter::given_back);
  main_.add(Counter::received);
  main_.add(Counter::filled);
  store.occupy(slot);
}

void Rig::end_intruder(std::uint32_t slot) {
  ASSERT_EQ(store.release(store.message_in(slot)), Release::released);
  main_.book(Reason::answered);
  main_.add(Counter::completed);
  main_.add(Counter::given_back);
  main_cache_.give_back({&slot, 1});
}

std::string_view request_of(const Message& message) {
  const std::span<const std::byte> request = message.request();
  return {reinterpret_cast<const char*>(request.data()), request.size()};
}

void reply_with(Message& message, std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  std::copy(bytes.begin(), bytes.end(), message.reply_window().begin());
  message.reply(text.size());
}

void echo(Message& message) {
  message.reply_in_place(message.request().size());
}

void defer(Message& message) {
  message.defer();
}

std::uint32_t slot_with(Rig& rig, std::string_view request) {
  for (std::uint32_t slot = 0; slot < rig.store.slots(); ++slot) {
    const auto* text = reinterpret_cast<const char*>(rig.store.request(slot));
    if (rig.store.holds(rig.store.message_in(slot)) &&
        std::string_view(text, rig.store.header(slot).request_length) == request)
      return slot;
  }
  ADD_FAILURE() << "no slot holds " << request;
  return 0;
}

void verdict_by_first_byte(Message& message) {
  switch (request_of(message)[0]) {
    case 'r':
      return reply_with(message, "reply");
    case 'n':
      return message.no_reply();
    case 'i':
      return message.invalid(InvalidReason::malformed);
    case 'f':
      return message.refuse(RefuseReason::by_service);
    case 'd':
      return message.defer();
    case 'l':
      return message.reply(1000);
    case 't':
      throw std::runtime_error("late");
    case 'T':
      reply_with(message, "kept");
      throw std::runtime_error("after the verdict");
    default:
      return;
  }
}

void expect_every_deferred_verdict(Rig& rig) {
  for (const char* request : {"reply", "n", "i", "f", "d", "l", "t", "T...", "0"})
    rig.deliver(request);
  ASSERT_TRUE(rig.settle());
  EXPECT_THAT(rig.replies(), testing::ElementsAre("reply", "kept"));
  for (const Reason reason :
       {Reason::no_answer, Reason::invalid_malformed, Reason::refused_by_service,
        Reason::failed_deferred_twice, Reason::failed_reply_too_long, Reason::failed_service_threw,
        Reason::failed_no_verdict})
    EXPECT_EQ(rig.total(reason), 1u) << name_of(reason);
  EXPECT_EQ(rig.events().size(), 2u);
  rig.expect_at_rest();
}

}  // namespace cpss::test
