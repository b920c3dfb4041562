#include "stages/service/service.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "stages/lane/batch_clock.h"
#include "stages/lane/semaphore_clock.h"
#include "stages/message/service_call.h"

namespace cpss {

ServiceStep::ServiceStep(Wiring wiring, LaneContext& lane, StatsWriter stats,
                         std::optional<InlineDispatch> inline_dispatch)
    : w_(wiring),
      lane_(lane),
      stats_(stats),
      runner_({w_.store, w_.responses, w_.batch}, lane, stats_, inline_dispatch),
      input_(w_.requests, w_.lanes, w_.batch, w_.store, stats_) {
  refs_.reserve(w_.batch);
  messages_.reserve(w_.batch);
  deferred_.reserve(w_.batch);
  to_queue_.reserve(w_.batch);
  not_taken_.reserve(w_.batch);
}

void ServiceStep::before_wait() noexcept {
  // Also called before the waits within a batch, when the consumer may have set aside messages that
  // other lanes can take.
  stats_.add(Counter::futex_wakes, input_.consumer().give_back());
  runner_.before_wait();
}

RunResult ServiceStep::run() noexcept {
  if (w_.sharing != nullptr && !w_.sharing->holds()) {
    // Others may take what a wait has set aside for this lane.
    stats_.add(Counter::futex_wakes, input_.consumer().give_back());
    return {};
  }
  const std::span<const std::uint32_t> slots = input_.take(max_to_take());
  if (slots.empty()) return {};
  BatchClock clock(stats_);
  const std::uint64_t longest_ns = input_.book_waits(slots, clock.begin_ns());
  if (w_.sharing != nullptr) w_.sharing->note_hop(longest_ns, clock.begin_ns());
  lane_.input_empty = input_.empty_guess();
  process_batch(slots);
  finish_batch(slots.size(), clock);
  return has_moved(slots.size());
}

std::size_t ServiceStep::max_to_take() const noexcept {
  if (w_.sharing == nullptr || input_.empty_guess()) return runner_.max();
  // A portion already, and nobody else sees it: the lane holds it through no other message.
  if (const std::uint32_t own = input_.set_aside(); own > 0) return own;
  return std::max<std::size_t>(1, w_.sharing->portion(input_.ready_guess(), 0, monotonic_ns()));
}

std::span<const std::uint32_t> ServiceStep::run_inline(std::span<const std::uint32_t> slots,
                                                       std::uint64_t begin_ns) noexcept {
  BatchClock clock(stats_, begin_ns);
  process_batch(slots);
  not_taken_.clear();
  if (!w_.keeps_deferred) leave_what_would_wait();
  const std::size_t taken = slots.size() - not_taken_.size();
  input_.book_inline(taken);
  if (taken > 0) finish_batch(taken, clock);
  return not_taken_;
}

// Without workers these are all deferred messages; with workers those that find no place now,
// unless they are shed.
void ServiceStep::leave_what_would_wait() noexcept {
  if (w_.deferral) {
    if (w_.deferral->budget != nullptr) return;
    drop_what_was_seized();
    reserved_ = w_.deferral->queue.reserve(static_cast<std::uint32_t>(deferred_.size()));
  }
  const auto rest = std::span(deferred_).subspan(reserved_);
  for (const std::size_t i : rest) not_taken_.push_back(refs_[i].slot);
  deferred_.resize(reserved_);
}

// A message that main has seized at a forced end goes no further.
void ServiceStep::drop_what_was_seized() noexcept {
  std::erase_if(deferred_, [this](std::size_t i) { return !runner_.still_held(refs_[i]); });
}

void ServiceStep::process_batch(std::span<const std::uint32_t> slots) noexcept {
  present(slots);

  deferred_.clear();
  if (w_.deferral && w_.deferral->all) {
    deferred_.resize(refs_.size());
    std::iota(deferred_.begin(), deferred_.end(), std::size_t{0});
  } else {
    process();
  }
}

// Deferred messages come last, since they may have to wait: by then everything else of the batch
// has gone on.
void ServiceStep::finish_batch(std::size_t messages, BatchClock& clock) noexcept {
  std::uint64_t end_ns = runner_.finish();
  if (!deferred_.empty()) {
    aside_ns_ = monotonic_ns() - end_ns;
    end_ns = w_.deferral              ? hand_to_workers()
             : w_.deferred != nullptr ? queue_deferred()
                                      : process_in_place();
    end_ns -= aside_ns_;
  }
  w_.cost.note(clock.end(end_ns, messages), messages);
}

// Makes the service's view of each message.
void ServiceStep::present(std::span<const std::uint32_t> slots) noexcept {
  refs_.clear();
  messages_.clear();
  for (const std::uint32_t slot : slots) {
    refs_.push_back(w_.store.message_in(slot));
    messages_.push_back(runner_.present(slot));
  }
}

void ServiceStep::process() noexcept {
  const bool it_threw = runner_.threw([this] { w_.service.process(messages_, w_.lane_state); });
  if (w_.sharing != nullptr) w_.sharing->came_out();
  for (std::size_t i = 0; i < refs_.size(); ++i) {
    if (messages_[i].verdict() == Verdict::defer)
      deferred_.push_back(i);
    else
      runner_.apply_verdict(refs_[i], messages_[i], it_threw);
  }
}

// Runs without workers; deferred_in_place counts it. The service may block, so each message goes on
// by itself.
std::uint64_t ServiceStep::process_in_place() noexcept {
  std::uint64_t end_ns = 0;
  for (const std::size_t i : deferred_) {
    if (end_ns != 0) aside_ns_ += monotonic_ns() - end_ns;
    before_wait();
    stats_.add(Counter::deferred_in_place);
    messages_[i].clear_verdict();
    const bool it_threw = runner_.threw([&] {
      const LongWait wait(lane_.progress);
      w_.service.process_deferred(messages_[i], w_.lane_state);
    });
    runner_.apply_verdict(refs_[i], messages_[i], it_threw);
    end_ns = runner_.finish();
  }
  return end_ns;
}

// The queue has a cell for every slot, so the lane need not wait.
std::uint64_t ServiceStep::queue_deferred() noexcept {
  drop_what_was_seized();
  const std::uint64_t now = monotonic_ns();
  to_queue_.clear();
  for (const std::size_t i : deferred_) {
    to_queue_.push_back(refs_[i].slot);
    w_.store.header(refs_[i].slot).published_ns = now;
  }
  stats_.add(Counter::forwarded, to_queue_.size());
  stats_.add(Counter::deferred, to_queue_.size());
  const PostResult put = SlotQueue::Producer(*w_.deferred).put(to_queue_);
  stats_.raise(Gauge::worker_queue_high_water, put.value);
  stats_.add(Counter::futex_wakes, put.wakes);
  return now;
}

std::uint64_t ServiceStep::hand_to_workers() noexcept {
  const Deferral& to = *w_.deferral;
  drop_what_was_seized();
  std::uint64_t now = monotonic_ns();
  for (std::span<const std::size_t> rest = deferred_; !rest.empty();) {
    const auto max = static_cast<std::uint32_t>(rest.size());
    std::uint32_t places = std::min(std::exchange(reserved_, 0), max);
    if (places == 0) places = to.queue.reserve(max);
    if (places == 0 && to.budget != nullptr) {
      shed(rest);
      return runner_.finish();
    }
    if (places == 0) {
      before_wait();
      places = book_wait_for(stats_, [&] {
                 const LongWait wait(lane_.progress);
                 return to.queue.wait_for_room(max, deadline_after(to.longest));
               }).tokens;
      now = monotonic_ns();
      if (places == 0) continue;
    }
    to_queue_.clear();
    for (const std::size_t i : rest.first(places)) {
      to_queue_.push_back(refs_[i].slot);
      w_.store.header(refs_[i].slot).published_ns = now;
    }
    // Before the put: no reader may see more messages come out of the queue than went in.
    stats_.add(Counter::forwarded, places);
    stats_.add(Counter::deferred, places);
    const PostResult put = to.queue.put(to_queue_);
    stats_.raise(Gauge::worker_queue_high_water, put.value);
    const std::uint32_t called = to.occupancy.message_put([&] { return to.queue.ready_guess(); });
    stats_.add(Counter::futex_wakes, put.wakes + called);
    rest = rest.subspan(places);
  }
  return now;
}

// Asks the service about all messages, since an invalid one ends as invalid. The response stage
// sends the busy replies, as many as the budget allows.
void ServiceStep::shed(std::span<const std::size_t> deferred) noexcept {
  std::uint32_t replies = 0;
  for (const std::size_t i : deferred)
    if (has_busy_reply(w_.service, messages_[i], lane_.events)) ++replies;
  std::uint32_t granted = w_.deferral->budget->take(replies, monotonic_ns());
  for (const std::size_t i : deferred) {
    Message& message = messages_[i];
    if (message.verdict() == Verdict::reply) {
      if (granted > 0)
        --granted;
      else
        message.no_reply();
    }
    runner_.shed(refs_[i], message, Reason::shed_worker_queue_full);
  }
}

}  // namespace cpss
