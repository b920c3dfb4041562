#include "stages/message/stage_input.h"

#include <algorithm>

#include "stages/lane/batch_clock.h"

namespace cpss {

StageInput::StageInput(SlotQueue& queue, std::uint32_t lanes, std::uint32_t batch, SlotStore& store,
                       StatsWriter& stats)
    : queue_(queue), consumer_(queue, lanes), store_(store), stats_(stats), slots_(batch) {}

std::span<const std::uint32_t> StageInput::take(std::size_t max) noexcept {
  const std::size_t count =
      consumer_.try_take(std::span(slots_).first(std::min(max, slots_.size())));
  if (count > 0) stats_.add(Counter::entered, count);
  return std::span(slots_).first(count);
}

void StageInput::book_inline(std::uint64_t messages) noexcept {
  if (messages == 0) return;
  stats_.add(Counter::entered, messages);
  book_wait(stats_, 0, messages);
}

// Messages of one batch of the stage before carry the same stamp and mostly arrive together, so
// runs of them are recorded at once.
std::uint64_t StageInput::book_waits(std::span<const std::uint32_t> slots,
                                     std::uint64_t taken_ns) noexcept {
  std::uint64_t longest = 0;
  std::uint64_t stamp = 0;
  std::uint64_t run = 0;
  const auto record_run = [&] {
    if (run == 0) return;
    // Another CPU's clock may be a little behind ours.
    const std::uint64_t waited = taken_ns > stamp ? taken_ns - stamp : 0;
    longest = std::max(longest, waited);
    book_wait(stats_, waited, run);
  };
  for (const std::uint32_t slot : slots) {
    const std::uint64_t published = store_.header(slot).published_ns;
    if (published != stamp) {
      record_run();
      stamp = published;
      run = 0;
    }
    ++run;
  }
  record_run();
  return longest;
}

}  // namespace cpss
