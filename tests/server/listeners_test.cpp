#include "server/listeners.h"

#include <cerrno>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "config/load.h"
#include "tests/server/loopback.h"

namespace cpss {
namespace {

using test::address;
using test::send_text;

Settings listening_on(std::vector<ListenAddress> addresses) {
  Settings settings = default_settings();
  settings.listen = std::move(addresses);
  return settings;
}

std::string text_from(const Listeners& listeners, std::size_t socket) {
  const auto texts = test::receive_texts(*listeners.sockets()[socket]);
  return texts.size() == 1 ? texts[0].text : std::to_string(texts.size()) + " datagrams";
}

TEST(Listeners, EveryAddressGetsItsSocketAndItsRealPort) {
  const Listeners listeners(listening_on({{"127.0.0.1", 0}, {"127.0.0.2", 0}}));
  const auto addresses = listeners.addresses();
  ASSERT_EQ(addresses.size(), 2u);
  EXPECT_EQ(addresses[0].ip(), IpAddress::parse("127.0.0.1").value());
  EXPECT_EQ(addresses[1].ip(), IpAddress::parse("127.0.0.2").value());
  EXPECT_NE(addresses[0].port(), 0);
  EXPECT_EQ(listeners.address_texts()[0], "127.0.0.1:" + std::to_string(addresses[0].port()));
  UdpSocket client(address("127.0.0.1"), {});
  send_text(client, "one", addresses[0]);
  send_text(client, "two", addresses[1]);
  EXPECT_EQ(text_from(listeners, 0), "one");
  EXPECT_EQ(text_from(listeners, 1), "two");
}

TEST(Listeners, OneAddressInUseBindsNone) {
  const UdpSocket other(address("127.0.0.1"), {});
  const std::uint16_t taken = other.local_address().port();
  std::uint16_t first = 0;
  {
    const UdpSocket probe(address("127.0.0.1"), {});
    first = probe.local_address().port();
  }
  try {
    const Listeners listeners(listening_on({{"127.0.0.1", first}, {"127.0.0.1", taken}}));
    ADD_FAILURE() << "bound twice";
  } catch (const SocketError& error) {
    EXPECT_EQ(error.code(), EADDRINUSE);
    EXPECT_NE(std::string_view(error.what()).find(other.local_address().to_string()),
              std::string_view::npos)
        << error.what();
  }
  EXPECT_NO_THROW(UdpSocket(address("127.0.0.1", first), {})) << "the first is still bound";
}

TEST(Listeners, AfterTheStopNothingNewArrivesAndWhatCameBeforeIsStillThere) {
  Listeners listeners(listening_on({{"127.0.0.1", 0}}));
  UdpSocket client(address("127.0.0.1"), {});
  const SocketAddress to = listeners.addresses()[0];
  send_text(client, "before", to);
  EXPECT_EQ(listeners.newly_dropped(), 0u);
  ASSERT_TRUE(listeners.stop_arrivals());
  for (int i = 0; i < 3; ++i) send_text(client, "after", to);
  EXPECT_EQ(text_from(listeners, 0), "before");
  EXPECT_TRUE(test::receive_texts(*listeners.sockets()[0], 50).empty());
  EXPECT_EQ(listeners.newly_dropped(), 3u) << "the kernel counts them";
  EXPECT_EQ(listeners.newly_dropped(), 0u) << "each is told once";
}

class WildcardListeners : public testing::Test {
 protected:
  void SetUp() override {
    try {
      const UdpSocket probe(address("::1"), {});
    } catch (const SocketError& error) {
      GTEST_SKIP() << error.what();
    }
  }
  static std::uint16_t free_port() { return UdpSocket(address("::"), {}).local_address().port(); }
};

TEST_F(WildcardListeners, AnIpv6WildcardAlsoTakesIpv4) {
  const Listeners listeners(listening_on({{"::", 0}}));
  UdpSocket client(address("127.0.0.1"), {});
  send_text(client, "v4", address("127.0.0.1", listeners.addresses()[0].port()));
  EXPECT_EQ(text_from(listeners, 0), "v4");
}

TEST_F(WildcardListeners, UnlessAnIpv4AddressWithTheSamePortIsListed) {
  const std::uint16_t port = free_port();
  for (const char* ipv4 : {"0.0.0.0", "127.0.0.1"}) {
    const Listeners listeners(listening_on({{"::", port}, {ipv4, port}}));
    UdpSocket client(address("127.0.0.1"), {});
    send_text(client, "v4", address("127.0.0.1", port));
    EXPECT_EQ(text_from(listeners, 1), "v4") << ipv4;
  }
}

TEST(Listeners, TheNoteSaysHowToGetMoreOnlyWhereLessWasGiven) {
  Settings settings = listening_on({{"127.0.0.1", 0}});
  settings.socket_buffer_bytes = 65'536;
  const auto enough = Listeners(settings).buffer_notes();
  ASSERT_EQ(enough.size(), 1u);
  EXPECT_NE(enough[0].find("127.0.0.1:"), std::string::npos) << enough[0];
  EXPECT_EQ(enough[0].find("sysctl"), std::string::npos) << enough[0];
}

}  // namespace
}  // namespace cpss
