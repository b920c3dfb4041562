// One stress run: everything about it follows from its seed, so that a failure can be repeated.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "queue/platform.h"

namespace cpss {

enum class Scenario : std::uint8_t {
  pipeline,       // pool -> queue -> pool, payload in plain memory
  burst,          // the same, but producers wait until all is taken: no put makes up for another
  one_token,      // one token as a lock among eight waiters (F04)
  quota,          // waiters stop when they have enough, so that a token too many is found
  stands_still,   // half of the waiters stand still when they are woken
  close,          // closed while many wait
  event_waiters,  // several waiters on one eventfd
};

// How threads of a run wait.
enum class Waits : std::uint8_t { untimed, timed };

struct Run {
  std::uint64_t seed = 0;
  Scenario scenario = Scenario::pipeline;
  std::uint32_t producers = 0;  // or posters
  std::uint32_t consumers = 0;  // or waiters
  std::uint32_t slots = 0;      // pipeline: capacity
  std::uint64_t start = 0;      // pipeline: where the queue's counters begin
  std::uint64_t messages = 0;   // or tokens
  Waits waits = Waits::untimed;
  std::optional<PausePoint> hot = std::nullopt;  // where threads of this run pause often
};

// The run with this seed; kinds_of_runs() consecutive seeds give every kind once.
Run plan(std::uint64_t seed, std::uint64_t messages);
std::uint64_t kinds_of_runs();

// For reports: one line.
std::string describe(const Run& run);

}  // namespace cpss
