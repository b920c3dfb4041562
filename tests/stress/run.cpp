#include "tests/stress/run.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tests/stress/random.h"

namespace cpss {
namespace {

constexpr std::array kScenarioNames = {std::string_view("pipeline"),     std::string_view("burst"),
                                       std::string_view("one_token"),    std::string_view("quota"),
                                       std::string_view("stands_still"), std::string_view("close"),
                                       std::string_view("event_waiters")};

constexpr std::array kPauseNames = {
    std::string_view("queue_claimed"),    std::string_view("queue_written"),
    std::string_view("queue_published"),  std::string_view("queue_tokens_in_hand"),
    std::string_view("queue_cells_read"), std::string_view("pool_linked"),
    std::string_view("pool_walked"),      std::string_view("semaphore_registered"),
    std::string_view("semaphore_woken")};
static_assert(static_cast<std::size_t>(PausePoint::semaphore_woken) + 1 == kPauseNames.size(),
              "one name for each pause point");

// Every kind of run once, in an order in which different kinds come early.
std::vector<Run> make_kinds() {
  std::vector<Run> kinds;
  for (const std::uint32_t producers : {1u, 2u, 4u})
    for (const std::uint32_t consumers : {1u, 2u, 4u})
      for (const std::uint32_t slots : {1u, 2u, 3u, 8192u})
        kinds.push_back({.producers = producers, .consumers = consumers, .slots = slots});
  // Counters close to where 32 and 64 bits wrap (F03).
  for (const std::uint64_t start : {(std::uint64_t{1} << 32) - 3, std::uint64_t{0} - 3})
    for (const std::uint32_t slots : {1u, 2u, 3u, 8u})
      kinds.push_back({.producers = 2, .consumers = 2, .slots = slots, .start = start});
  for (int repeat = 0; repeat < 4; ++repeat) {
    for (const std::uint32_t producers : {2u, 4u})
      kinds.push_back(
          {.scenario = Scenario::burst, .producers = producers, .consumers = 2, .slots = 64});
    kinds.push_back({.scenario = Scenario::one_token, .consumers = 8});
    kinds.push_back({.scenario = Scenario::quota, .producers = 1, .consumers = 8});
    kinds.push_back({.scenario = Scenario::quota, .producers = 3, .consumers = 8});
    kinds.push_back({.scenario = Scenario::stands_still, .producers = 1, .consumers = 2});
    kinds.push_back({.scenario = Scenario::stands_still, .producers = 2, .consumers = 6});
    kinds.push_back({.scenario = Scenario::close, .producers = 2, .consumers = 8});
    kinds.push_back({.scenario = Scenario::event_waiters, .producers = 2, .consumers = 2});
    kinds.push_back({.scenario = Scenario::event_waiters, .producers = 2, .consumers = 6});
  }
  Random random(1);
  for (std::size_t i = kinds.size(); i > 1; --i)
    std::swap(kinds[i - 1], kinds[random.below(static_cast<std::uint32_t>(i))]);
  return kinds;
}

const std::vector<Run>& kinds() {
  static const std::vector<Run> all = make_kinds();
  return all;
}

}  // namespace

std::uint64_t kinds_of_runs() {
  return kinds().size();
}

Run plan(std::uint64_t seed, std::uint64_t messages) {
  Run run = kinds()[seed % kinds().size()];
  run.seed = seed;
  Random random(seed);
  run.waits = random.one_in(3) ? Waits::timed : Waits::untimed;
  if (!random.one_in(4)) run.hot = static_cast<PausePoint>(random.below(kPauseNames.size()));
  // A large ring has to go round, too; the other scenarios start threads for few tokens, so they
  // are short.
  run.messages = run.slots > 1000 ? std::max<std::uint64_t>(messages * 4, 20'000)
                 : run.scenario == Scenario::pipeline ? messages
                                                      : std::max<std::uint64_t>(messages / 8, 1);
  return run;
}

std::string describe(const Run& run) {
  return fmt::format(
      "scenario={} seed={} threads={}+{} capacity={} start={} messages={} waits={} pauses={}",
      kScenarioNames[static_cast<std::size_t>(run.scenario)], run.seed, run.producers,
      run.consumers, run.slots, run.start, run.messages,
      run.waits == Waits::timed ? "timed" : "untimed",
      run.hot ? kPauseNames[static_cast<std::size_t>(*run.hot)] : "rare");
}

}  // namespace cpss
