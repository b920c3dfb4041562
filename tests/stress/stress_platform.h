// The server's platform, with pauses: seldom anywhere, often at the one point that is hot in a run.
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include <sched.h>
#include <time.h>

#include "queue/platform.h"
#include "tests/stress/mutants.h"
#include "tests/stress/random.h"

namespace cpss {

// When one thread pauses, and for how long. Used by its own thread only.
class Pauser {
 public:
  Pauser(std::uint64_t seed, std::optional<PausePoint> hot) noexcept : random_(seed), hot_(hot) {}

  // From now on the thread, when woken from sleep, stands still while `it_has_to()`.
  void stand_when_woken(std::function<bool()> it_has_to) { stands_ = std::move(it_has_to); }

  void at(PausePoint point) noexcept {
    if (stands_ && point == PausePoint::semaphore_woken)
      while (stands_()) sleep_us(50);
    if (point == hot_) {
      switch (random_.below(8)) {
        case 0:
        case 1:
        case 2:
          return static_cast<void>(sched_yield());
        case 3:
          return sleep_us(random_.up_to(random_.one_in(16) ? 1000 : 50));
        default:
          return;
      }
    }
    if (random_.one_in(64)) sched_yield();
  }

 private:
  static void sleep_us(std::uint32_t us) noexcept {
    const timespec span{0, static_cast<long>(us) * 1000};
    nanosleep(&span, nullptr);
  }

  Random random_;
  std::optional<PausePoint> hot_;
  std::function<bool()> stands_;
};

// The pauser of the calling thread; null: it does not pause.
inline thread_local Pauser* this_threads_pauser = nullptr;

template <Mutant kMutant>
struct StressPlatform : NativePlatform {
  using Steps = MutantSteps<kMutant>;
  static void pause(PausePoint point) noexcept {
    if (this_threads_pauser != nullptr) this_threads_pauser->at(point);
  }
};

}  // namespace cpss
