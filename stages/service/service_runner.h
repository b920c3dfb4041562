// Runs the service for a stage: makes the service's view of a message, catches what the service
// throws, and applies its verdict. The stages service, worker and on_demand use it.
//
// One object per lane. finish() hands on the collected replies and gives slots back.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "services/service.h"
#include "stages/lane/lane_context.h"
#include "stages/message/completion.h"
#include "stages/message/service_call.h"
#include "stages/message/slot_store.h"
#include "stages/message/stage_output.h"
#include "stats/writer.h"

namespace cpss {

class ServiceRunner {
 public:
  struct Wiring {
    SlotStore& store;
    SlotQueue& responses;
    std::uint32_t batch;  // max messages between two calls of finish()
  };

  // `inline_dispatch`: the lane may send the replies itself.
  ServiceRunner(const Wiring& wiring, LaneContext& lane, StatsWriter& stats,
                std::optional<InlineDispatch> inline_dispatch = {});

  // The service's view of a message, valid until its verdict is applied.
  Message present(std::uint32_t slot) noexcept {
    const SlotHeader& header = w_.store.header(slot);
    const std::size_t window = w_.store.window_bytes();
    const std::size_t limit =
        header.trusted ? window : std::min<std::size_t>(window, header.request_length);
    return {std::span(w_.store.request(slot), header.request_length), w_.store.reply(slot), limit,
            header.peer, header.trusted};
  }

  // Runs one call into the service and reports an exception. True if it threw.
  template <class Call>
  bool threw(Call call) noexcept {
    return call_threw(lane_.events, call);
  }

  // Applies the verdict. A message that is still deferred was deferred for the second time.
  // `it_threw`: the call that should have given the verdict threw.
  void apply_verdict(MessageRef ref, const Message& message, bool it_threw) noexcept {
    if (message.verdict() == Verdict::reply && !message.reply_too_long()) [[likely]]
      hand_on(ref, message, false);
    else
      end(ref, message, it_threw);
  }

  // Ends the message as shed for `reason`, after has_busy_reply(). Sends the busy reply if there is
  // one; it ends as shed whether the send succeeds or not. An invalid or refused message ends as
  // that.
  void shed(MessageRef ref, const Message& message, Reason reason) noexcept;

  // Whether the message may be handed on; if not, seized and stale count as in Completion.
  bool still_held(MessageRef ref) noexcept { return completion_.still_held(ref); }

  // Hands on messages that have a reply, gives back slots of those that ended. Returns the time
  // when it began to.
  std::uint64_t finish() noexcept;

  // Max messages at a time so that the lane can send the replies itself.
  std::size_t max() const noexcept { return output_.max(); }

  // The lane is about to wait: gives up the free slots it keeps.
  void before_wait() noexcept;

 private:
  // Checks first: only the holder of the message may write its header.
  void hand_on(MessageRef ref, const Message& message, bool shed) noexcept {
    if (!completion_.still_held(ref)) return;
    SlotHeader& header = w_.store.header(ref.slot);
    header.shed = shed;
    header.reply_length = static_cast<std::uint16_t>(message.reply_length());
    header.reply_in_request_window = message.in_place();
    output_.add(ref.slot);
  }
  // Ends a message that has no reply, or one that is too long.
  void end(MessageRef ref, const Message& message, bool it_threw) noexcept;

  Wiring w_;
  LaneContext& lane_;
  StatsWriter& stats_;
  Completion completion_;
  StageOutput output_;
};

}  // namespace cpss
