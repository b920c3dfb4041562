#include "stages/service.h"

#include <algorithm>
#include <exception>

#include "stages/batch_clock.h"

namespace cpss {
namespace {

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

}  // namespace

ServiceStep::ServiceStep(Wiring wiring, StatsWriter stats)
    : w_(wiring),
      stats_(stats),
      cache_(w_.pool, 2 * w_.batch, w_.pool_lanes),
      retirement_(w_.store, cache_, stats_, w_.batch),
      intake_(w_.requests, w_.lanes, w_.batch, w_.store, stats_),
      outlet_(w_.responses, w_.batch, w_.store, stats_),
      lane_state_(w_.service.make_lane_state()) {
  refs_.reserve(w_.batch);
  messages_.reserve(w_.batch);
}

void ServiceStep::before_wait() noexcept {
  stats_.add(Counter::futex_wakes, cache_.give_all_back());
}

std::size_t ServiceStep::run() noexcept {
  const std::span<const std::uint32_t> slots = intake_.take();
  if (slots.empty()) return 0;
  BatchClock clock(stats_);
  intake_.book_waits(slots, clock.begin_ns());
  present(slots);

  const bool batch_threw = threw([this] { w_.service.process(messages_, lane_state_.get()); });
  std::size_t deferred = 0;
  for (std::size_t i = 0; i < refs_.size(); ++i) {
    if (messages_[i].verdict() == Verdict::defer) {
      ++deferred;
    } else {
      settle(refs_[i], messages_[i], batch_threw);
    }
  }
  std::uint64_t end_ns = finish();
  if (deferred > 0) end_ns = settle_deferred();
  clock.end(end_ns, slots.size());
  return slots.size();
}

// Hands on what has a reply and gives back what has ended; returns when that was.
std::uint64_t ServiceStep::finish() noexcept {
  const std::uint64_t end_ns = now_ns();
  outlet_.hand_on(end_ns);
  retirement_.finish();
  return end_ns;
}

// Makes the service's view of each message.
void ServiceStep::present(std::span<const std::uint32_t> slots) noexcept {
  refs_.clear();
  messages_.clear();
  for (const std::uint32_t slot : slots) {
    const SlotHeader& header = w_.store.header(slot);
    const std::size_t window = w_.store.window_bytes();
    const std::size_t limit =
        header.trusted ? window : std::min<std::size_t>(window, header.request_length);
    refs_.push_back(w_.store.message_in(slot));
    messages_.emplace_back(std::span(w_.store.request(slot), header.request_length),
                           w_.store.reply(slot), limit, header.peer, header.trusted);
  }
}

template <class Call>
bool ServiceStep::threw(Call call) noexcept {
  try {
    call();
    return false;
  } catch (const std::exception& error) {
    w_.events.report(EventKind::service_threw, 0, error.what());
  } catch (...) {
    w_.events.report(EventKind::service_threw, 0, "not a std::exception");
  }
  return true;
}

void ServiceStep::settle(MessageRef ref, const Message& message, bool it_threw) noexcept {
  switch (message.verdict()) {
    case Verdict::reply:
      hand_on(ref, message);
      break;
    case Verdict::no_reply:
      retirement_.retire(ref, Reason::no_answer);
      break;
    case Verdict::defer:  // for the second time: see settle_deferred()
      retirement_.retire(ref, Reason::failed_deferred_twice);
      break;
    case Verdict::invalid:
      retirement_.retire(ref, reason_for(message.invalid_reason()));
      break;
    case Verdict::refuse:
      retirement_.retire(ref, Reason::refused_by_service);
      break;
    case Verdict::none:
      retirement_.retire(ref, it_threw ? Reason::failed_service_threw : Reason::failed_no_verdict);
      break;
  }
}

// There is no worker stage: what the service defers is processed here, and counted. It may block,
// so it comes last, when everything else of the batch has gone on, and each goes on by itself.
std::uint64_t ServiceStep::settle_deferred() noexcept {
  before_wait();
  std::uint64_t end_ns = 0;
  for (std::size_t i = 0; i < refs_.size(); ++i) {
    Message& message = messages_[i];
    if (message.verdict() != Verdict::defer) continue;
    stats_.add(Counter::deferred_inline);
    message.clear_verdict();
    const bool it_threw = threw([&] { w_.service.process_deferred(message, lane_state_.get()); });
    settle(refs_[i], message, it_threw);
    end_ns = finish();
    before_wait();
  }
  return end_ns;
}

void ServiceStep::hand_on(MessageRef ref, const Message& message) noexcept {
  if (message.reply_too_long()) {
    retirement_.retire(ref, Reason::failed_reply_too_long);
    return;
  }
  if (!retirement_.still_held(ref)) return;
  SlotHeader& header = w_.store.header(ref.slot);
  header.reply_length = static_cast<std::uint16_t>(message.reply_length());
  header.reply_in_request_window = message.in_place();
  outlet_.add(ref.slot);
}

}  // namespace cpss
