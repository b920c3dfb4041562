#include "net/address_watch.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "net/local_addresses.h"
#include "tests/support/eventually.h"
#include "tests/support/forked_process.h"
#include "tests/support/ip.h"
#include "tests/support/run_isolated.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using test::ip;

TEST(AddressWatch, SaysWhenAnAddressComesOrGoes) {
  run_isolated([] {
    AddressWatch watch;
    // Changes that were under way when the watch was made.
    EXPECT_TRUE(eventually([&] { return !watch.may_have_changed(); }));
    for (const char* address : {"192.0.2.77/24 dev lo", "2001:db8::77/64 dev lo nodad"})
      for (const char* action : {"add ", "del "}) {
        SCOPED_TRACE(std::string(action) + address);
        std::string command = std::string("address ") + action + address;
        if (action[0] == 'd') command = command.substr(0, command.find(" nodad"));
        ip_command(command);
        EXPECT_TRUE(eventually([&] { return watch.may_have_changed(); }));
      }
    EXPECT_TRUE(eventually([&] { return !watch.may_have_changed(); }));
  });
}

// Only routes that make addresses local count; a router has many others.
TEST(AddressWatch, SaysWhenARouteMakesAddressesLocal) {
  run_isolated([] {
    AddressWatch watch;
    EXPECT_TRUE(eventually([&] { return !watch.may_have_changed(); }));
    for (const char* route : {"local 192.0.2.0/24 dev lo", "local 2001:db8::/32 dev lo"})
      for (const char* action : {"add ", "del "}) {
        SCOPED_TRACE(std::string(action) + route);
        const bool v6 = std::string(route).find(':') != std::string::npos;
        ip_command(std::string(v6 ? "-6 " : "") + "route " + action + route);
        EXPECT_TRUE(eventually([&] { return watch.may_have_changed(); }));
      }
    EXPECT_TRUE(eventually([&] { return !watch.may_have_changed(); }));
    ip_command("route add unicast 192.0.2.0/24 dev lo");
    ip_command("-6 route add unicast 2001:db8::/32 dev lo");
    EXPECT_FALSE(watch.may_have_changed());
  });
}

// More messages than the watch's socket holds: the lost ones do not matter, since all is read anew.
TEST(AddressWatch, AnOverrunIsAChange) {
  run_isolated([] {
    const TemporaryFolder folder;
    const std::string batch = folder.file("batch");
    {
      std::ofstream out(batch);
      for (int i = 0; i < 2'000; ++i)
        out << "address add 10." << 1 + i / 250 << "." << i % 250 << ".1/32 dev lo\n";
    }
    AddressWatch watch;
    ip_command("-batch " + batch);
    EXPECT_TRUE(watch.may_have_changed());
    const LocalAddressSet set = LocalAddressSet::of_this_host();
    EXPECT_TRUE(set.contains(ip("10.1.0.1")));
    EXPECT_TRUE(set.contains(ip("10.8.249.1")));
    EXPECT_TRUE(eventually([&] { return !watch.may_have_changed(); }));
    add_address("192.0.2.77/24", "lo");
    EXPECT_TRUE(eventually([&] { return watch.may_have_changed(); })) << "it goes on";
  });
}

// No descriptor is free while the watch is made.
TEST(AddressWatch, WithoutTheKernelsWordItIsTimeOnceASecond) {
  ForkedProcess child([] {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlimit none{0, limit.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
    const auto now = [] { return std::chrono::steady_clock::now(); };
    constexpr std::chrono::seconds kLook{1};
    const auto start = now();
    AddressWatch watch;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    // Within the first second this is too early.
    if (watch.may_have_changed() && now() - start < kLook) return 1;
    auto before = now();
    const bool soon = eventually([&] {
      before = now();
      return watch.may_have_changed();
    });
    if (!soon || now() - start < kLook) return 2;
    return watch.may_have_changed() && now() - before < kLook ? 3 : 0;
  });
  EXPECT_EQ(child.exit_code(), 0);
}

}  // namespace
}  // namespace cpss
