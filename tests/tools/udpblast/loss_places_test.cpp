// tests/end_to_end/blast_test.cpp tests ServerRegion with a real server.
#include "tools/udpblast/loss_places.h"

#include <filesystem>
#include <initializer_list>
#include <numeric>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stats/region.h"
#include "tests/support/temporary_folder.h"

namespace cpss::udpblast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Counts = std::initializer_list<std::pair<Count, std::uint64_t>>;
using Outcomes = std::initializer_list<std::pair<Outcome, std::uint64_t>>;

Totals totals(Counts counts) {
  Tally tally;
  for (const auto& [count, value] : counts) tally.add(count, value);
  return tally.read();
}

// A server whose own ledger balances: what it received is in an outcome or inside.
Ledger ledger(Outcomes outcomes, std::int64_t in_flight = 0, std::uint64_t kernel_dropped = 0) {
  Ledger result;
  for (const auto& [outcome, count] : outcomes) {
    result.outcomes[static_cast<std::size_t>(outcome)] = count;
    result.received += count;
  }
  result.received += static_cast<std::uint64_t>(in_flight);
  result.in_flight = in_flight;
  result.kernel_dropped = kernel_dropped;
  return result;
}

void expect_identity(const LossPlaces& places) {
  const std::uint64_t sum =
      std::accumulate(places.messages.begin(), places.messages.end(), std::uint64_t{0});
  EXPECT_EQ(static_cast<std::int64_t>(places.total),
            static_cast<std::int64_t>(sum) + places.unexplained);
}

TEST(LossPlaces, NothingLost) {
  const LossPlaces places =
      loss_places(ledger({{Outcome::answered, 7}}, 1, 3), ledger({{Outcome::answered, 107}}, 1, 3),
                  totals({{Count::sent, 100}, {Count::right, 100}}));
  EXPECT_EQ(places, LossPlaces{});
}

// 1,000 messages with losses at every place: each lost message is counted there, once.
TEST(LossPlaces, EveryPlaceAtOnce) {
  const Ledger before = ledger({{Outcome::answered, 50}, {Outcome::invalid, 9}}, 2, 77);
  // 15 never arrive, 20 are dropped; of 965 received, 11 + ... are not answered, 4 remain inside.
  const Ledger after = ledger({{Outcome::answered, 50 + 885},
                               {Outcome::no_answer, 11},
                               {Outcome::invalid, 9 + 12},
                               {Outcome::refused, 13},
                               {Outcome::shed, 30},
                               {Outcome::failed, 10}},
                              2 + 4, 77 + 20);
  // 5 of the answers are lost on the way back, 6 at the client; 7 are late, 3 wrong, 2 unknown, 1
  // malformed; 8 of the busy replies come in time and 2 late.
  const std::uint64_t right = 885 - 5 - 6 - 7 - 3 - 2 - 1;
  const std::uint64_t timed_out = 1'000 - right - 3 - 8;
  const Totals counts = totals({{Count::sent, 1'000},
                                {Count::right, right},
                                {Count::wrong, 3},
                                {Count::busy, 8},
                                {Count::timed_out, timed_out},
                                {Count::late, 7 + 2},
                                {Count::late_busy, 2},
                                {Count::duplicate, 44},
                                {Count::unknown, 2},
                                {Count::malformed, 1},
                                {Count::kernel_dropped, 6}});
  const LossPlaces places = loss_places(before, after, counts);
  EXPECT_EQ(places.total, counts.lost() + counts[Count::wrong]);
  EXPECT_EQ(places[Place::to_server], 15u);
  EXPECT_EQ(places[Place::server_kernel], 20u);
  EXPECT_EQ(places[Place::invalid], 12u);
  EXPECT_EQ(places[Place::refused], 13u);
  EXPECT_EQ(places[Place::shed], 30u);
  EXPECT_EQ(places[Place::no_answer], 11u);
  EXPECT_EQ(places[Place::failed], 10u);
  EXPECT_EQ(places[Place::in_server], 4u);
  EXPECT_EQ(places[Place::to_client], 5u);
  EXPECT_EQ(places[Place::client_kernel], 6u);
  EXPECT_EQ(places[Place::too_late], 7u);
  EXPECT_EQ(places[Place::wrong], 6u);
  EXPECT_EQ(places.unexplained, 0);
  expect_identity(places);
}

// A reply that udpblast's kernel dropped may have said busy: its message is shed, not lost twice.
TEST(LossPlaces, DroppedBusyRepliesAreNotCountedTwice) {
  const LossPlaces places =
      loss_places(ledger({}), ledger({{Outcome::answered, 90}, {Outcome::shed, 10}}),
                  totals({{Count::sent, 100},
                          {Count::right, 88},
                          {Count::timed_out, 12},
                          {Count::kernel_dropped, 12}}));
  EXPECT_EQ(places[Place::shed], 10u);
  EXPECT_EQ(places[Place::client_kernel], 2u);
  EXPECT_EQ(places.unexplained, 0);
  expect_identity(places);
}

TEST(LossPlaces, OtherClientsMessagesAreNegative) {
  const LossPlaces places = loss_places(ledger({}), ledger({{Outcome::answered, 140}}),
                                        totals({{Count::sent, 100}, {Count::right, 100}}));
  EXPECT_EQ(places.total, 0u);
  EXPECT_EQ(places[Place::to_server], 0u);
  EXPECT_EQ(places.unexplained, -40);
  expect_identity(places);
}

TEST(LossPlaces, AServerWhoseLedgerDoesNotBalance) {
  Ledger after = ledger({{Outcome::answered, 99}});
  after.received += 1;
  const LossPlaces places = loss_places(
      ledger({}), after, totals({{Count::sent, 100}, {Count::right, 99}, {Count::timed_out, 1}}));
  EXPECT_EQ(places.unexplained, 1);
  expect_identity(places);
}

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
