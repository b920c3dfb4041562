// The mutants: deliberate defects of semaphore, slot queue and slot pool, one at a time, each of
// which a test must catch (scripts/check-mutants); their names, and the way from a name to the code
// compiled for that mutant.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "queue/semaphore.h"
#include "queue/steps.h"

namespace cpss {

enum class Mutant : std::uint8_t {
  none,
  semaphore_drops_wake,          // post() never wakes
  semaphore_wakes_once,          // however many tokens wait, post() sends no second wake-up
  semaphore_drops_chain,         // a woken waiter that leaves tokens does not wake the next
  semaphore_keeps_pending,       // a waiter sleeps with the wake mark still set
  semaphore_sleeps_unchecked,    // sleeps without a check of the word's value
  semaphore_timeout_eats_token,  // a timed take that finds a token at its end reports a time-out
  semaphore_close_wakes_nobody,  // close() leaves waiters asleep
  semaphore_relaxed,             // post and take without release and acquire
  queue_no_turn_check,           // publishes cells that are not written yet
  queue_posts_before_write,      // token first, cell later
  queue_no_second_look,          // does not publish others' cells behind its own
  queue_plain_mark_read,         // looks at the mark without a full fence after its cell
  queue_relaxed_cell,            // cells written and scanned without release and acquire
  queue_relaxed_mark,            // mark advanced without acquire and release
  queue_relaxed_head,            // head read and advanced without acquire and release
  queue_turn_off_by_one,         // looks for the previous lap's turn at the wrap
  queue_head_first,              // advances the head, then reads the cells
  queue_head_short,              // advances the head by one too few when taking several
  pool_no_tag,                   // the stack's top carries no change count
  pool_loses_one,                // gives back all of a batch but one
  pool_gives_back_twice,         // gives back the first slot of a batch twice
  pool_relaxed_top,              // stack pushed and popped without release and acquire
};

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

// The steps of a mutant: all as in the server but one.
template <Mutant>
struct MutantSteps : Steps {};

template <>
struct MutantSteps<Mutant::semaphore_drops_wake> : Steps {
  template <class Wake>
  static void wake_one(Wake) noexcept {}
};
template <>
struct MutantSteps<Mutant::semaphore_wakes_once> : Steps {
  static bool wakes_again(std::uint64_t, std::uint64_t width_woken_for) noexcept {
    return width_woken_for == 0;
  }
};
template <>
struct MutantSteps<Mutant::semaphore_drops_chain> : Steps {
  static bool passes_on(bool) noexcept { return false; }
};
template <>
struct MutantSteps<Mutant::semaphore_keeps_pending> : Steps {
  static bool clears_mark(bool) noexcept { return false; }
  // With the mark, which is all that the low half of the word may have besides 0.
  template <class Load>
  static std::uint32_t word_asleep(Load load) noexcept {
    return load() & (std::uint32_t{1} << 30);
  }
};
template <>
struct MutantSteps<Mutant::semaphore_sleeps_unchecked> : Steps {
  template <class Load>
  static std::uint32_t word_asleep(Load load) noexcept {
    return load();
  }
};
template <>
struct MutantSteps<Mutant::semaphore_timeout_eats_token> : Steps {
  static TakeResult taken(const TakeResult& look, bool in_time) noexcept {
    if (!in_time && look.status == TakeStatus::taken) return {TakeStatus::timed_out, 0, 0};
    return look;
  }
};
template <>
struct MutantSteps<Mutant::semaphore_close_wakes_nobody> : Steps {
  template <class Wake>
  static void wake_all(Wake) noexcept {}
};
template <>
struct MutantSteps<Mutant::semaphore_relaxed> : Steps {
  static constexpr std::memory_order kPost = std::memory_order_relaxed;
  static constexpr std::memory_order kTake = std::memory_order_relaxed;
};

template <>
struct MutantSteps<Mutant::queue_no_turn_check> : Steps {
  template <class Queue>
  static bool written(const Queue& queue, std::uint64_t position, bool) noexcept {
    const std::uint64_t claimed = queue.claimed_.load(std::memory_order_acquire);
    return static_cast<std::int64_t>(claimed - position) > 0;
  }
};
template <>
struct MutantSteps<Mutant::queue_posts_before_write> : Steps {
  template <class Write, class Post>
  static auto put(std::uint64_t count, Write write, Post post) noexcept {
    const auto early = post(count);
    write();
    return early;
  }
};
template <>
struct MutantSteps<Mutant::queue_no_second_look> : Steps {
  template <class Scan>
  static std::uint64_t ahead(Scan scan, bool advanced) noexcept {
    return advanced ? 0 : scan();
  }
};
template <>
struct MutantSteps<Mutant::queue_plain_mark_read> : Steps {
  template <class Mark>
  static std::uint64_t read_mark(Mark& published) noexcept {
    return published.load(std::memory_order_acquire);
  }
};
template <>
struct MutantSteps<Mutant::queue_relaxed_cell> : Steps {
  static constexpr std::memory_order kCell = std::memory_order_relaxed;
  static constexpr std::memory_order kScan = std::memory_order_relaxed;
};
template <>
struct MutantSteps<Mutant::queue_relaxed_mark> : Steps {
  static constexpr std::memory_order kMark = std::memory_order_relaxed;
  template <class Mark>
  static std::uint64_t read_mark(Mark& published) noexcept {
    return published.fetch_add(0, kMark);
  }
};
template <>
struct MutantSteps<Mutant::queue_relaxed_head> : Steps {
  static constexpr std::memory_order kHeadLoad = std::memory_order_relaxed;
  static constexpr std::memory_order kHead = std::memory_order_relaxed;
};
template <>
struct MutantSteps<Mutant::queue_turn_off_by_one> : Steps {
  static std::uint64_t in_lap_of(std::uint64_t position) noexcept { return position - 1; }
};
template <>
struct MutantSteps<Mutant::queue_head_first> : Steps {
  template <class Copy, class Advance>
  static bool copy_and_advance(Copy copy, Advance advance) noexcept {
    if (!advance()) return false;
    copy();
    return true;
  }
};
template <>
struct MutantSteps<Mutant::queue_head_short> : Steps {
  static std::uint64_t taken_cells(std::uint64_t count) noexcept {
    return count > 1 ? count - 1 : count;
  }
};

template <>
struct MutantSteps<Mutant::pool_no_tag> : Steps {
  static std::uint64_t next_change(std::uint64_t, std::uint64_t) noexcept { return 0; }
};
template <>
struct MutantSteps<Mutant::pool_loses_one> : Steps {
  template <class Push, class Post>
  static auto give_back(std::span<const std::uint32_t> slots, Push push, Post post) noexcept {
    push(slots);
    return post(slots.size() > 1 ? slots.size() - 1 : slots.size());
  }
};
template <>
struct MutantSteps<Mutant::pool_gives_back_twice> : Steps {
  template <class Push, class Post>
  static auto give_back(std::span<const std::uint32_t> slots, Push push, Post post) noexcept {
    push(slots);
    push(slots.first(1));
    return post(slots.size() + 1);
  }
};
template <>
struct MutantSteps<Mutant::pool_relaxed_top> : Steps {
  static constexpr std::memory_order kPush = std::memory_order_relaxed;
  static constexpr std::memory_order kWalk = std::memory_order_relaxed;
  static constexpr std::memory_order kPop = std::memory_order_relaxed;
};

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
