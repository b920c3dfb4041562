// The names of the mutants, and the way from a name to the code compiled for that mutant.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "queue/platform.h"

namespace cpss {

// In the order of the enumeration.
inline constexpr std::array kMutantNames = {
    std::string_view("none"),
    std::string_view("semaphore_drops_wake"),
    std::string_view("semaphore_wakes_once"),
    std::string_view("semaphore_drops_chain"),
    std::string_view("semaphore_keeps_pending"),
    std::string_view("semaphore_sleeps_unchecked"),
    std::string_view("semaphore_timeout_eats_token"),
    std::string_view("semaphore_close_wakes_nobody"),
    std::string_view("semaphore_relaxed"),
    std::string_view("queue_no_turn_check"),
    std::string_view("queue_posts_before_write"),
    std::string_view("queue_no_second_look"),
    std::string_view("queue_plain_mark_read"),
    std::string_view("queue_relaxed_cell"),
    std::string_view("queue_relaxed_mark"),
    std::string_view("queue_relaxed_head"),
    std::string_view("queue_turn_off_by_one"),
    std::string_view("queue_head_first"),
    std::string_view("queue_head_short"),
    std::string_view("pool_no_tag"),
    std::string_view("pool_loses_one"),
    std::string_view("pool_gives_back_twice"),
    std::string_view("pool_relaxed_top"),
};
static_assert(static_cast<std::size_t>(Mutant::pool_relaxed_top) + 1 == kMutantNames.size(),
              "one name for each mutant");

inline std::optional<Mutant> mutant_named(std::string_view name) {
  for (std::size_t i = 0; i < kMutantNames.size(); ++i)
    if (kMutantNames[i] == name) return static_cast<Mutant>(i);
  return std::nullopt;
}

constexpr std::string_view name_of(Mutant mutant) {
  return kMutantNames[static_cast<std::size_t>(mutant)];
}

// Calls function.template operator()<mutant>(): compiled for all mutants, chosen at run time.
template <class Function>
auto with_mutant(Mutant mutant, Function&& function) {
  using Call = decltype(function.template operator()<Mutant::none>()) (*)(Function&);
  static constexpr auto calls = []<std::size_t... i>(std::index_sequence<i...>) {
    return std::array<Call, sizeof...(i)>{
        [](Function& f) { return f.template operator()<static_cast<Mutant>(i)>(); }...};
  }
  (std::make_index_sequence<kMutantNames.size()>());
  return calls[static_cast<std::size_t>(mutant)](function);
}

}  // namespace cpss
