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

void add_events(std::vector<Event>& events, EventRing& ring) {
  const std::vector<Event> more = events_of(ring);
  events.insert(events.end(), more.begin(), more.end());
}

}  // namespace

WorkerSide::WorkerSide(Service& service, SlotStore& store, SlotPool& pool, SlotQueue& responses,
                       StageLedger& ledger, const RigOptions& options)
    : own_queue(options.worker_queue),
      queue(own_queue),
      occupancy(options.workers, options.on_demand),
      budget(options.busy_rate.value_or(0)),
      starter_lane(pool, 0, kPoolLanes) {
  const auto new_state = [&] { return states.emplace_back(service.make_lane_state()).get(); };
  for (std::uint32_t i = 0; i < options.workers; ++i)
    steps.emplace_back(
        WorkerStep::Wiring{{service, store, responses}, queue, occupancy, {}, new_state()},
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
  add_events(result, starter_lane.events);
  for (LaneContext& lane : thread_lanes) add_events(result, lane.events);
  return result;
}

AccessOptions open_access() {
  return {{}, {}, {}, LocalAddressSet(), false};
}

AccessOptions allowing(std::string_view ip, unsigned length) {
  AccessOptions options = open_access();
  options.allowed = PrefixSet({prefix(ip, length)});
  return options;
}

AccessOptions trusting(std::string_view ip, unsigned length) {
  AccessOptions options = open_access();
  options.trusted = PrefixSet({prefix(ip, length)});
  return options;
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

std::vector<std::string> numbers(int first, int last) {
  std::vector<std::string> texts;
  for (int i = first; i <= last; ++i) texts.push_back(std::to_string(i));
  return texts;
}

FakeSocket::Incoming incoming(std::string_view bytes, const SocketAddress& peer) {
  FakeSocket::Incoming result;
  result.bytes = bytes_of(bytes);
  result.peer = peer;
  return result;
}

std::vector<Event> events_of(EventRing& ring) {
  std::vector<Event> events;
  for (Event event; ring.take(event);) events.push_back(event);
  return events;
}

testing::Matcher<const Event&> has_error(EventKind kind, int error) {
  return testing::AllOf(testing::Field("kind", &Event::kind, kind),
                        testing::Field("error", &Event::error, error));
}

testing::Matcher<const Event&> says_service_threw(std::string_view text) {
  return testing::AllOf(
      testing::Field("kind", &Event::kind, EventKind::service_threw),
      testing::Property("text_view", &Event::text_view, testing::Eq(std::string(text))));
}

Rig::Rig(Service& user, RigOptions options)
    : store(options.slots, options.window),
      own_pool_(options.slots),
      own_requests_(options.slots),
      own_responses_(options.slots),
      budget_(options.busy_rate.value_or(0)),
      service_state_(user.make_lane_state()),
      reply_address_(options.reply_address),
      access_control_(options.access_control),
      sockets_(make_sockets(options)),
      main_(ledger.open()),
      pool(own_pool_),
      requests(own_requests_),
      responses(own_responses_),
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
  socket(socket_number).deliver(incoming(request, peer));
}

void Rig::deliver_merged(std::string_view bytes, std::uint32_t segment_size, bool truncated) {
  FakeSocket::Incoming merged = incoming(bytes);
  merged.segment_size = segment_size;
  merged.truncated = truncated;
  socket().deliver(std::move(merged));
}

void Rig::deliver_numbers(int count, std::size_t socket_number, int first) {
  for (int i = first; i < first + count; ++i)
    deliver(std::to_string(i), client(static_cast<unsigned>(i)), socket_number);
}

void Rig::receive_and_serve() {
  while (receive.run().moved > 0) {
  }
  while (service.run().moved > 0) {
  }
}

void Rig::bring_to_workers(const std::vector<const char*>& request_texts) {
  for (const char* request : request_texts) deliver(request);
  receive_and_serve();
  receive.before_wait();
  service.before_wait();
}

void Rig::run_each_once() {
  receive.run();
  service.run();
  response.run();
}

void Rig::before_wait() {
  receive.before_wait();
  service.before_wait();
  response.before_wait();
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

void Rig::finish() {
  ASSERT_TRUE(settle()) << "it does not come to rest";
  expect_at_rest();
}

std::vector<std::string> Rig::final_replies(std::size_t socket_number) {
  finish();
  return replies(socket_number);
}

std::vector<Event> Rig::events() {
  std::vector<Event> result;
  for (LaneContext* lane : {&receive_lane, &service_lane, &response_lane})
    add_events(result, lane->events);
  if (workers)
    for (LaneContext& lane : workers->worker_lanes) add_events(result, lane.events);
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
  before_wait();
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

int Rig::mark_as_shed(unsigned every) {
  int marked = 0;
  // Free slots too: a later message in such a slot must not count as shed.
  for (std::uint32_t slot = 0; slot < store.slots(); ++slot) {
    SlotHeader& header = store.header(slot);
    header.shed = (header.peer.port() - client().port()) % static_cast<int>(every) == 0;
    if (header.shed && store.holds(store.message_in(slot))) ++marked;
  }
  return marked;
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

void Rig::end_message_in(std::uint32_t slot) {
  ASSERT_EQ(store.release(store.message_in(slot)), Release::released);
  main_.book(Reason::answered);
  main_.add(Counter::completed);
  main_.add(Counter::given_back);
}

void Rig::intrude(std::uint32_t slot) {
  end_message_in(slot);
  main_.add(Counter::received);
  main_.add(Counter::filled);
  store.occupy(slot);
}

void Rig::end_intruder(std::uint32_t slot) {
  end_message_in(slot);
  main_cache_.give_back({&slot, 1});
}

void Rig::expect_stale_once(std::uint32_t slot) {
  EXPECT_EQ(total(Reason::failed_stale_slot), 1u);
  EXPECT_TRUE(store.holds(store.message_in(slot))) << "the intruder was ended";
  expect_ledger();
  end_intruder(slot);
  expect_at_rest();
}

void Rig::expect_only_seized(std::uint64_t seized) {
  EXPECT_EQ(total(Reason::failed_forced_end), seized);
  EXPECT_EQ(total(Reason::failed_stale_slot), 0u);
  EXPECT_EQ(ledger.in_flight(), 0u);
  expect_ledger();
  before_wait();
  EXPECT_EQ(pool.free_slots().value_guess(), store.slots() - seized);
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

std::vector<std::uint32_t> take_from(SlotQueue& queue, std::size_t count) {
  std::vector<std::uint32_t> slots(count);
  slots.resize(SlotQueue::Consumer(queue, 1).try_take(slots));
  return slots;
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
  EXPECT_THAT(rig.final_replies(), testing::ElementsAre("reply", "kept"));
  for (const Reason reason :
       {Reason::no_answer, Reason::invalid_malformed, Reason::refused_by_service,
        Reason::failed_deferred_twice, Reason::failed_reply_too_long, Reason::failed_service_threw,
        Reason::failed_no_verdict})
    EXPECT_EQ(rig.total(reason), 1u) << name_of(reason);
  EXPECT_EQ(rig.events().size(), 2u);
}

void expect_second_defer_fails(const RigOptions& options) {
  int calls = 0;
  CallService service([&](Message& message) {
    ++calls;
    EXPECT_EQ(message.verdict(), Verdict::none) << "the first verdict is forgotten";
    message.defer();
  });
  Rig rig(service, options);
  rig.deliver("x");
  rig.finish();
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(rig.total(Reason::failed_deferred_twice), 1u);
}

}  // namespace cpss::test
