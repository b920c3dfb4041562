#include "tests/server/live_pipeline.h"

#include <set>

#include <gtest/gtest.h>

#include "tests/support/eventually.h"

namespace cpss::test {
namespace {

using namespace std::chrono_literals;
constexpr auto kPatience = 20s;

std::vector<std::unique_ptr<UdpSocket>> bind_to_loopback(std::size_t sockets, bool merged) {
  std::vector<std::unique_ptr<UdpSocket>> result;
  for (std::size_t i = 0; i < sockets; ++i)
    result.push_back(
        std::make_unique<UdpSocket>(address("127.0.0.1"), UdpSocketOptions{.gro = merged}));
  return result;
}

RegionOptions region_options(std::string path, const PipelineOptions& options) {
  RegionOptions region;
  region.path = std::move(path);
  region.model = "any";
  region.service = "test";
  const Assignment assignment = assignment_of(options);
  region.blocks = blocks_of(assignment, options);
  region.max_inside = max_inside(assignment, options);
  region.slots = options.slots;
  return region;
}

AccessOptions everybody() {
  return {{}, {}, {}, LocalAddressSet(), false};
}

}  // namespace

PipelineOptions small_pipeline(std::uint32_t slots) {
  PipelineOptions options;
  options.slots = slots;
  options.window_bytes = 512;
  options.batch = 32;
  return options;
}

LiveServer::LiveServer(const PipelineOptions& options, std::size_t sockets)
    : sockets_(bind_to_loopback(sockets, options.merged)),
      region_(region_options(folder_.file("stats"), options)),
      main_(region_.writer(blocks_of(assignment_of(options), options).size() - 1)),
      access_control_(everybody()) {}

std::vector<DatagramSocket*> LiveServer::sockets() const {
  std::vector<DatagramSocket*> sockets;
  for (const auto& socket : sockets_) sockets.push_back(socket.get());
  return sockets;
}

std::vector<SocketAddress> LiveServer::addresses() const {
  std::vector<SocketAddress> addresses;
  for (const auto& socket : sockets_) addresses.push_back(socket->local_address());
  return addresses;
}

std::uint64_t LiveServer::reason(std::string_view full_name) const {
  for (const ReasonCount& reason : region_.snapshot().reasons)
    if (reason.full_name() == full_name) return reason.count;
  ADD_FAILURE() << "no reason is called " << full_name;
  return 0;
}

bool LiveServer::wait_for(std::string_view counter, std::uint64_t at_least) const {
  return eventually([&] { return total(counter) >= at_least; }, kPatience, 1ms);
}

bool LiveServer::wait_until_inside(std::uint64_t messages) const {
  return eventually(
      [&] {
        const Ledger now = ledger();
        return now.in_flight == static_cast<std::int64_t>(messages) && now.residual == 0;
      },
      kPatience, 1ms);
}

bool LiveServer::wait_until_at_rest(std::uint64_t received) const {
  return eventually(
      [&] {
        const Ledger now = ledger();
        return now.received >= received && now.in_flight == 0 && now.residual == 0;
      },
      kPatience, 1ms);
}

void LiveServer::end_and_expect_at_rest() {
  EXPECT_TRUE(engine_->end([] { return false; }));
  expect_at_rest();
}

void LiveServer::expect_at_rest() const {
  const Ledger ledger = this->ledger();
  EXPECT_EQ(ledger.residual, 0);
  EXPECT_EQ(ledger.in_flight, 0);
  for (const Identity& identity : ledger.at_rest)
    EXPECT_TRUE(identity.holds()) << format_identity(identity);
}

void Client::send(std::string_view text, const SocketAddress& to) {
  ASSERT_TRUE(send_text(socket_, text, to));
}

void Client::send_as_one(std::string_view text, std::size_t times, const SocketAddress& to) {
  const OutgoingDatagram datagram{reinterpret_cast<const std::byte*>(text.data()), text.size(), &to,
                                  nullptr};
  const std::vector<OutgoingDatagram> all(times, datagram);
  ASSERT_EQ(socket_.send(all).accepted, times);
}

std::vector<Datagram> Client::receive(std::size_t replies) {
  std::vector<Datagram> result;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (result.size() < replies && std::chrono::steady_clock::now() < deadline)
    for (Datagram& reply : receive_texts(socket_, 100)) result.push_back(std::move(reply));
  return result;
}

unsigned Client::ask(unsigned requests, const std::vector<SocketAddress>& to) {
  constexpr std::size_t kOutstanding = 32;
  std::set<unsigned> outstanding;
  unsigned right = 0;
  for (unsigned next = 0; next < requests || !outstanding.empty();) {
    for (; next < requests && outstanding.size() < kOutstanding; ++next) {
      send(std::to_string(next), to[next % to.size()]);
      outstanding.insert(next);
    }
    const std::vector<Datagram> replies = receive(1);
    if (replies.empty()) break;
    for (const Datagram& reply : replies) {
      const auto number = static_cast<unsigned>(std::stoul(reply.text));
      if (outstanding.erase(number) == 1 && reply.from == to[number % to.size()]) ++right;
    }
  }
  return right;
}

}  // namespace cpss::test
