// The time that a stage's step takes for a message, as seen lately by the lanes that run it.
//
// Any thread. A guess that all lanes share and improve: relaxed, because nothing else is handed
// over with it, and an update that another one overwrites is only one sample less.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace cpss {

class StepCost {
 public:
  // A batch of `messages` (not 0) has taken `ns`.
  void note(std::uint64_t ns, std::uint64_t messages) noexcept {
    const std::uint64_t mean = mean_.load(std::memory_order_relaxed);
    const std::uint64_t now = ns * kScale / messages + 1;
    // A lane that lost its CPU meanwhile says little about the step: no sample counts for more than
    // several times the mean.
    const std::uint64_t sample = mean == 0 ? now : std::min(now, kMaxGrowth * mean + kSamples);
    mean_.store(mean == 0 ? now : mean - mean / kSamples + sample / kSamples,
                std::memory_order_relaxed);
  }
  // The time that so many messages are expected to take; 0 while nothing is known of the step.
  std::uint64_t ns_for(std::uint64_t messages) const noexcept {
    return mean_.load(std::memory_order_relaxed) * messages / kScale;
  }
  // How many messages are expected to take at most `ns`; all there are, if nothing is known yet.
  std::size_t messages_within(std::uint64_t ns) const noexcept {
    const std::uint64_t mean = mean_.load(std::memory_order_relaxed);
    return mean == 0 ? SIZE_MAX : static_cast<std::size_t>(ns * kScale / mean);
  }
  // Whether a batch of `messages` is expected to take at most `ns`; false while nothing is known of
  // the step.
  bool is_within(std::uint64_t ns, std::uint64_t messages) const noexcept {
    const std::uint64_t mean = mean_.load(std::memory_order_relaxed);
    return mean != 0 && ns_for(messages) <= ns;
  }

 private:
  static constexpr std::uint64_t kSamples = 8;    // batches that the mean remembers, about
  static constexpr std::uint64_t kMaxGrowth = 8;  // of one sample over the mean
  static constexpr std::uint64_t kScale = 256;    // keeps fractions of a nanosecond

  // A cache line of its own: each lane that runs the step writes it for every batch.
  alignas(64) std::atomic<std::uint64_t> mean_{0};
};

}  // namespace cpss
