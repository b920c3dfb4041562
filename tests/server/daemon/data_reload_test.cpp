// Which data the region shows, when a reload waits, and for whom.
#include "server/daemon/data_reload.h"

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "server/daemon/log.h"
#include "tests/support/eventually.h"
#include "tests/support/sanitizers.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr std::size_t kMemoryLeft = std::size_t{64} << 20;

// Data that are a number, the generation, and which the lanes let go when the test says so.
class Data final : public ReloadableData {
 public:
  bool can_be_loaded_again() const noexcept override { return from_somewhere; }
  FileDescriptor prepare() const override {
    if (bad) throw std::runtime_error("numbers.csv:3: no");
    if (stands_still) ::pause();
    if (large) std::vector<char>(2 * kMemoryLeft).swap(memory);
    return FileDescriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  void adopt(FileDescriptor prepared) override {
    if (!prepared.valid()) throw std::runtime_error("no data");
    ++number;
    if (lanes_sleep) return;
    ++older;
  }
  int descriptor() const override { return -1; }
  std::size_t reclaim() override { return older; }
  std::optional<std::size_t> keeper() const override {
    return older > 0 ? std::optional<std::size_t>(1) : std::nullopt;
  }
  std::uint64_t generation() const noexcept override { return number; }
  DataFigures figures() const override { return {.rows = 10 * number, .source = "numbers.csv"}; }
  std::string description() const override { return "data"; }

  bool from_somewhere = true;
  bool bad = false;
  bool stands_still = false;
  bool large = false;
  bool lanes_sleep = true;
  std::uint64_t number = 1;
  std::size_t older = 0;
  mutable std::vector<char> memory;
};

RegionOptions region_at(std::string path) {
  RegionOptions options;
  options.path = std::move(path);
  options.blocks = {{"main", StageId::server}};
  return options;
}

class DataReloadTest : public testing::Test {
 protected:
  DataState shown() const { return region_.snapshot().data.value_or(DataState{}); }
  // A reload, and its end.
  void reload() {
    EXPECT_TRUE(reload_.request());
    EXPECT_TRUE(eventually([this] { return reload_.tick({}); }));
  }

  TemporaryFolder folder_;
  StatsRegion region_{region_at(folder_.file("stats"))};
  Data data_;
  DataReload reload_{{&data_, 5ms, {"svc-0", "svc-1"}, kMemoryLeft}, region_};
};

TEST_F(DataReloadTest, TheDataOfTheStartAreTheFirstGeneration) {
  EXPECT_EQ(shown().generation, 1u);
  EXPECT_EQ(shown().rows, 10u);
  EXPECT_EQ(shown().load_ns, 5'000'000u);
  EXPECT_GT(shown().loaded_ns, 0u);
  EXPECT_EQ(shown().source, "numbers.csv");
  EXPECT_EQ(shown().failures, 0u);
}

TEST_F(DataReloadTest, NewDataAreShown) {
  const std::uint64_t before = shown().loaded_ns;
  reload();
  EXPECT_EQ(shown().generation, 2u);
  EXPECT_EQ(shown().rows, 20u);
  EXPECT_GT(shown().loaded_ns, before);
  EXPECT_EQ(shown().older, 1u) << "nobody has looked yet who reads the old ones";
  EXPECT_FALSE(reload_.tick({}));
  EXPECT_EQ(shown().older, 0u);
}

TEST_F(DataReloadTest, AFailureIsShownAndChangesNothing) {
  reload();
  data_.bad = true;
  const std::uint64_t loaded = shown().loaded_ns;
  reload();
  EXPECT_EQ(shown().generation, 2u);
  EXPECT_EQ(shown().loaded_ns, loaded);
  EXPECT_EQ(shown().failures, 1u);
  EXPECT_GT(shown().failed_ns, loaded);
  EXPECT_EQ(shown().error, "numbers.csv:3: no");
  data_.bad = false;
  reload();
  EXPECT_EQ(shown().generation, 3u);
  EXPECT_EQ(shown().error, "numbers.csv:3: no") << "how the last failure was, not how it is now";
}

// With a sanitizer the child ends instead of throwing std::bad_alloc.
TEST_F(DataReloadTest, ThatNeedsMoreMemoryThanIsLeftFails) {
  data_.large = true;
  reload();
  EXPECT_EQ(shown().generation, 1u);
  EXPECT_EQ(shown().failures, 1u);
  if (!kSanitized) {
    EXPECT_THAT(shown().error, HasSubstr("too little memory"));
  }
}

TEST_F(DataReloadTest, WhatComesFromNowhereIsNotLoadedAgain) {
  data_.from_somewhere = false;
  EXPECT_FALSE(reload_.request());
  EXPECT_FALSE(reload_.tick({}));
  EXPECT_FALSE(reload_.under_way());
  EXPECT_EQ(shown().generation, 1u);
}

TEST_F(DataReloadTest, WithTwoOlderOnesStillReadItWaitsAndNamesTheLane) {
  data_.lanes_sleep = false;
  reload();
  reload();
  EXPECT_FALSE(reload_.tick({}));
  EXPECT_EQ(shown().older, 2u);
  EXPECT_EQ(shown().keeper, "svc-1");
  EXPECT_TRUE(reload_.request());
  testing::internal::CaptureStdout();
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(reload_.tick({}));
  EXPECT_FALSE(reload_.under_way()) << "it has to wait";
  log::flush();
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("waits, because lane svc-1"));
  data_.older = 1;
  EXPECT_TRUE(eventually([this] { return reload_.tick({}); }));
  EXPECT_EQ(shown().generation, 4u);
  data_.older = 0;
  EXPECT_FALSE(reload_.tick({}));
  EXPECT_EQ(shown().older, 0u);
  EXPECT_EQ(shown().keeper, "");
}

TEST_F(DataReloadTest, ItWaitsAsWellForAProcessThatHasOlderOnes) {
  EXPECT_TRUE(reload_.request());
  EXPECT_FALSE(reload_.tick({2, "mp-1"}));
  EXPECT_FALSE(reload_.under_way());
  EXPECT_EQ(shown().older, 2u);
  EXPECT_EQ(shown().keeper, "mp-1");
  EXPECT_FALSE(reload_.tick({1, "mp-1"}));
  EXPECT_TRUE(reload_.under_way());
  EXPECT_EQ(shown().older, 1u);
}

TEST_F(DataReloadTest, RequestsMeanwhileAreOneMoreReload) {
  data_.stands_still = true;
  EXPECT_TRUE(reload_.request());
  EXPECT_FALSE(reload_.tick({}));
  EXPECT_TRUE(reload_.under_way());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(reload_.request());
  reload_.cancel();
  data_.stands_still = false;
  EXPECT_TRUE(eventually([this] { return reload_.tick({}); }));
  EXPECT_FALSE(reload_.tick({}));
  EXPECT_FALSE(reload_.under_way());
  EXPECT_EQ(shown().generation, 2u);
}

TEST(DataReloadOfAServiceWithoutData, ShowsNone) {
  const TemporaryFolder folder;
  StatsRegion region(region_at(folder.file("stats")));
  DataReload reload({}, region);
  EXPECT_FALSE(reload.request());
  EXPECT_FALSE(reload.tick({}));
  EXPECT_EQ(region.snapshot().data, std::nullopt);
}

}  // namespace
}  // namespace cpss
