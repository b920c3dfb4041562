// queue_relacy: semaphore, slot queue and slot pool in the model checker Relacy, which shows what
// x86 hides: stale values that a missing acquire or release allows. See README.md.
//
// Exit code: 0 all right, 1 a failure (with the history of the run that failed), 2 wrong usage.
#include "tests/relacy/checks.h"
#include "tests/stress/mutants.h"

int main() { 
  using namespace cpss;
  rl::test_params p; p.iteration_count=100000;
  bool ok = rl::simulate<SemaphoreAsLock<Mutant::none>>(p);
  p.iteration_count=20000;
  ok &= rl::simulate<QueueExchange<Mutant::none,2,2,2,1>>(p);
  ok &= rl::simulate<PoolExchange<Mutant::none,3,2,2,1>>(p);
  return !ok;
}
