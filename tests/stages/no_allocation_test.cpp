// In the steady state no step allocates memory for a message.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "services/echo.h"
#include "services/lookup.h"
#include "services/native_wire.h"
#include "tests/stages/rig.h"
#include "tests/support/allocations.h"

namespace cpss {
namespace {

template <class Work>
std::uint64_t allocations_during(Work work) {
  const std::uint64_t before = allocations();
  work();
  return allocations() - before;
}

// Always has a full batch to read and accepts every reply, without allocating.
class TirelessSocket final : public DatagramSocket {
 public:
  explicit TirelessSocket(std::vector<std::byte> request) : request_(std::move(request)) {}

  ReceiveResult receive(std::span<const ReceiveBuffer> buffers,
                        std::span<Arrival> arrivals) noexcept override {
    if (resting) return {0, 0};
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      std::copy(request_.begin(), request_.end(), buffers[i].data);
      arrivals[i] = {};
      arrivals[i].peer = peer_;
      arrivals[i].length = static_cast<std::uint32_t>(request_.size());
    }
    return {buffers.size(), 0};
  }
  SendResult send(std::span<const OutgoingDatagram> datagrams) noexcept override {
    if (++sends_ % 5 == 0) return {0, EAGAIN};
    if (sends_ % 7 == 0) return {0, EPERM};
    const std::size_t max = sends_ % 3 == 0 ? (datagrams.size() + 1) / 2 : datagrams.size();
    bytes_sent += datagrams[0].size;
    return {max, 0};
  }
  void wait_writable(std::chrono::milliseconds) noexcept override {}
  int descriptor() const noexcept override { return -1; }

  bool resting = false;
  std::uint64_t bytes_sent = 0;

 private:
  std::vector<std::byte> request_;
  SocketAddress peer_ = test::client();
  std::uint64_t sends_ = 0;
};

std::vector<std::byte> lookup_request(std::string_view number) {
  std::vector<std::byte> request(native::kHeaderBytes + number.size());
  native::Header header;
  header.kind = static_cast<std::uint8_t>(native::Kind::request);
  header.body_length = static_cast<std::uint16_t>(number.size());
  native::write_header(request, header);
  std::memcpy(request.data() + native::kHeaderBytes, number.data(), number.size());
  return request;
}

// Runs the three steps for a while after a warm-up and returns the number of allocations. With a
// busy rate receive runs twice as often, and sheds the datagrams that find no slot.
std::uint64_t allocations_of(Service& service, std::vector<std::byte> request, std::uint32_t slots,
                             std::optional<std::uint32_t> busy_rate = {}) {
  TirelessSocket* socket = nullptr;
  test::RigOptions options;
  options.slots = slots;
  options.busy_rate = busy_rate;
  options.wrap = [&](FakeSocket&) {
    auto made = std::make_unique<TirelessSocket>(request);
    socket = made.get();
    return made;
  };
  test::Rig rig(service, std::move(options));
  const auto rounds = [&](int number) {
    for (int i = 0; i < number; ++i) {
      if (busy_rate) rig.receive.run();
      rig.run_each_once();
      if (i % 16 == 0) rig.before_wait();
    }
  };
  rounds(50);
  const std::uint64_t counted = allocations_during([&] { rounds(2000); });
  EXPECT_GT(rig.total(Reason::answered), 1000u);
  EXPECT_GT(socket->bytes_sent, 0u);
  EXPECT_EQ(rig.total(Reason::shed_no_slot) > 1000, busy_rate.has_value());
  EXPECT_EQ(rig.total(Counter::busy_replies) > 0, busy_rate.value_or(0) > 0);
  socket->resting = true;
  rig.finish();
  return counted;
}

TEST(NoAllocation, TheCounterSeesBothWaysToAllocate) {
  std::unique_ptr<int> by_new;
  void* volatile by_malloc = nullptr;  // else the compiler may leave the call out
  EXPECT_EQ(allocations_during([&] {
              by_new = std::make_unique<int>(1);
              by_malloc = std::malloc(1);
            }),
            2u);
  std::free(by_malloc);
}

TEST(NoAllocation, AServiceThatAllocatesIsNoticed) {
  test::CallService service([](Message& message) {
    const std::string copy(test::request_of(message));
    test::reply_with(message, copy);
  });
  EXPECT_GT(allocations_of(service, bytes_of(std::string(64, 'x')), 64), 1000u);
}

TEST(NoAllocation, EchoWithPlentyOfSlotsAndWithOne) {
  const auto echo = make_echo({});
  for (const std::uint32_t slots : {8192u, 64u, 1u})
    EXPECT_EQ(allocations_of(*echo, bytes_of(std::string(64, 'x')), slots), 0u) << slots;
}

TEST(NoAllocation, Shedding) {
  const auto lookup = make_lookup({});
  for (const std::uint32_t rate : {0u, 1u, 10'000'000u})
    EXPECT_EQ(allocations_of(*lookup, lookup_request("+12025550123"), 1, rate), 0u) << rate;
}

TEST(NoAllocation, Lookup) {
  const auto lookup = make_lookup({});
  for (const char* number : {"+12025550123", "+999", "not a number"})
    EXPECT_EQ(allocations_of(*lookup, lookup_request(number), 8192), 0u) << number;
}

}  // namespace
}  // namespace cpss
