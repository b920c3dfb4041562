#include "server/daemon/listeners.h"

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "config/load.h"
#include "tests/server/loopback.h"

namespace cpss {
namespace {

using test::address;
using test::send_text;

ListenerOptions listening_on(std::vector<ListenAddress> addresses, unsigned per_address = 1) {
  ListenerOptions options;
  options.listen = std::move(addresses);
  options.buffer_bytes = 1 << 20;
  options.per_address = per_address;
  return options;
}

// Opens a socket as a service manager does: bound, for the server to take over.
int open_bound_socket(const SocketAddress& where) {
  const int fd = ::socket(where.family(), SOCK_DGRAM, 0);
  EXPECT_EQ(::bind(fd, where.data(), where.size()), 0);
  return fd;
}

ListenerOptions inheriting(std::vector<int> descriptors) {
  ListenerOptions options = listening_on({});
  options.inherited = std::move(descriptors);
  return options;
}

// The texts of each socket, once there are `expected` in all, or no more for 2 s.
std::vector<std::vector<std::string>> texts_of(const Listeners& listeners, std::size_t expected) {
  std::vector<pollfd> readable;
  for (const auto& socket : listeners.sockets())
    readable.push_back({socket->descriptor(), POLLIN, 0});
  std::vector<std::vector<std::string>> texts(readable.size());
  for (std::size_t got = 0; got<expected&& ::poll(readable.data(), readable.size(), 2000)> 0;) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      for (auto& datagram : test::receive_texts(*listeners.sockets()[i], 0)) {
        texts[i].push_back(std::move(datagram.text));
        ++got;
      }
    }
  }
  return texts;
}

void expect_in_use(const ListenerOptions& options) {
  try {
    const Listeners listeners(options);
    ADD_FAILURE() << "bound twice";
  } catch (const SocketError& error) {
    EXPECT_EQ(error.code(), EADDRINUSE) << error.what();
  }
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
  EXPECT_EQ(listeners.read_drop_counter(), 0u);
  ASSERT_TRUE(listeners.stop_arrivals());
  for (int i = 0; i < 3; ++i) send_text(client, "after", to);
  EXPECT_EQ(text_from(listeners, 0), "before");
  EXPECT_TRUE(test::receive_texts(*listeners.sockets()[0], 50).empty());
  EXPECT_EQ(listeners.read_drop_counter(), 3u) << "the kernel counts them";
  EXPECT_EQ(listeners.read_drop_counter(), 0u) << "each is told once";
}

// Whether the kernel tells a sender that no socket listens at `to`.
bool is_refused(const SocketAddress& to) {
  UdpSocket client(address(to.family() == AF_INET ? "127.0.0.1" : "::1"), {});
  if (::connect(client.descriptor(), to.data(), to.size()) != 0) return true;
  send_text(client, "is anybody there?", to);
  pollfd told{client.descriptor(), POLLERR, 0};
  ::poll(&told, 1, 2000);
  return (told.revents & POLLERR) != 0;
}

// At the end of the ledger the server leaves its address: later datagrams are refused to their
// sender.
void expect_last_drops(const ListenerOptions& options, const SocketAddress& asked) {
  Listeners listeners(options);
  const SocketAddress to(asked.ip(), listeners.addresses()[0].port());
  UdpSocket client(address(to.family() == AF_INET ? "127.0.0.1" : "::1"), {});
  for (int i = 0; i < 7; ++i) send_text(client, "unread", to);
  ASSERT_TRUE(listeners.stop_arrivals());
  for (int i = 0; i < 3; ++i) send_text(client, "dropped", to);
  EXPECT_EQ(listeners.read_drop_counter(), 3u);
  for (int i = 0; i < 2; ++i) send_text(client, "dropped", to);
  EXPECT_EQ(listeners.last_drops(), 9u) << "seven unread, two dropped";
  for (int i = 0; i < 5; ++i) send_text(client, "nobody's", to);
  EXPECT_TRUE(is_refused(to));
  EXPECT_EQ(listeners.read_drop_counter(), 0u) << "nothing came after the last reading";
  EXPECT_EQ(listeners.last_drops(), 0u);
}

TEST(Listeners, AfterTheLastDropsNothingFindsThemAnyMore) {
  expect_last_drops(listening_on({{"127.0.0.1", 0}}), address("127.0.0.1"));
  expect_last_drops(listening_on({{"127.0.0.1", 0}}, 4), address("127.0.0.1"));
  expect_last_drops(listening_on({{"0.0.0.0", 0}}, 2), address("127.0.0.1"));
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

TEST_F(WildcardListeners, AfterTheLastDropsNothingFindsThemByEitherFamily) {
  for (const char* asked : {"::1", "127.0.0.1"})
    expect_last_drops(listening_on({{"::", 0}}, 2), address(asked));
  expect_last_drops(listening_on({{"::1", 0}}), address("::1"));
}

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
  ListenerOptions options = listening_on({{"127.0.0.1", 0}});
  options.buffer_bytes = 65'536;
  const auto enough = Listeners(options).buffer_notes();
  ASSERT_EQ(enough.size(), 1u);
  EXPECT_NE(enough[0].find("127.0.0.1:"), std::string::npos) << enough[0];
  EXPECT_EQ(enough[0].find("sysctl"), std::string::npos) << enough[0];
  EXPECT_EQ(enough[0].find("sockets"), std::string::npos) << enough[0];
}

TEST(ListenerGroups, HaveOneNoteForEachAddressThatSaysHowManyShareIt) {
  const auto notes =
      Listeners(listening_on({{"127.0.0.1", 0}, {"127.0.0.2", 0}}, 3)).buffer_notes();
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_NE(notes[0].find("127.0.0.1:"), std::string::npos) << notes[0];
  EXPECT_NE(notes[1].find("127.0.0.2:"), std::string::npos) << notes[1];
  for (const std::string& note : notes)
    EXPECT_NE(note.find("in each of 3 sockets"), std::string::npos) << note;
}

TEST(ListenerGroups, AreOrderedLaneByLaneAndShareTheirPorts) {
  const Listeners listeners(listening_on({{"127.0.0.1", 0}, {"127.0.0.2", 0}}, 3));
  ASSERT_EQ(listeners.sockets().size(), 6u);
  const auto addresses = listeners.addresses();
  ASSERT_EQ(addresses.size(), 2u);
  EXPECT_EQ(listeners.address_texts().size(), 2u);
  EXPECT_EQ(addresses[0].ip(), IpAddress::parse("127.0.0.1").value());
  for (std::size_t i = 0; i < 6; ++i)
    EXPECT_EQ(listeners.sockets()[i]->local_address(), addresses[i % 2]) << i;
}

TEST(ListenerGroups, AreSteeredEachByItself) {
  ListenerOptions options = listening_on({{"127.0.0.1", 0}, {"127.0.0.2", 0}}, 2);
  options.steering = Steering::random;
  const Listeners listeners(options);
  UdpSocket client(address("127.0.0.1"), {});
  for (std::size_t i = 0; i < 2; ++i) {
    for (int sent = 0; sent < 60; ++sent) send_text(client, "x", listeners.addresses()[i]);
    const auto texts = texts_of(listeners, 60);
    EXPECT_EQ(texts[i].size() + texts[i + 2].size(), 60u);
    EXPECT_GT(texts[i].size(), 0u);  // 0 has a chance of 0.5^60
    EXPECT_GT(texts[i + 2].size(), 0u);
  }
}

TEST(ListenerGroups, OnePortIsForOneServer) {
  const Listeners group(listening_on({{"127.0.0.1", 0}}, 4));
  const std::uint16_t port = group.addresses()[0].port();
  expect_in_use(listening_on({{"127.0.0.1", port}}, 4));
  expect_in_use(listening_on({{"127.0.0.1", port}}));
  const Listeners single(listening_on({{"127.0.0.1", 0}}));
  expect_in_use(listening_on({{"127.0.0.1", single.addresses()[0].port()}}, 4));
  // Nor for two addresses of one server.
  std::uint16_t free_port = 0;
  {
    const UdpSocket probe(address("0.0.0.0"), {});
    free_port = probe.local_address().port();
  }
  expect_in_use(listening_on({{"0.0.0.0", free_port}, {"127.0.0.1", free_port}}, 2));
}

TEST(ListenerGroups, AreStoppedAndCountedAsAWhole) {
  ListenerOptions options = listening_on({{"127.0.0.1", 0}}, 4);
  options.steering = Steering::random;
  Listeners listeners(options);
  UdpSocket client(address("127.0.0.1"), {});
  ASSERT_TRUE(listeners.stop_arrivals());
  for (int i = 0; i < 100; ++i) send_text(client, "after", listeners.addresses()[0]);
  EXPECT_EQ(listeners.read_drop_counter(), 100u);
  EXPECT_EQ(listeners.read_drop_counter(), 0u);
  for (const auto& socket : listeners.sockets())
    EXPECT_TRUE(test::receive_texts(*socket, 0).empty());
}

TEST_F(WildcardListeners, AGroupOnBothWildcardsTakesEachFamilyInItsOwn) {
  const std::uint16_t port = free_port();
  const Listeners listeners(listening_on({{"::", port}, {"0.0.0.0", port}}, 2));
  ASSERT_EQ(listeners.sockets().size(), 4u);
  UdpSocket v4(address("127.0.0.1"), {});
  UdpSocket v6(address("::1"), {});
  send_text(v4, "v4", address("127.0.0.1", port));
  send_text(v6, "v6", address("::1", port));
  std::vector<std::string> at_v6;
  std::vector<std::string> at_v4;
  const auto texts = texts_of(listeners, 2);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto& of_family = i % 2 == 0 ? at_v6 : at_v4;
    of_family.insert(of_family.end(), texts[i].begin(), texts[i].end());
  }
  EXPECT_EQ(at_v6, std::vector<std::string>{"v6"});
  EXPECT_EQ(at_v4, std::vector<std::string>{"v4"});
}

TEST_F(WildcardListeners, AGroupOnTheIpv6WildcardAlsoTakesIpv4) {
  const Listeners listeners(listening_on({{"::", 0}}, 2));
  UdpSocket client(address("127.0.0.1"), {});
  send_text(client, "v4", address("127.0.0.1", listeners.addresses()[0].port()));
  const auto texts = texts_of(listeners, 1);
  EXPECT_EQ(texts[0].size() + texts[1].size(), 1u);
}

TEST(InheritedListeners, AreTakenOverInsteadOfBindingAny) {
  const std::vector<int> descriptors{open_bound_socket(address("127.0.0.1")),
                                     open_bound_socket(address("127.0.0.2"))};
  Listeners listeners(inheriting(descriptors));
  EXPECT_TRUE(listeners.inherited());
  ASSERT_EQ(listeners.sockets().size(), 2u);
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_EQ(listeners.sockets()[i]->descriptor(), descriptors[i]);
  EXPECT_EQ(listeners.addresses()[1].ip(), IpAddress::parse("127.0.0.2").value());
  UdpSocket client(address("127.0.0.1"), {});
  send_text(client, "two", listeners.addresses()[1]);
  EXPECT_EQ(text_from(listeners, 1), "two");
}

TEST(InheritedListeners, GoOnGatheringAfterTheStop) {
  Listeners listeners(inheriting({open_bound_socket(address("127.0.0.1"))}));
  UdpSocket client(address("127.0.0.1"), {});
  ASSERT_TRUE(listeners.stop_arrivals());
  send_text(client, "for the next start", listeners.addresses()[0]);
  EXPECT_EQ(text_from(listeners, 0), "for the next start");
  EXPECT_EQ(listeners.read_drop_counter(), 0u);
  send_text(client, "for it too", listeners.addresses()[0]);
  EXPECT_EQ(listeners.last_drops(), 0u);
  EXPECT_EQ(text_from(listeners, 0), "for it too");
  send_text(client, "and on", listeners.addresses()[0]);
  EXPECT_EQ(text_from(listeners, 0), "and on");
}

TEST(InheritedListeners, CountOnlyWhatIsDroppedFromThenOn) {
  const int fd = open_bound_socket(address("127.0.0.1"));
  const int smallest = 0;  // the kernel raises it to its min
  ASSERT_EQ(::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest), 0);
  SocketAddress where = address("127.0.0.1");
  socklen_t size = SocketAddress::kCapacity;
  ASSERT_EQ(::getsockname(fd, where.data(), &size), 0);
  UdpSocket client(address("127.0.0.1"), {});
  for (int i = 0; i < 100; ++i) send_text(client, "too many", where);
  ListenerOptions options = inheriting({fd});
  options.buffer_bytes = 0;
  Listeners listeners(options);
  ASSERT_GT(listeners.sockets()[0]->kernel_dropped(), 0u) << "nothing was dropped before";
  EXPECT_EQ(listeners.read_drop_counter(), 0u);
  for (int i = 0; i < 10; ++i) send_text(client, "too many", where);  // the buffer is still full
  EXPECT_EQ(listeners.read_drop_counter(), 10u);
}

}  // namespace
}  // namespace cpss
