// Calls into the service from lanes of more than one stage. An exception of the service is reported
// and goes no further. Also maps a verdict to the reason that is counted for it.
#pragma once

#include <exception>

#include "services/service.h"
#include "stages/lane/events.h"
#include "stats/metrics.h"

namespace cpss {

// Runs one call into the service. True if it threw.
template <class Call>
bool call_threw(EventRing& events, Call call) noexcept {
  try {
    call();
    return false;
  } catch (const std::exception& error) {
    events.report(EventKind::service_threw, 0, error.what());
  } catch (...) {
    events.report(EventKind::service_threw, 0, "not a std::exception");
  }
  return true;
}

// Asks the service for its reply to a message for which there is no room. True: there is a busy
// reply that may be sent. A service that throws, or whose reply is too long, has given none.
inline bool has_busy_reply(const Service& service, Message& message, EventRing& events) noexcept {
  message.clear_verdict();
  if (call_threw(events, [&] { service.busy_reply(message); })) message.no_reply();
  if (message.verdict() != Verdict::reply) return false;
  if (!message.reply_too_long()) return true;
  message.no_reply();
  return false;
}

// The counter for a message that the service calls invalid.
Reason reason_for(InvalidReason why) noexcept;
// The counter for a message without a busy reply: `shed`, unless the service calls it invalid or
// refuses it, which comes before any question of room.
Reason reason_when_shed(const Message& message, Reason shed) noexcept;

}  // namespace cpss
