// A reply on its way out of the response stage.
#pragma once

#include <cstdint>

#include "stages/message/slot_store.h"

namespace cpss {

struct PendingReply {
  MessageRef message;
  // When its wait for room ends, on the clock of base/clock.h; 0: not tried yet.
  std::uint64_t deadline_ns = 0;
};

}  // namespace cpss
