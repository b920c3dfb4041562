#include "stats/data_state.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string_view>

namespace cpss {
namespace {

// Several times more than a writer that stores at each tick of the main thread can spoil.
constexpr int kTries = 100;

// The numbers of an entry.
constexpr std::array<std::uint64_t DataState::*, layout::kDataNumbers> kNumbers = {
    &DataState::generation, &DataState::rows,     &DataState::values,    &DataState::bytes,
    &DataState::serial,     &DataState::load_ns,  &DataState::loaded_ns, &DataState::older,
    &DataState::failures,   &DataState::failed_ns};

void store_text(std::span<Value> words, std::string_view text) noexcept {
  for (Value& word : words) {
    std::uint64_t value = 0;
    std::memcpy(&value, text.data(), std::min(text.size(), sizeof value));
    text.remove_prefix(std::min(text.size(), sizeof value));
    word.store(value, std::memory_order_release);
  }
}

// A last zero is not needed: the length ends the text as well.
std::string load_text(std::span<const Value> words) {
  std::string text;
  for (const Value& word : words) {
    const std::uint64_t value = word.load(std::memory_order_acquire);
    text.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return text.substr(0, text.find('\0'));
}

}  // namespace

// Who sees a word of the new state by its acquire load also sees that `changes` is odd, or has gone
// on: the release store of that word came after it. So load() does not take a mixture for whole.
void store(layout::DataEntry& entry, const DataState& state) noexcept {
  const std::uint64_t changes = entry.changes.load(std::memory_order_relaxed);
  entry.changes.store(changes + 1, std::memory_order_relaxed);
  for (std::size_t i = 0; i < kNumbers.size(); ++i)
    entry.numbers[i].store(state.*kNumbers[i], std::memory_order_release);
  store_text(entry.source, state.source);
  store_text(entry.error, state.error);
  store_text(entry.keeper, state.keeper);
  entry.changes.store(changes + 2, std::memory_order_release);
}

std::optional<DataState> load(const layout::DataEntry& entry) {
  for (int i = 0; i < kTries; ++i) {
    const std::uint64_t before = entry.changes.load(std::memory_order_acquire);
    DataState state;
    for (std::size_t n = 0; n < kNumbers.size(); ++n)
      state.*kNumbers[n] = entry.numbers[n].load(std::memory_order_acquire);
    state.source = load_text(entry.source);
    state.error = load_text(entry.error);
    state.keeper = load_text(entry.keeper);
    if (before % 2 != 0 || entry.changes.load(std::memory_order_relaxed) != before) continue;
    if (state.generation == 0) return std::nullopt;
    return state;
  }
  return std::nullopt;
}

}  // namespace cpss
