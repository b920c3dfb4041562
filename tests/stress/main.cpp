// queue_stress: drives semaphore, slot queue and slot pool with many threads, short rings and
// pauses at the worst places, and checks that nothing is lost, doubled, damaged or forgotten.
//
// Runs until the time is over, but every kind of run at least once. Exit code: 0 all right, 1 a
// failure (the run is named; its seed repeats it), 2 wrong usage.
#include <chrono>

#include <fmt/format.h>

#include "tests/stress/command_line.h"
#include "tests/stress/mutants.h"
#include "tests/stress/pipeline.h"
#include "tests/stress/run.h"
#include "tests/stress/semaphore_runs.h"

#ifdef __SANITIZE_THREAD__
// The first race ends the run: its report names the run.
extern "C" const char* __tsan_default_options() {
  return "halt_on_error=1:exitcode=1";
}
#endif

namespace cpss {
namespace {

struct Options {
  Mutant mutant = Mutant::none;
  std::uint64_t seconds = 10;
  std::uint64_t messages = 2000;
  std::uint64_t seed = 0;
};

constexpr const char* kUsage =
    "usage: queue_stress [--mutant NAME] [--seconds S] [--messages N] [--seed N] [--list]\n"
    "  --mutant    deliberately broken variant to run instead; --list names them\n"
    "  --seconds   go on at least this long (10); every kind of run takes place once in any case\n"
    "  --messages  messages of one run (2000)\n"
    "  --seed      number of the first run (0)\n";

Options parse(int argc, char** argv) {
  Options options;
  options.mutant = parse_command_line(
      argc, argv, kUsage,
      {{"seconds", &options.seconds}, {"messages", &options.messages}, {"seed", &options.seed}});
  return options;
}

template <Mutant kMutant>
void execute(const Run& run) {
  switch (run.scenario) {
    case Scenario::pipeline:
    case Scenario::burst:
      return Pipeline<kMutant>(run).run();
    case Scenario::one_token:
      return SemaphoreRuns<kMutant>(run).one_token();
    case Scenario::quota:
      return SemaphoreRuns<kMutant>(run).quota();
    case Scenario::stands_still:
      return SemaphoreRuns<kMutant>(run).stands_still();
    case Scenario::close:
      return SemaphoreRuns<kMutant>(run).close();
    case Scenario::event_waiters:
      return SemaphoreRuns<kMutant>(run).event_waiters();
  }
}

int stress(const Options& options) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + std::chrono::seconds(options.seconds);
  std::uint64_t runs = 0;
  for (; runs < kinds_of_runs() || Clock::now() < end; ++runs) {
    const Run run = plan(options.seed + runs, options.messages);
    name_run_if_killed(run);
    with_mutant(options.mutant, [&run]<Mutant kMutant>() { execute<kMutant>(run); });
  }
  fmt::print("{} runs of {} kinds, mutant {}: all right\n", runs, kinds_of_runs(),
             name_of(options.mutant));
  return 0;
}

}  // namespace
}  // namespace cpss

int main(int argc, char** argv) {
  return cpss::stress(cpss::parse(argc, argv));
}
