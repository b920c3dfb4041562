// tests/end_to_end/blast_test.cpp tests ServerRegion with a real server.
#include "tools/udpblast/server_region.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stats/region.h"
#include "tests/support/temporary_folder.h"

namespace cpss::udpblast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

SocketAddress address(const char* ip, std::uint16_t port) {
  return {*IpAddress::parse(ip), port};
}

TEST(ServerRegion, ListensAt) {
  const SocketAddress v4 = address("127.0.0.1", 7700);
  EXPECT_TRUE(listens_at({"127.0.0.2:7700", "127.0.0.1:7700"}, v4));
  EXPECT_TRUE(listens_at({"0.0.0.0:7700"}, v4));
  EXPECT_TRUE(listens_at({"[::]:7700"}, v4));
  EXPECT_FALSE(listens_at({}, v4));
  EXPECT_FALSE(listens_at({"127.0.0.1:7701", "127.0.0.2:7700", "[::1]:7700"}, v4));
  const SocketAddress v6 = address("::1", 7700);
  EXPECT_TRUE(listens_at({"[::1]:7700"}, v6));
  EXPECT_TRUE(listens_at({"[::]:7700"}, v6));
  EXPECT_FALSE(listens_at({"0.0.0.0:7700"}, v6));
}

TEST(ServerRegion, ANamedOneHasToBeReadable) {
  const TemporaryFolder folder;
  Options options;
  options.server = address("127.0.0.1", 7700);
  for (const std::string& path : {folder.file("missing"), folder.write("text", "no region")}) {
    options.stats_file = path;
    try {
      ServerRegion::find(options);
      FAIL() << path;
    } catch (const UnusableRegion& error) {
      EXPECT_THAT(error.what(), HasSubstr("--stats-file: stats region " + path));
    }
  }
}

TEST(ServerRegion, OfANamedOneThatStartsItIsSaid) {
  const TemporaryFolder folder;
  Options options;
  options.server = address("127.0.0.1", 7700);
  options.stats_file = folder.file("stats");
  const StatsRegion region({.path = *options.stats_file,
                            .model = "seda",
                            .service = "lookup",
                            .listen = {},
                            .blocks = {{"recv-0", StageId::receive}}});
  try {
    ServerRegion::find(options);
    FAIL();
  } catch (const UnusableRegion& error) {
    EXPECT_THAT(error.what(), HasSubstr("is not ready yet"));
  }
}

class AtTheDefaultPlace : public testing::Test {
 protected:
  std::optional<ServerRegion> find(const char* ip, std::uint16_t port) const {
    Options options;
    options.server = address(ip, port);
    return ServerRegion::find(options, place_);
  }

  const TemporaryFolder folder_;
  const std::string place_ = folder_.file("stats");
  StatsRegion region_{{.path = place_,
                       .model = "seda",
                       .service = "lookup",
                       .listen = {"0.0.0.0:7701"},
                       .blocks = {{"recv-0", StageId::receive}}}};
};

TEST_F(AtTheDefaultPlace, IsTakenIfItsServerIsTheOneAndRuns) {
  EXPECT_FALSE(find("127.0.0.1", 7701)) << "not live yet";
  region_.set_live();
  EXPECT_TRUE(find("127.0.0.1", 7701));
  EXPECT_FALSE(find("127.0.0.1", 7700)) << "another server";
  EXPECT_FALSE(find("::1", 7701)) << "another server";
  EXPECT_FALSE(find("192.0.2.1", 7701)) << "on another host";
  region_.mark_clean_end();
  EXPECT_FALSE(find("127.0.0.1", 7701)) << "ended";
}

TEST_F(AtTheDefaultPlace, ANamedOneIsTakenWhereverItsServerListens) {
  Options options;
  options.server = address("192.0.2.1", 1);
  options.stats_file = place_;
  EXPECT_THROW(ServerRegion::find(options), UnusableRegion) << "not live yet";
  region_.set_live();
  EXPECT_TRUE(ServerRegion::find(options));
}

TEST_F(AtTheDefaultPlace, OneThatVanishesIsExplained) {
  region_.set_live();
  auto region = find("127.0.0.1", 7701);
  ASSERT_TRUE(region);
  std::filesystem::remove(place_);
  const LossReport report = region->explain({});
  EXPECT_FALSE(report.places);
  EXPECT_THAT(report.notes, ElementsAre(HasSubstr("does not exist")));
}

}  // namespace
}  // namespace cpss::udpblast
