// Addresses that come and go while the server runs, or are missing when it starts.
#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/eventually.h"
#include "tests/support/run_isolated.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using testing::AllOf;
using testing::HasSubstr;

SocketAddress at(const std::string& ip, std::uint16_t port = 0) {
  return {IpAddress::parse(ip).value(), port};
}

// The server's host, with one address of each family, on a wire to another one.
class Hosts {
 public:
  Hosts() {
    other_.connect("here0", "there0");
    add("here0", "10.9.0.1/24");
    add("here0", "fd09::1/64");
    other_.inside([] {
      add("there0", "10.9.0.9/24");
      add("there0", "fd09::9/64");
    });
  }

  static void add(const std::string& interface, const std::string& address) {
    add_address(address, interface);
  }
  static void remove(const std::string& interface, const std::string& address) {
    ip_command("address del " + address + " dev " + interface);
  }
  const OtherNamespace& there() const { return other_; }

 private:
  OtherNamespace other_;
};

// The kernel has an address before all of its routes: datagrams sent meanwhile may be lost.
bool comes_to_be_answered(UdpClient& client, const std::string& request) {
  return eventually([&] {
    EXPECT_EQ(client.send(request), 0);
    return client.receive(std::chrono::milliseconds(100)).has_value();
  });
}

class AddressModels : public testing::TestWithParam<ModelUnderTest> {};

// An address of the server's host moves to another host, whose client uses the server's own port,
// as another server of the kind would: the client is refused only as long as the address is ours.
TEST_P(AddressModels, OneThatMovesAwayIsAClientsFromThenOn) {
  run_isolated(kServersInNamespace, [] {
    const Hosts hosts;
    for (const char* ip : {"10.9.0.2", "fd09::2"}) {
      SCOPED_TRACE(ip);
      const bool v6 = std::string(ip) == "fd09::2";
      const std::string network = std::string(ip) + (v6 ? "/64" : "/24");
      Hosts::add("here0", network);
      ServerProcess server(program::kServer,
                           under(GetParam(), {{"CPSS_SERVICE", "lookup"},
                                              {"CPSS_LISTEN", v6 ? "[::]:0" : "0.0.0.0:0"}}));
      const std::string request = lookup_request("12025550100");
      Hosts::remove("here0", network);
      std::unique_ptr<UdpClient> client;
      hosts.there().inside([&] {
        Hosts::add("there0", network);
        client = std::make_unique<UdpClient>(at(v6 ? "fd09::1" : "10.9.0.1", server.port()),
                                             at(ip, server.port()));
      });
      EXPECT_TRUE(comes_to_be_answered(*client, request)) << server.process().errors();
      server.expect_clean_end();
      EXPECT_THAT(server.process().errors(),
                  AllOf(HasSubstr("the addresses of this host have changed: "),
                        HasSubstr(" -" + std::string(ip))));
      EXPECT_EQ(server.ledger("answered") + server.ledger("refused"), server.ledger("received"));
      hosts.there().inside([&] { Hosts::remove("there0", network); });
    }
  });
}

// An address that comes is ours from then on: a client that claims to have it gets no reply.
TEST_P(AddressModels, OneThatComesIsOursFromThenOn) {
  run_isolated(kServersInNamespace, [] {
    const Hosts hosts;
    // Else the kernel itself would drop datagrams that claim to come from one of our IPv4
    // addresses.
    write_file("/proc/sys/net/ipv4/conf/here0/accept_local", "1");
    for (const auto& [own, comes, length] :
         {std::tuple("10.9.0.1", "10.9.0.2", "/24"), std::tuple("fd09::1", "fd09::2", "/64")}) {
      SCOPED_TRACE(comes);
      const bool v6 = !at(own).ip().is_v4();
      ServerProcess server(program::kServer,
                           under(GetParam(), {{"CPSS_SERVICE", "lookup"},
                                              {"CPSS_LISTEN", v6 ? "[::]:0" : "0.0.0.0:0"}}));
      const std::string request = lookup_request("12025550100");
      const SocketAddress asked = at(own, server.port());
      std::unique_ptr<UdpClient> claimant;
      hosts.there().inside([&] {
        Hosts::add("there0", std::string(comes) + length);
        claimant = std::make_unique<UdpClient>(asked, at(comes, server.port()));
      });
      EXPECT_TRUE(claimant->ask(request).has_value()) << "not yet ours";
      Hosts::add("here0", std::string(comes) + length);
      EXPECT_TRUE(eventually([&] {
        EXPECT_EQ(claimant->send(request), 0);
        return server.reason("refused.own_address") > 0;
      })) << server.stats()["reasons"].dump();
      UdpClient client(asked, at(comes));
      EXPECT_TRUE(comes_to_be_answered(client, request)) << "of another port it is a client";
      server.expect_clean_end();
    }
  });
}

// During duplicate address detection, too, an address is missing.
TEST_P(AddressModels, OneThatComesAfterTheStartIsAnsweredAt) {
  run_isolated(kServersInNamespace, [] {
    for (const auto& [ip, network] :
         {std::pair("10.9.0.1", "10.9.0.1/24"), std::pair("fd09::1", "fd09::1/64")}) {
      SCOPED_TRACE(ip);
      ServerProcess server(program::kServer,
                           under(GetParam(), {{"CPSS_SERVICE", "echo"},
                                              {"CPSS_FREEBIND", "1"},
                                              {"CPSS_LISTEN", at(ip, 7700).to_string()}}));
      Hosts::add("lo", network);
      UdpClient client(at(ip, 7700), at(ip));
      EXPECT_TRUE(comes_to_be_answered(client, "a request")) << server.stats()["reasons"].dump();
      server.expect_clean_end();
    }
  });
}

// The server checks only once, at its start, whether replies would come back to it; here they do
// later.
TEST_P(AddressModels, TheAddressForRepliesBecomesOurOwn) {
  run_isolated(kServersInNamespace, [] {
    for (const auto& [own, replies, network, listen] :
         {std::tuple("10.9.0.1", "192.0.2.5", "192.0.2.5/24", "0.0.0.0:7700"),
          std::tuple("fd09::1", "2001:db8::5", "2001:db8::5/64", "[::]:7700")}) {
      SCOPED_TRACE(own);
      Hosts::add("lo", std::string(own) + (at(own).ip().is_v4() ? "/24" : "/64"));
      const std::string place = at(replies, 7700).to_string();
      ServerProcess server(program::kServer, under(GetParam(), {{"CPSS_SERVICE", "lookup"},
                                                                {"CPSS_LISTEN", listen},
                                                                {"CPSS_RESP_ADDR", place}}));
      Hosts::add("lo", network);
      server.wait_until_logged(place + " is our own address now");
      UdpClient client(at(own, 7700), at(own));
      std::uint64_t sent = 0;
      EXPECT_TRUE(eventually([&] {
        EXPECT_EQ(client.send(lookup_request("12025550100")), 0);
        ++sent;
        return server.reason("refused.own_address") > 0;
      })) << "the reply: "
          << server.stats()["reasons"].dump();
      Hosts::remove("lo", network);
      server.wait_until_logged("is not our own address any more");
      server.expect_clean_end();
      EXPECT_LE(server.ledger("received") - server.reason("refused.own_address"), sent)
          << "and there it ends";
    }
  });
}

INSTANTIATE_TEST_SUITE_P(All, AddressModels, testing::ValuesIn(every_model()), model_name);

class Addresses : public testing::Test {
 protected:
  static Finished started(Environment environment) {
    const TemporaryFolder folder;
    return run_refused({program::kServer}, std::move(environment), folder.file("stats"));
  }
};

TEST_F(Addresses, WhatTimeMayBringIs69AndWhatItWillNotIs78) {
  run_isolated(kServersInNamespace, [] {
    for (const char* missing : {"192.0.2.1:7700", "[2001:db8::1]:7700"}) {
      const Finished result = started({{"CPSS_LISTEN", missing}});
      EXPECT_EQ(result.code, 69) << result.errors;
      EXPECT_THAT(result.errors, AllOf(HasSubstr(missing), HasSubstr("CPSS_FREEBIND=1")));
    }
    const Finished interface = started({{"CPSS_LISTEN", "[fe80::1%no-such]:7700"}});
    EXPECT_EQ(interface.code, 69) << interface.errors;
    EXPECT_THAT(interface.errors, HasSubstr("no interface no-such now"));
    EXPECT_EQ(started({{"CPSS_LISTEN", "224.0.0.1:7700"}}).code, 78);
    EXPECT_EQ(started({{"CPSS_LISTEN", "[fe80::1]:7700"}}).code, 78);
    std::ofstream("/proc/sys/net/ipv6/conf/all/disable_ipv6") << "1";
    const Finished without = started({{"CPSS_LISTEN", "[2001:db8::1]:7700"}});
    EXPECT_EQ(without.code, 78) << without.errors;
    EXPECT_THAT(without.errors, HasSubstr("address family switched off"));
  });
}

TEST_F(Addresses, ALinkLocalOneIsListenedOnWithItsInterface) {
  run_isolated(kServersInNamespace, [] {
    const Hosts hosts;
    Hosts::add("here0", "fe80::a/64");
    ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"},
                                            {"CPSS_ALLOW", "fe80::%here0/64"},
                                            {"CPSS_LISTEN", "[fe80::a%here0]:0"}});
    EXPECT_THAT(server.stats().at("listen").at(0).get<std::string>(),
                testing::StartsWith("[fe80::a%here0]:"));
    const std::uint16_t port = server.port();
    std::unique_ptr<UdpClient> client;
    hosts.there().inside([&] {
      Hosts::add("there0", "fe80::b/64");
      const auto there = ScopedAddress::parse("fe80::a%there0");
      const auto own = ScopedAddress::parse("fe80::b%there0");
      client =
          std::make_unique<UdpClient>(SocketAddress(there->ip, port, *there->interface_index()),
                                      SocketAddress(own->ip, 0, *own->interface_index()));
    });
    EXPECT_EQ(client->ask("a request"), "a request");
    server.expect_clean_end();
    ServerProcess elsewhere(program::kServer,
                            {{"CPSS_SERVICE", "echo"},
                             {"CPSS_ALLOW", "fe80::%lo/64"},
                             {"CPSS_LISTEN", "[fe80::a%here0]:" + std::to_string(port)}});
    EXPECT_EQ(client->send("of another link"), 0);
    elsewhere.wait_until_idle(1);
    EXPECT_EQ(elsewhere.reason("refused.not_allowed"), 1u);
    elsewhere.expect_clean_end();
  });
}

}  // namespace
}  // namespace cpss
