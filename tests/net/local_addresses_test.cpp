#include "net/local_addresses.h"

#include <cerrno>
#include <string>
#include <system_error>
#include <thread>

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include "net/routes.h"
#include "tests/support/failing_calls.h"
#include "tests/support/ip.h"
#include "tests/support/run_isolated.h"

namespace cpss {
namespace {

using test::ip;

TEST(LocalAddressSet, HasWhatItWasGivenAndAllOfLoopback) {
  const LocalAddressSet set({ip("192.0.2.1"), ip("2001:db8::1"), ip("192.0.2.1")});
  EXPECT_EQ(set.addresses().size(), 2U);
  for (const char* own :
       {"192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "127.0.0.1", "127.255.0.9", "::1"})
    EXPECT_TRUE(set.contains(ip(own))) << own;
  for (const char* foreign : {"192.0.2.2", "2001:db8::2", "128.0.0.1", "0.0.0.0", "::"})
    EXPECT_FALSE(set.contains(ip(foreign))) << foreign;
}

TEST(LocalAddressSet, KnowsAnAddressThatTheHostWasGiven) {
  run_isolated([] {
    EXPECT_FALSE(LocalAddressSet::of_this_host().contains(ip("192.0.2.77")));
    add_address("192.0.2.77/24", "lo");
    add_address("2001:db8::77/64", "lo");
    const auto set = LocalAddressSet::of_this_host();
    EXPECT_TRUE(set.contains(ip("192.0.2.77")));
    EXPECT_TRUE(set.contains(ip("2001:db8::77")));
    EXPECT_TRUE(set.contains(ip("192.0.2.78"))) << "of a network on lo the kernel takes every one";
    EXPECT_FALSE(set.contains(ip("192.0.3.78")));
    EXPECT_FALSE(set.contains(ip("2001:db8::78")));
  });
}

// "AnyIP", for one address and for many, in both families.
TEST(LocalAddressSet, KnowsWhatIsLocalByARouteAlone) {
  run_isolated([] {
    const auto before = LocalAddressSet::of_this_host();
    ip_command("route add local 192.0.2.0/25 dev lo");
    ip_command("route add local 198.51.100.7/32 dev lo");
    ip_command("-6 route add local 2001:db8:1::/48 dev lo");
    ip_command("-6 route add local 2001:db8:2::7/128 dev lo");
    const auto set = LocalAddressSet::of_this_host();
    EXPECT_FALSE(set == before);
    for (const char* own : {"192.0.2.0", "192.0.2.127", "198.51.100.7", "2001:db8:1::",
                            "2001:db8:1:ffff::1", "2001:db8:2::7", "127.0.0.1", "::1"})
      EXPECT_TRUE(set.contains(ip(own))) << own;
    for (const char* foreign : {"192.0.2.128", "198.51.100.8", "2001:db8::1", "2001:db8:2::8"})
      EXPECT_FALSE(set.contains(ip(foreign))) << foreign;
    ip_command("route del local 192.0.2.0/25 dev lo");
    EXPECT_FALSE(LocalAddressSet::of_this_host().contains(ip("192.0.2.1")));
    for (const char* route : {"unicast 192.0.2.0/25", "blackhole 10.0.0.0/8"})
      ip_command("route add " + std::string(route) + (route[0] == 'u' ? " dev lo" : ""));
    EXPECT_FALSE(LocalAddressSet::of_this_host().contains(ip("192.0.2.1"))) << "a route like any";
  });
}

// Whether or not the interface was told its broadcast address.
TEST(LocalAddressSet, KnowsTheBroadcastAddressesOfItsNetworks) {
  run_isolated([] {
    OtherNamespace other;
    other.connect("wire", "far");
    add_address("192.0.2.77/24", "wire");
    ip_command("address add 198.51.100.1/28 brd + dev wire");
    add_address("203.0.113.4/31", "wire");
    const auto set = LocalAddressSet::of_this_host();
    EXPECT_TRUE(set.is_network_broadcast(ip("192.0.2.255")));
    EXPECT_TRUE(set.is_network_broadcast(ip("198.51.100.15")));
    for (const char* host : {"192.0.2.77", "192.0.2.127", "198.51.100.14", "203.0.113.5",
                             "127.255.255.255", "10.0.0.255"})
      EXPECT_FALSE(set.is_network_broadcast(ip(host))) << host;
  });
}

// Half a list would count as a change: requests from the missing addresses would be answered as if
// they came from another host.
TEST(LocalAddressSet, IsWholeOrAnError) {
  for (const long call : {SYS_socket, SYS_sendto, SYS_recvfrom})
    std::thread([call] {
      test::let_calls_fail({call}, EMFILE);
      EXPECT_THROW(LocalAddressSet::of_this_host(), std::system_error) << call;
      EXPECT_THROW(local_routes(), std::system_error) << call;
    }).join();
}

}  // namespace
}  // namespace cpss
