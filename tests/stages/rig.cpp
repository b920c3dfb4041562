#include "tests/stages/rig.h"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

namespace cpss::test {
namespace {

constexpr std::uint32_t kPoolLanes = 3;

}  // namespace

AdmissionOptions open_admission() {
  return {{}, {}, {}, LocalAddressSet({}), false};
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
      reply_address_(options.reply_address),
      admission_(options.admission),
      ports_(make_ports(options)),
      main_(books.open()),
      pool(*SlotPool::create(pool_memory_.data(), options.slots)),
      requests(*SlotQueue::create(request_memory_.data(), options.slots)),
      responses(*SlotQueue::create(response_memory_.data(), options.slots)),
      receive({ports_, store, pool, requests, admission_, events_, options.batch, kPoolLanes,
               options.busy_rate ? std::optional(Shedding::Wiring{user, budget_, reply_address()})
                                 : std::nullopt},
              books.open()),
      service({user, store, pool, requests, responses, events_, options.batch, 1, kPoolLanes},
              books.open()),
      response(
          {ports_, store, pool, responses, events_, options.batch, 1, kPoolLanes, reply_address()},
          books.open()),
      main_cache_(pool, 0, kPoolLanes) {}

std::vector<DatagramPort*> Rig::make_ports(const RigOptions& options) {
  std::vector<DatagramPort*> ports;
  for (std::size_t i = 0; i < options.ports; ++i) {
    ports.push_back(fakes_.emplace_back(std::make_unique<FakePort>()).get());
    if (options.wrap) ports.back() = wrappers_.emplace_back(options.wrap(*fakes_.back())).get();
  }
  return ports;
}

void Rig::deliver(std::string_view request, const SocketAddress& peer, std::size_t port_number) {
  FakePort::Incoming incoming;
  incoming.bytes = bytes_of(request);
  incoming.peer = peer;
  port(port_number).deliver(std::move(incoming));
}

void Rig::deliver_merged(std::string_view bytes, std::uint32_t segment_size, bool truncated) {
  FakePort::Incoming incoming;
  incoming.bytes = bytes_of(bytes);
  incoming.peer = client();
  incoming.segment_size = segment_size;
  incoming.truncated = truncated;
  port().deliver(std::move(incoming));
}

bool Rig::settle() {
  // A port may say "nothing now" and have more in its script.
  const auto all_read = [this] {
    return std::all_of(fakes_.begin(), fakes_.end(),
                       [](const auto& fake) { return fake->all_received(); });
  };
  for (int round = 0; round < 100'000; ++round)
    if (receive.run() + service.run() + response.run() == 0 && !receive.starved() && all_read())
      return true;
  return false;
}

std::vector<std::string> Rig::replies(std::size_t port_number) {
  std::vector<std::string> texts;
  for (const FakePort::Sent& sent : port(port_number).take_sent())
    texts.push_back(text_of(sent.bytes));
  return texts;
}

std::vector<Event> Rig::events() {
  std::vector<Event> result;
  for (Event event; events_.take(event);) result.push_back(event);
  return result;
}

void Rig::expect_books(std::uint64_t held_segments) const {
  std::uint64_t inside = held_segments;
  for (std::uint32_t slot = 0; slot < store.slots(); ++slot)
    if (store.holds(store.message_in(slot))) ++inside;
  EXPECT_EQ(books.in_flight(), inside);
  // A stale index stands for a message that was booked before: it is one outcome too many, so that
  // the ledger of a server with such a defect does not balance.
  const std::uint64_t stale = total(Reason::failed_stale_slot);
  EXPECT_EQ(total(Counter::received) + stale, books.outcomes() + inside);
  EXPECT_EQ(total(Counter::retired) + stale, books.outcomes());
}

void Rig::expect_at_rest() {
  receive.before_wait();
  service.before_wait();
  response.before_wait();
  expect_books();
  EXPECT_EQ(books.in_flight(), 0u);
  std::vector<std::uint32_t> slots(store.slots() + 1);
  const std::size_t free = main_cache_.claim(slots);
  slots.resize(free);
  main_cache_.give_back(slots);
  std::sort(slots.begin(), slots.end());
  std::vector<std::uint32_t> all(store.slots());
  std::iota(all.begin(), all.end(), 0u);
  EXPECT_EQ(slots, all);
}

std::uint64_t Rig::seize_all() {
  std::uint64_t seized = 0;
  for (std::uint32_t slot = 0; slot < store.slots(); ++slot)
    if (store.seize(slot)) ++seized;
  main_.book(Reason::failed_forced_end, seized);
  main_.add(Counter::retired, seized);
  main_.add(Counter::given_back, seized);
  return seized;
}

void Rig::intrude(std::uint32_t slot) {
  ASSERT_EQ(store.release(store.message_in(slot)), Release::released);
  main_.book(Reason::answered);
  main_.add(Counter::retired);
  main_.add(Counter::given_back);
  main_.add(Counter::received);
  main_.add(Counter::filled);
  store.occupy(slot);
}

void Rig::end_intruder(std::uint32_t slot) {
  ASSERT_EQ(store.release(store.message_in(slot)), Release::released);
  main_.book(Reason::answered);
  main_.add(Counter::retired);
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

}  // namespace cpss::test
