#include "stats/region_view.h"

#include <array>
#include <random>
#include <span>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/stats/region_bytes.h"

namespace cpss {
namespace {

using layout::Header;
using test::RegionBytes;
using testing::HasSubstr;

// The bytes as a mapping has them: aligned, and with nothing after them that may be read.
class Aligned {
 public:
  explicit Aligned(const std::string& bytes)
      : words_((bytes.size() + 7) / 8), bytes_(bytes.size()) {
    std::memcpy(words_.data(), bytes.data(), bytes.size());
  }
  std::span<const std::byte> span() const { return std::as_bytes(std::span(words_)).first(bytes_); }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t bytes_;
};

Snapshot read(const RegionBytes& region) {
  const Aligned aligned(region.bytes);
  return RegionView(aligned.span()).read();
}

std::string refusal_of(const RegionBytes& region) {
  try {
    read(region);
  } catch (const IncompatibleRegion& error) {
    return error.what();
  }
  return "";
}

// Moves every metric's entry behind the values, with room for `added` more.
void move_metrics_to_the_end(RegionBytes& region, std::uint32_t entry_bytes, std::uint32_t added) {
  const auto old = region.get<layout::Table>(offsetof(Header, metrics));
  const std::uint64_t offset = region.bytes.size();
  for (std::uint32_t i = 0; i < old.count; ++i) {
    std::string entry = region.bytes.substr(region.metric(i), old.entry_bytes);
    entry.resize(entry_bytes, '\x7f');
    region.bytes += entry;
  }
  region.bytes.append(std::size_t{added} * entry_bytes, '\0');
  region.put(offsetof(Header, metrics), layout::Table{offset, old.count + added, entry_bytes});
  region.put(offsetof(Header, file_bytes), std::uint64_t{region.bytes.size()});
}

TEST(RegionViewTest, ReadsFactsAndValuesFromTheBytesAlone) {
  const Snapshot snapshot = read(RegionBytes());
  EXPECT_EQ(snapshot.facts.model, "seda");
  EXPECT_EQ(snapshot.facts.service, "lookup");
  EXPECT_THAT(snapshot.facts.listen, testing::ElementsAre("127.0.0.1:40001", "[::1]:40002"));
  EXPECT_EQ(snapshot.facts.generation, 1u);
  EXPECT_EQ(snapshot.facts.slots, 8192u);
  EXPECT_EQ(snapshot.facts.max_inside, 8256u);
  EXPECT_TRUE(snapshot.facts.histograms);
  EXPECT_TRUE(snapshot.facts.kernel_dropped_exact);
  EXPECT_GT(snapshot.facts.started_unix_ns, 1'500'000'000'000'000'000u);
  EXPECT_LE(snapshot.facts.started_ns, snapshot.live_ns);
  EXPECT_LE(snapshot.live_ns, snapshot.taken_ns);
  EXPECT_EQ(snapshot.total("received"), 5u);
}

TEST(RegionViewTest, EveryMetricIsDescribed) {
  const RegionBytes region;
  const auto table = region.get<layout::Table>(offsetof(Header, metrics));
  EXPECT_EQ(table.count, kCounters.size() + kReasons.size() + kGauges.size() + kHistograms.size());
  for (std::uint32_t i = 0; i < table.count; ++i) {
    const auto entry = region.get<layout::MetricEntry>(region.metric(i));
    const bool is_reason = entry.kind == static_cast<std::uint32_t>(layout::MetricKind::reason);
    EXPECT_NE(entry.name[0], '\0');
    EXPECT_NE(entry.unit[0], '\0') << entry.name.data();
    EXPECT_NE(entry.help[0], '\0') << entry.name.data();
    EXPECT_EQ(entry.outcome[0] != '\0', is_reason) << entry.name.data();
  }
}

TEST(RegionViewTest, WithoutHistogramsNoneIsDescribedAndNoRoomIsKept) {
  const RegionBytes region(false);
  const auto table = region.get<layout::Table>(offsetof(Header, metrics));
  EXPECT_EQ(table.count, kCounters.size() + kReasons.size() + kGauges.size());
  for (std::uint32_t i = 0; i < table.count; ++i) {
    const auto entry = region.get<layout::MetricEntry>(region.metric(i));
    EXPECT_NE(entry.kind, static_cast<std::uint32_t>(layout::MetricKind::histogram));
  }
  const auto block_bytes = region.get<std::uint64_t>(offsetof(Header, block_bytes));
  EXPECT_LT(block_bytes, 1024u);
  EXPECT_EQ(region.get<std::uint64_t>(region.block(1)) - region.get<std::uint64_t>(region.block(0)),
            block_bytes);
  EXPECT_EQ(region.get<std::uint32_t>(offsetof(Header, version)), layout::kVersion)
      << "any reader of this version finds its way by the description";

  const Snapshot snapshot = read(region);
  EXPECT_FALSE(snapshot.facts.histograms);
  EXPECT_EQ(snapshot.total("received"), 5u);
  EXPECT_EQ(snapshot.stage("response")->counter("sent"), 5u);
  for (const StageSnapshot& stage : snapshot.stages)
    EXPECT_TRUE(stage.histograms.empty()) << stage.name;
}

TEST(RegionViewTest, ValuesAreFoundByTheirNamesInTheFile) {
  RegionBytes region;
  // `received` gets another name, and its value goes with the name.
  auto renamed = region.get<layout::MetricEntry>(region.metric(0));
  renamed.name = {};
  std::strcpy(renamed.name.data(), "from_the_future");
  region.put(region.metric(0), renamed);
  const Snapshot snapshot = read(region);
  EXPECT_EQ(snapshot.stage("receive")->counter("from_the_future"), 5u);
  EXPECT_EQ(snapshot.total("received"), 0u);
}

TEST(RegionViewTest, ANewerServersAdditionsDoNotDisturb) {
  RegionBytes region;
  const auto old = region.get<layout::Table>(offsetof(Header, metrics));
  move_metrics_to_the_end(region, sizeof(layout::MetricEntry) + 64, 2);
  auto added = region.get<layout::MetricEntry>(region.metric(0));
  added.kind = static_cast<std::uint32_t>(layout::MetricKind::reason);
  added.name = {};
  std::strcpy(added.name.data(), "melted");
  std::strcpy(added.outcome.data(), "lost");
  region.put(region.metric(old.count), added);
  added.kind = 99;
  region.put(region.metric(old.count + 1), added);
  region.put(region.block(1) + offsetof(layout::BlockEntry, stage), std::uint32_t{77});
  region.put(region.block(1) + offsetof(layout::BlockEntry, stage_name),
             std::array<char, 16>{"polish"});

  const Snapshot snapshot = read(region);
  EXPECT_EQ(snapshot.total("received"), 5u);
  EXPECT_EQ(snapshot.reasons.back().full_name(), "lost.melted");
  EXPECT_EQ(snapshot.reasons.back().count, 5u);
  EXPECT_EQ(snapshot.reasons.size(), kReasons.size() + 1);
  EXPECT_EQ(snapshot.stages.back().name, "polish");
}

TEST(RegionViewTest, TroublesAreFoundByTheDescription) {
  RegionBytes region;
  const std::size_t entry = region.entry(offsetof(Header, troubles), 1);
  region.put(entry + offsetof(layout::TroubleEntry, name), std::array<char, 32>{"haunted"});
  region.put(entry + offsetof(layout::TroubleEntry, number_kind), std::uint64_t{77});
  region.put(entry + offsetof(layout::TroubleEntry, number), ~std::uint64_t{0});
  region.put(entry + offsetof(layout::TroubleEntry, lanes), std::uint64_t{3});
  region.put(entry + offsetof(layout::TroubleEntry, since_ns), std::uint64_t{5});
  const Snapshot snapshot = read(region);
  ASSERT_EQ(snapshot.troubles.size(), 1u);
  EXPECT_EQ(snapshot.troubles[0].name, "haunted");
  EXPECT_EQ(snapshot.troubles[0].reason, "") << "a number of a kind not known here";
  EXPECT_EQ(snapshot.troubles[0].lanes, 3u);
  EXPECT_EQ(snapshot.troubles[0].since_ns, 5u);
  region.put(entry + offsetof(layout::TroubleEntry, number_kind), std::uint64_t{1});
  EXPECT_EQ(read(region).troubles[0].reason, "") << "no errno is that large";
  auto table = region.get<layout::Table>(offsetof(Header, troubles));
  table.offset = region.bytes.size();
  region.put(offsetof(Header, troubles), table);
  EXPECT_THAT(refusal_of(region), HasSubstr("'troubles' lies outside"));
}

TEST(RegionViewTest, DataAreFoundByTheDescription) {
  RegionBytes region;
  EXPECT_EQ(read(region).data, std::nullopt) << "the service has none";
  const std::size_t entry = region.entry(offsetof(Header, data), 0);
  region.put(entry + offsetof(layout::DataEntry, numbers), std::uint64_t{7});
  ASSERT_TRUE(read(region).data);
  EXPECT_EQ(read(region).data->generation, 7u);
  auto table = region.get<layout::Table>(offsetof(Header, data));
  table.offset = region.bytes.size();
  region.put(offsetof(Header, data), table);
  EXPECT_THAT(refusal_of(region), HasSubstr("'data' lies outside"));
  region.put(offsetof(Header, data), layout::Table{});
  EXPECT_EQ(read(region).data, std::nullopt) << "of a build that did not describe any";
}

TEST(RegionViewTest, TextsWithoutAnEndAreCutOff) {
  RegionBytes region;
  std::array<char, 32> endless{};
  endless.fill('m');
  region.put(offsetof(Header, model), endless);
  EXPECT_EQ(read(region).facts.model, std::string(32, 'm'));
}

TEST(RegionViewTest, EachWrongHeaderIsToldApart) {
  EXPECT_EQ(refusal_of(RegionBytes()), "");
  RegionBytes foreign;
  foreign.put(0, 'X');
  EXPECT_THAT(refusal_of(foreign), HasSubstr("not a stats region"));
  RegionBytes tiny;
  tiny.bytes.resize(11);
  EXPECT_THAT(refusal_of(tiny), HasSubstr("not a stats region"));
  RegionBytes unfinished;
  unfinished.put(offsetof(Header, version), std::uint32_t{0});
  EXPECT_THAT(refusal_of(unfinished), HasSubstr("never completed"));
  RegionBytes other;
  other.put(offsetof(Header, version), layout::kVersion + 1);
  other.bytes.resize(100);  // another version may look quite different
  EXPECT_THAT(refusal_of(other), HasSubstr(fmt::format("layout version {}", layout::kVersion + 1)));
  RegionBytes shorter;
  shorter.bytes.resize(shorter.bytes.size() - 1);
  EXPECT_THAT(refusal_of(shorter), HasSubstr("cut short"));
  RegionBytes header_only;
  header_only.bytes.resize(sizeof(Header) - 1);
  EXPECT_THAT(refusal_of(header_only), HasSubstr("cut short"));
}

TEST(RegionViewTest, EveryOffsetIsChecked) {
  constexpr std::uint64_t kFar = 1ull << 62, kWraps = ~std::uint64_t{0} - 7;
  for (const std::size_t table :
       {offsetof(Header, listen), offsetof(Header, metrics), offsetof(Header, blocks)}) {
    for (const std::uint64_t offset : {kFar, kWraps, std::uint64_t{1}})
      EXPECT_THAT(refusal_of(RegionBytes().put(table, offset)), HasSubstr("table"));
    for (const std::uint32_t count : {65537u, 65536u, ~0u})
      EXPECT_THAT(refusal_of(RegionBytes().put(table + offsetof(layout::Table, count), count)),
                  HasSubstr("table"));
    EXPECT_THAT(refusal_of(RegionBytes().put(table + offsetof(layout::Table, entry_bytes),
                                             std::uint32_t{8})),
                HasSubstr("table"));
  }
  const RegionBytes region;
  for (const std::uint64_t offset :
       {kFar, kWraps, std::uint64_t{region.bytes.size()} - 8, std::uint64_t{sizeof(Header) + 1}})
    EXPECT_THAT(refusal_of(RegionBytes().put(region.block(1), offset)), HasSubstr("svc-0"));
  constexpr auto kEntered = static_cast<std::size_t>(Counter::entered);
  const std::size_t place = region.metric(kEntered) + offsetof(layout::MetricEntry, offset);
  for (const std::uint32_t offset : {std::uint32_t{kBlockBytes}, ~7u, 4u})
    EXPECT_THAT(refusal_of(RegionBytes().put(place, offset)), HasSubstr("'entered'"));
  const std::size_t values = region.metric(kEntered) + offsetof(layout::MetricEntry, values);
  EXPECT_THAT(refusal_of(RegionBytes().put(values, std::uint32_t{2})), HasSubstr("'entered'"));
  EXPECT_THAT(refusal_of(RegionBytes().put(offsetof(Header, block_bytes), kFar)),
              HasSubstr("outside the file"));
}

TEST(RegionViewTest, NoDamageIsReadBeyondTheFile) {
  const std::array<RegionBytes, 2> regions = {RegionBytes(true), RegionBytes(false)};
  std::mt19937 random(7);
  for (std::size_t round = 0; round < 4000; ++round) {
    const RegionBytes& region = regions[round % regions.size()];
    const std::size_t described = region.block(4);
    RegionBytes damaged = region;
    for (int i = 0; i < 3; ++i)
      damaged.bytes[8 + random() % (described - 8)] = static_cast<char>(random());
    if (random() % 4 == 0) damaged.bytes.resize(random() % region.bytes.size());
    refusal_of(damaged);  // must end, either way; AddressSanitizer checks the accesses
  }
}

}  // namespace
}  // namespace cpss
