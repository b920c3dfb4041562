// queue_relacy: semaphore, slot queue and slot pool in the model checker Relacy, which shows what
// x86 hides: stale values that a missing acquire or release allows. See README.md.
//
// Exit code: 0 all right, 1 a failure (with the history of the execution that failed), 2 wrong
// usage.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "tests/relacy/checks.h"
#include "tests/stress/command_line.h"
#include "tests/stress/mutants.h"

namespace cpss {
namespace {

constexpr const char* kUsage =
    "usage: queue_relacy [--mutant NAME] [--seconds S] [--list]\n"
    "  --mutant   deliberately broken variant to run instead; --list names them\n"
    "  --seconds  time for all checks together (10)\n";

// Executions number `first` to `last`; the number alone decides what happens in one.
template <class Check>
bool executions(std::uint64_t first, std::uint64_t last, bool with_history) {
  using Scheduler = rl::random_scheduler<Check::params::thread_count>;
  std::ostringstream quiet;
  rl::test_params params;
  params.iteration_count = last;
  params.initial_state = std::to_string(first);
  params.collect_history = with_history;
  params.output_stream = with_history ? &std::cerr : &quiet;
  params.progress_stream = &quiet;
  std::ostringstream state;
  const bool good = rl::run_test<Check, Scheduler>(params, state, false) == rl::test_result_success;
  if (!good && !with_history) executions<Check>(params.stop_iteration, params.stop_iteration, true);
  return good;
}

template <class Check>
void run_check(const char* name, std::chrono::duration<double> span) {
  using Clock = std::chrono::steady_clock;
  constexpr std::uint64_t kPortion = 20'000;
  const Clock::time_point end = Clock::now() + std::chrono::duration_cast<Clock::duration>(span);
  std::uint64_t done = 0;
  do {
    if (!executions<Check>(done + 1, done + kPortion, false)) {
      fmt::print(stderr, "FAILED scenario={}\n", name);
      std::_Exit(1);
    }
    done += kPortion;
  } while (Clock::now() < end);
  fmt::print("{}: {} executions\n", name, done);
}

// Whether the mutant breaks that part; the checks of the part have to find it.
constexpr bool breaks(Mutant mutant, std::string_view part) {
  return mutant == Mutant::none || name_of(mutant).starts_with(part);
}

template <Mutant kMutant>
void run_all(std::chrono::duration<double> span) {
  if constexpr (breaks(kMutant, "semaphore")) {
    run_check<SemaphoreAsLock<kMutant>>("semaphore_as_lock", span / 9);
    run_check<SemaphoreChain<kMutant>>("semaphore_chain", span / 9);
    run_check<SemaphoreStands<kMutant>>("semaphore_stands", span / 9);
    run_check<SemaphoreClose<kMutant>>("semaphore_close", span / 9);
  }
  if constexpr (breaks(kMutant, "queue")) {
    run_check<QueueExchange<kMutant, 2, 2, 2, 1>>("queue_2x2", span / 9);
    run_check<QueueExchange<kMutant, 2, 1, 1, 2>>("queue_batches", span / 9);
    run_check<QueueExchange<kMutant, 3, 1, 1, 1>>("queue_3x1", span / 9);
  }
  if constexpr (breaks(kMutant, "pool")) {
    run_check<PoolExchange<kMutant, 3, 2, 2, 1>>("pool_3_lanes", span / 9);
    run_check<PoolExchange<kMutant, 2, 3, 3, 2>>("pool_batches", span / 9);
  }
}

}  // namespace
}  // namespace cpss

int main(int argc, char** argv) {
  std::uint64_t seconds = 10;
  const cpss::Mutant mutant =
      cpss::parse_command_line(argc, argv, cpss::kUsage, {{"seconds", &seconds}});
  cpss::with_mutant(mutant, [seconds]<cpss::Mutant kMutant>() {
    cpss::run_all<kMutant>(std::chrono::duration<double>(seconds));
  });
  return 0;
}
