#include "stats/data_state.h"

#include <atomic>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace cpss {
namespace {

DataState some_state() {
  DataState state;
  std::uint64_t number = 0;
  for (auto* member :
       {&state.generation, &state.rows, &state.values, &state.bytes, &state.serial, &state.load_ns,
        &state.loaded_ns, &state.older, &state.failures, &state.failed_ns})
    *member = ++number;
  state.source = "numbers.csv";
  state.error = "numbers.csv:3: column 'gateway' is empty\nnothing was loaded";
  state.keeper = "svc-0";
  return state;
}

TEST(DataStateTest, ComesBackAsItWasStored) {
  layout::DataEntry entry{};
  EXPECT_EQ(load(entry), std::nullopt) << "nothing was stored";
  store(entry, some_state());
  EXPECT_EQ(load(entry), some_state());
  DataState shorter = some_state();
  shorter.error = "no";
  shorter.keeper = "";
  store(entry, shorter);
  EXPECT_EQ(load(entry), shorter);
}

TEST(DataStateTest, LongTextsAreCutToTheirPlace) {
  layout::DataEntry entry{};
  DataState state = some_state();
  state.source = std::string(1'000, 's');
  state.error = std::string(511, 'e');
  state.keeper = std::string(32, 'k');
  store(entry, state);
  state.source.resize(256);
  EXPECT_EQ(load(entry), state);
}

TEST(DataStateTest, AnEntryThatIsNeverWholeGivesNothing) {
  layout::DataEntry entry{};
  store(entry, some_state());
  entry.changes.store(7, std::memory_order_relaxed);
  EXPECT_EQ(load(entry), std::nullopt);
}

TEST(DataStateTest, NobodySeesAMixtureOfTwo) {
  layout::DataEntry entry{};
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::uint64_t n = 1; n <= 20'000; ++n) {
      DataState state;
      state.generation = state.rows = state.failed_ns = n;
      state.source = state.error = state.keeper = std::to_string(n);
      store(entry, state);
    }
    done = true;
  });
  std::uint64_t seen = 0;
  for (bool last = false; !last;) {
    last = done;
    const auto state = load(entry);
    if (!state) continue;
    EXPECT_GE(state->generation, seen);
    seen = state->generation;
    EXPECT_EQ(state->rows, seen);
    EXPECT_EQ(state->failed_ns, seen);
    for (const std::string& text : {state->source, state->error, state->keeper})
      EXPECT_EQ(text, std::to_string(seen));
  }
  writer.join();
  EXPECT_EQ(seen, 20'000u);
}

}  // namespace
}  // namespace cpss
