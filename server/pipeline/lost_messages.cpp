#include "server/pipeline/lost_messages.h"

#include <utility>

namespace cpss {

std::uint64_t LostMessages::total(Counter counter) const noexcept {
  std::uint64_t sum = 0;
  for (const StatsWriter& block : blocks_) sum += block.value(counter);
  return sum;
}

std::uint64_t LostMessages::received() const noexcept {
  return receives_ ? blocks_.front().value(Counter::received) : given_;
}

std::uint64_t LostMessages::ended() const noexcept {
  std::uint64_t sum = 0;
  for (const StatsWriter& block : blocks_)
    for (const ReasonInfo& info : kReasons) sum += block.value(info.id);
  return sum;
}

bool LostMessages::all_ended() const noexcept {
  return ended() + lost_ == received();
}

// A process counts in this order: received, filled, entered; then entered and the wait of the next
// stages; then an outcome, completed, given back.
void LostMessages::complete_counts() noexcept {
  if (receives_) {
    StatsWriter& receive = blocks_.front();
    const std::uint64_t received = receive.value(Counter::received);
    for (const Counter behind : {Counter::filled, Counter::entered})
      receive.add(behind, received - receive.value(behind));
  }
  for (std::size_t i = receives_ ? 1 : 0; i < blocks_.size(); ++i)
    blocks_[i].record(
        HistogramId::wait_ns, 0,
        blocks_[i].value(Counter::entered) - blocks_[i].recorded(HistogramId::wait_ns));
}

std::uint64_t LostMessages::book(Reason reason, StatsWriter& main) noexcept {
  complete_counts();
  // What was booked for earlier processes is subtracted; the rest is for this one.
  const auto rest_of = [received = received()](std::uint64_t accounted, std::uint64_t& earlier) {
    return (received - accounted) - std::exchange(earlier, received - accounted);
  };
  const std::uint64_t lost = rest_of(ended(), lost_);
  main.book(reason, lost);
  main.add(Counter::completed, rest_of(total(Counter::completed), completed_));
  main.add(Counter::given_back, rest_of(total(Counter::given_back), given_back_));
  return lost;
}

}  // namespace cpss
