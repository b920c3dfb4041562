#include "server/daemon/address_follower.h"

#include <chrono>
#include <fstream>
#include <optional>
#include <string>
#include <tuple>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/support/eventually.h"
#include "tests/support/ip.h"
#include "tests/support/run_isolated.h"
#include "tests/support/sanitizers.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using test::ip;

// A follower, and a lane's copy of its addresses.
class Followed {
 public:
  explicit Followed(std::optional<SocketAddress> reply_address = {})
      : access_control_(options(follower.now())), lane_(access_control_.host()) {
    follower.serve(access_control_, {SocketAddress(ip("0.0.0.0"), 7700)}, reply_address);
  }

  // Ticks until the lane has the address, at most for `patience`.
  bool soon_ours(const char* address, std::chrono::milliseconds patience = 20s) {
    return eventually(
        [&] {
          follower.tick();
          lane_.refresh();
          return lane_.contains(ip(address));
        },
        patience);
  }
  bool ours(const char* address) const { return lane_.contains(ip(address)); }

  AddressFollower follower;

 private:
  static AccessOptions options(const LocalAddressSet& now) {
    AccessOptions options;
    options.host = now;
    return options;
  }

  AccessControl access_control_;
  HostAddressCopy lane_;
};

TEST(AddressFollowerTest, LanesHaveWhatTheHostHas) {
  run_isolated([] {
    Followed followed;
    EXPECT_FALSE(followed.ours("192.0.2.77"));
    add_address("192.0.2.77/32", "lo");
    EXPECT_TRUE(followed.soon_ours("192.0.2.77"));
    ip_command("address del 192.0.2.77/32 dev lo");
    ip_command("route add local 198.51.100.0/24 dev lo");
    EXPECT_TRUE(followed.soon_ours("198.51.100.9"));
    EXPECT_TRUE(eventually([&] {
      followed.follower.tick();
      return !followed.follower.now().contains(ip("192.0.2.77"));
    }));
  });
}

// No later change makes the follower read the addresses again.
TEST(AddressFollowerTest, AChangeThatCouldNotBeReadIsReadLater) {
  if (kUndefinedBehaviorSanitizer)
    GTEST_SKIP() << "UndefinedBehaviorSanitizer needs descriptors to look at memory";
  run_isolated([] {
    Followed followed;
    add_address("192.0.2.77/32", "lo");
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    const rlimit none{0, limit.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    EXPECT_TRUE(eventually([&] {
      followed.follower.tick();
      return followed.follower.unreadable();
    }));
    EXPECT_FALSE(followed.follower.now().contains(ip("192.0.2.77")));
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_TRUE(followed.soon_ours("192.0.2.77"));
    EXPECT_FALSE(followed.follower.unreadable());
  });
}

// Then every address counts as ours, until there is room again.
TEST(AddressFollowerTest, MoreAddressesThanThereIsRoomFor) {
  run_isolated([] {
    const TemporaryFolder folder;
    const auto batch = [&](const std::string& action) {
      constexpr int kMany = 5'000;  // far more than there is room for
      std::ofstream out(folder.file(action));
      for (int i = 0; i < kMany; ++i)
        out << "route " << action << " local 10." << i / 250 << '.' << i % 250 << ".0/24 dev lo\n";
      return folder.file(action);
    };
    Followed followed;
    EXPECT_FALSE(followed.ours("203.0.113.1"));
    ip_command("-batch " + batch("add"));
    EXPECT_TRUE(followed.soon_ours("203.0.113.1"));
    ip_command("-batch " + batch("del"));
    EXPECT_TRUE(eventually([&] { return !followed.soon_ours("203.0.113.1", 0ms); }));
  });
}

TEST(OwnAddressFor, AWildcardGetsWhatIsSentToTheHost) {
  const LocalAddressSet host({ip("192.0.2.1"), ip("2001:db8::1")});
  const SocketAddress any_v4(ip("0.0.0.0"), 7700);
  const SocketAddress any(ip("::"), 7700);
  for (const auto& [to, v4_takes, both_take] :
       {std::tuple(SocketAddress(ip("192.0.2.1"), 7700), true, true),
        std::tuple(SocketAddress(ip("2001:db8::1"), 7700), false, true),
        std::tuple(SocketAddress(ip("192.0.2.2"), 7700), false, false),
        std::tuple(SocketAddress(ip("192.0.2.1"), 7701), false, false)}) {
    EXPECT_EQ(own_address_for(to, {&any_v4, 1}, host) != nullptr, v4_takes) << to.to_string();
    EXPECT_EQ(own_address_for(to, {&any, 1}, host) != nullptr, both_take) << to.to_string();
  }
}

}  // namespace
}  // namespace cpss
