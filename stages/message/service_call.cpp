#include "stages/message/service_call.h"

namespace cpss {

Reason reason_for(InvalidReason why) noexcept {
  switch (why) {
    case InvalidReason::too_short:
      return Reason::invalid_too_short;
    case InvalidReason::bad_magic:
      return Reason::invalid_bad_magic;
    case InvalidReason::bad_version:
      return Reason::invalid_bad_version;
    case InvalidReason::wrong_direction:
      return Reason::invalid_wrong_direction;
    case InvalidReason::malformed:
      break;
  }
  return Reason::invalid_malformed;
}

Reason reason_when_shed(const Message& message, Reason shed) noexcept {
  switch (message.verdict()) {
    case Verdict::invalid:
      return reason_for(message.invalid_reason());
    case Verdict::refuse:
      return Reason::refused_by_service;
    default:
      return shed;
  }
}

}  // namespace cpss
