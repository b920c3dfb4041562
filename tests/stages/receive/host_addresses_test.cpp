#include "stages/receive/host_addresses.h"

#include <array>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/allocations.h"
#include "tests/support/forked_process.h"

namespace cpss {
namespace {

IpAddress numbered(std::uint8_t kind, std::size_t number) {
  IpAddress ip = IpAddress::parse("10.0.0.0").value();
  ip.bytes[13] = kind;
  ip.bytes[14] = static_cast<std::uint8_t>(number >> 8);
  ip.bytes[15] = static_cast<std::uint8_t>(number);
  return ip;
}

// `count` addresses of a kind, and `count` broadcast addresses of the next kind.
LocalAddressSet set_of(std::uint8_t kind, std::size_t count) {
  std::vector<IpAddress> addresses;
  std::vector<IpAddress> broadcasts;
  for (std::size_t i = 0; i < count; ++i) {
    addresses.push_back(numbered(kind, i));
    broadcasts.push_back(numbered(static_cast<std::uint8_t>(kind + 1), i));
  }
  return LocalAddressSet(std::move(addresses), std::move(broadcasts));
}

TEST(HostAddresses, ACopyHasWhatWasPublishedWhenItLookedLast) {
  HostAddresses host(set_of(10, 3), Sharing::process_private);
  HostAddressCopy copy(host);
  EXPECT_TRUE(copy.contains(numbered(10, 2)));
  EXPECT_FALSE(copy.contains(numbered(10, 3)));
  EXPECT_FALSE(copy.contains(numbered(11, 2)));
  EXPECT_TRUE(copy.is_network_broadcast(numbered(11, 2)));
  EXPECT_FALSE(copy.is_network_broadcast(numbered(10, 2)));
  EXPECT_TRUE(copy.contains(IpAddress::parse("127.0.0.1").value()));
  EXPECT_TRUE(host.publish(set_of(20, 1)));
  EXPECT_TRUE(copy.contains(numbered(10, 2)));
  copy.refresh();
  EXPECT_FALSE(copy.contains(numbered(10, 2)));
  EXPECT_TRUE(copy.contains(numbered(20, 0)));
  EXPECT_TRUE(copy.is_network_broadcast(numbered(21, 0)));
  EXPECT_TRUE(host.publish({}));
  copy.refresh();
  EXPECT_FALSE(copy.contains(numbered(20, 0)));
}

TEST(HostAddresses, NetworksAreOursAsAWhole) {
  HostAddresses host({}, Sharing::process_private);
  HostAddressCopy copy(host);
  const Prefix network = Prefix::make("2001:db8:1::", 48).value();
  EXPECT_TRUE(host.publish(LocalAddressSet({}, {}, {network})));
  EXPECT_FALSE(copy.contains(IpAddress::parse("2001:db8:1::7").value()));
  copy.refresh();
  EXPECT_TRUE(copy.contains(IpAddress::parse("2001:db8:1::7").value()));
  EXPECT_FALSE(copy.contains(IpAddress::parse("2001:db8:2::7").value()));
}

TEST(HostAddresses, TooManyMeansAllAreOurs) {
  HostAddresses host(set_of(10, 1), Sharing::process_private);
  HostAddressCopy copy(host);
  EXPECT_TRUE(host.publish(set_of(10, 512)));
  EXPECT_FALSE(host.publish(set_of(10, 513)));
  copy.refresh();
  EXPECT_TRUE(copy.contains(IpAddress::parse("192.0.2.1").value()));
  EXPECT_TRUE(host.publish(set_of(10, 2)));
  copy.refresh();
  EXPECT_FALSE(copy.contains(IpAddress::parse("192.0.2.1").value()));
  HostAddresses large(set_of(10, 513), Sharing::process_private);
  EXPECT_TRUE(large.publish(set_of(20, 4 * 513)));
}

TEST(HostAddresses, ARefreshAllocatesNothing) {
  HostAddresses host({}, Sharing::process_private);
  HostAddressCopy copy(host);
  host.publish(set_of(10, 500));
  const std::uint64_t before = allocations();
  copy.refresh();
  EXPECT_EQ(allocations(), before);
  EXPECT_TRUE(copy.contains(numbered(10, 499)));
}

TEST(HostAddresses, ProcessesShareThem) {
  HostAddresses host({}, Sharing::process_shared);
  ForkedProcess child([&] {
    HostAddressCopy copy(host);
    for (int i = 0; i < 10'000 && !copy.contains(numbered(10, 1)); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      copy.refresh();
    }
    return copy.contains(numbered(10, 1)) ? 0 : 1;
  });
  host.publish(set_of(10, 2));
  EXPECT_EQ(child.exit_code(), 0);
}

// Each copy that a lane has is one whole publication: all addresses of one kind, and no others.
TEST(HostAddresses, NoCopyIsOfTwoPublications) {
  constexpr int kLooks = 1'000;
  const std::array<LocalAddressSet, 3> sets{set_of(10, 400), set_of(20, 70), set_of(30, 500)};
  HostAddresses host(sets[0], Sharing::process_shared);
  std::atomic<int> at_work = 2;
  std::atomic<int> wrong = 0;
  const auto look = [&] {
    HostAddressCopy copy(host);
    for (int i = 0; i < kLooks; ++i) {
      copy.refresh();
      int whole = 0;
      int begun = 0;
      for (const LocalAddressSet& set : sets) {
        std::size_t have = 0;
        for (const IpAddress& ip : set.addresses()) have += copy.contains(ip) ? 1U : 0U;
        for (const IpAddress& ip : set.broadcasts())
          have += copy.is_network_broadcast(ip) ? 1U : 0U;
        begun += have > 0 ? 1 : 0;
        whole += have == set.addresses().size() + set.broadcasts().size() ? 1 : 0;
      }
      if (whole != 1 || begun != 1) ++wrong;
    }
    --at_work;
  };
  const std::jthread one(look);
  const std::jthread other(look);
  // Pauses between two publications, so that the lanes can copy one.
  for (std::size_t i = 0; at_work > 0; ++i) {
    host.publish(sets[i % sets.size()]);
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace cpss
