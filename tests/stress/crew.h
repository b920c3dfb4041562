// The threads of one stress run, watched: if none of them makes progress any more, the run has
// failed. Nothing here orders the threads of a run among each other, so that ThreadSanitizer sees
// exactly the order that the queues give.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tests/stress/random.h"
#include "tests/stress/run.h"
#include "tests/stress/stress_platform.h"

namespace cpss {

// Reports what is wrong with the run, and ends the process with exit code 1.
[[noreturn]] void fail(const Run& run, const std::string& what);

// The run is named if the process dies of a broken invariant, a crash or ThreadSanitizer.
void name_run_if_killed(const Run& run);

// One thread of a run.
class alignas(64) Worker {
 public:
  Worker(std::string_view role, const Run& run, std::uint64_t number);

  Random& random() noexcept { return random_; }
  // What the thread does now, for the report; `what` is a literal.
  void doing(const char* what) noexcept { doing_.store(what, std::memory_order_relaxed); }
  void progressed(std::uint64_t amount) noexcept {
    progress_.store(progress_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  // See Pauser.
  void stand_when_woken(std::function<bool()> it_has_to) {
    pauser_.stand_when_woken(std::move(it_has_to));
  }
  // The deadline of the thread's next wait, or none, as the run says.
  Deadline deadline() noexcept;

 private:
  friend class Crew;

  const std::string_view role_;
  const Waits waits_;
  Random random_;
  Pauser pauser_;
  std::atomic<const char*> doing_{"starts"};
  std::atomic<std::uint64_t> progress_{0};
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

class Crew {
 public:
  // `state` describes the state that the threads share, for the report; called while they run.
  Crew(const Run& run, std::function<std::string()> state);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // `role` is a literal.
  void start(std::string_view role, std::function<void(Worker&)> work);
  // Returns when every thread of that role has ended; fails when no thread makes progress.
  void join(std::string_view role);

 private:
  std::uint64_t progress() const;
  std::string report() const;

  const Run& run_;
  std::function<std::string()> state_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace cpss
