#include "stages/service/service_runner.h"

#include <algorithm>

#include "base/clock.h"

namespace cpss {

ServiceRunner::ServiceRunner(const Wiring& wiring, LaneContext& lane, StatsWriter& stats,
                             std::optional<InlineDispatch> inline_dispatch)
    : w_(wiring),
      lane_(lane),
      stats_(stats),
      completion_(w_.store, lane.cache, stats_, w_.batch),
      output_(w_.responses, w_.batch, w_.store, stats_, inline_dispatch) {}

void ServiceRunner::end(MessageRef ref, const Message& message, bool it_threw) noexcept {
  switch (message.verdict()) {
    case Verdict::reply:
      completion_.complete(ref, Reason::failed_reply_too_long);
      break;
    case Verdict::no_reply:
      completion_.complete(ref, Reason::no_answer);
      break;
    case Verdict::defer:
      completion_.complete(ref, Reason::failed_deferred_twice);
      break;
    case Verdict::invalid:
      completion_.complete(ref, reason_for(message.invalid_reason()));
      break;
    case Verdict::refuse:
      completion_.complete(ref, Reason::refused_by_service);
      break;
    case Verdict::none:
      completion_.complete(ref,
                           it_threw ? Reason::failed_service_threw : Reason::failed_no_verdict);
      break;
  }
}

void ServiceRunner::shed(MessageRef ref, const Message& message, Reason reason) noexcept {
  if (message.verdict() == Verdict::reply)
    hand_on(ref, message, true);
  else
    completion_.complete(ref, reason_when_shed(message, reason));
}

std::uint64_t ServiceRunner::finish() noexcept {
  const std::uint64_t end_ns = monotonic_ns();
  output_.hand_on(end_ns);
  completion_.finish();
  return end_ns;
}

void ServiceRunner::before_wait() noexcept {
  stats_.add(Counter::futex_wakes, lane_.cache.give_all_back());
}

}  // namespace cpss
