#include "tools/udpblast/send_loop.h"

#include <algorithm>

#include "base/clock.h"

namespace cpss::udpblast {

SendLoop::SendLoop(const LoopSettings& settings, const Workload& workload,
                   MessageIdPool& message_ids, const StopFlag& stop)
    : Loop(workload, stop),
      settings_(settings),
      ids_(settings.seed),
      allocator_(message_ids),
      requests_(kBatch, settings.size, settings.segments),
      transmitter_(tally_, findings_) {
  clients_.reserve(settings.clients);
  for (std::uint32_t i = 0; i < settings.clients; ++i) {
    clients_.emplace_back(settings.server, settings.source);
    if (settings.segments > 1) clients_.back().use_segments(settings.size);
  }
}

void SendLoop::work() {
  if (settings_.schedule) {
    std::optional<std::uint64_t> until_ns;
    if (settings_.run_ns) until_ns = start_ns_ + *settings_.run_ns;
    SendSchedule schedule(*settings_.schedule, start_ns_, until_ns, tally_);
    send_by_schedule(schedule);
    tally_.set(Count::planned, schedule.planned());
  } else {
    send_flat_out();
    tally_.set(Count::planned, tally_[Count::sent]);
  }
}

void SendLoop::send_by_schedule(SendSchedule& schedule) {
  for (;;) {
    const std::uint64_t now_ns = monotonic_ns();
    if (told() != Stop::no) schedule.end(now_ns);
    if (schedule.done(now_ns)) return;
    const std::size_t due = schedule.due(now_ns, kBatch);
    std::uint64_t until_ns = std::min(now_ns + kLongestWaitNs, schedule.planned_ns());
    if (due > 0) {
      for (std::size_t i = 0; i < due; ++i) messages_[i] = schedule.message(i);
      const std::size_t sent = send_batch(due);
      schedule.sent(sent, monotonic_ns());
      if (sent == due) continue;
      schedule.blocked(now_ns);
      until_ns = now_ns + kRetryNs;
    }
    wait(now_ns, until_ns);
  }
}

void SendLoop::send_flat_out() {
  for (;;) {
    const std::uint64_t now_ns = monotonic_ns();
    if (told() != Stop::no || (settings_.run_ns && now_ns >= start_ns_ + *settings_.run_ns)) return;
    const MessageIdPool::Range range = allocator_.take(kBatch);
    const std::size_t count = range.end - range.first;
    if (count == 0) return;
    for (std::size_t i = 0; i < count; ++i) messages_[i] = range.first + i;
    const std::size_t sent = send_batch(count);
    if (sent == count) continue;
    allocator_.give_back(count - sent);
    if (nothing_gets_out(now_ns)) return;
    wait(now_ns, now_ns + kRetryNs);
  }
}

// The system has refused every message for a while, and not for lack of room: this will not pass.
bool SendLoop::nothing_gets_out(std::uint64_t now_ns) noexcept {
  gave_up_ = tally_[Count::send_errors] != 0 && now_ns - last_sent_ns_ >= kHopelessNs;
  return gave_up_;
}

// Sends the first `count` of messages_, by the next client. Returns how many the kernel took.
std::size_t SendLoop::send_batch(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    workload_.build(messages_[i], ids_.encode(messages_[i], 0), requests_.window(i));
  const std::uint64_t now_ns = monotonic_ns();
  const std::size_t sent = transmitter_.transmit(clients_[next_client_], requests_, count, now_ns);
  next_client_ = next_client_ + 1 == clients_.size() ? 0 : next_client_ + 1;
  if (sent > 0) last_sent_ns_ = now_ns;
  return sent;
}

}  // namespace cpss::udpblast
