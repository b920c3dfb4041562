#include "server/daemon/running_server.h"

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit_codes.h"
#include "server/daemon/log.h"
#include "stats/ledger.h"

namespace cpss {
namespace {

// How often the main thread shows that it is alive and reads counts that only the kernel has.
constexpr std::chrono::milliseconds kTick{100};
// Used instead while a look at the neighbours, which takes a moment, is under way.
constexpr std::chrono::milliseconds kSoon{5};

// At a forced end: max wait until lanes have put down what they have in hand, and have booked the
// messages they have just ended. Lanes that get no CPU may take that long.
constexpr std::chrono::seconds kHandsOff{2};
constexpr std::chrono::milliseconds kHandsOffLook{1};

// How often the server tells the service manager that the drain goes on, and how much longer the
// manager is to wait each time: enough for some of these messages to be lost.
constexpr std::chrono::seconds kTellDraining{1};
constexpr std::chrono::seconds kDrainsLonger{10};

// `told`: the result of a method of ServiceManager, just now. `consequence`: of not being told.
void warn_unless(bool told, const char* message, const char* consequence) {
  if (told) return;
  const int error = errno;
  log::warning(fmt::format(
      "{} did not reach the service manager (NOTIFY_SOCKET): {}; {}; it is sent again until it "
      "is heard, and this is said once until then",
      message, std::strerror(error), consequence));
}

}  // namespace

RunningServer::RunningServer(Parts parts)
    : p_(std::move(parts)),
      cpus_(p_.assignment),
      troubles_(p_.engine.scoreboard().lanes()),
      neighbours_(p_.engine.scoreboard().reach()),
      reload_(p_.data, p_.region),
      last_received_(std::chrono::steady_clock::now()) {
  if (const auto interval = p_.manager.watchdog()) watchdog_.emplace(*interval);
}

void RunningServer::start() {
  if (!p_.engine.start_unless([this] { return next_signal(std::chrono::milliseconds(0)) != 0; }))
    force_end("a signal while its processes started");
  p_.region.set_live();
}

void RunningServer::announce(const std::string& line) {
  log::info(line);
  ready_line_ = line;
  warn_unless(p_.manager.ready(line), "READY=1",
              "a manager that waits for it takes the start for failed");
}

void RunningServer::run() {
  auto next_tick = std::chrono::steady_clock::now();
  for (;;) {
    const int signal = next_signal(neighbours_.collect() ? kSoon : kTick);
    // Processes of one message each end far more often than main ticks.
    const auto now = std::chrono::steady_clock::now();
    if (signal == 0 && now < next_tick) {
      p_.engine.tick();
      continue;
    }
    next_tick = now + kTick;
    tick();
    look_after_data();
    if (core_for_ != 0) force_end(strsignal(core_for_));
    if (signal != 0) {
      log::info(fmt::format("{}: draining; once more ends at once", strsignal(signal)));
      return;
    }
    if (silent_for_too_long()) {
      log::info("no datagram for as long as CPSS_IDLE_EXIT says: draining");
      return;
    }
  }
}

int RunningServer::next_signal(std::chrono::milliseconds longest) {
  const int signal = p_.signals.wait(longest);
  if (EndSignals::asks_for_core(signal)) core_for_ = signal;
  return signal;
}

// False while a message is inside: one that takes longer than the drain may would be lost. A
// datagram that arrives after this look stays in the socket, or is answered in the drain: either
// way it is not lost.
bool RunningServer::silent_for_too_long() {
  if (p_.idle_exit.count() == 0) return false;
  std::uint64_t received = 0;
  for (const StatsWriter& receiver : p_.receivers) received += receiver.value(Counter::received);
  const auto now = std::chrono::steady_clock::now();
  if (received != received_) {
    received_ = received;
    last_received_ = now;
  }
  return now - last_received_ >= p_.idle_exit && ledger_of(p_.region.snapshot()).in_flight == 0;
}

void RunningServer::end(std::chrono::nanoseconds drain_timeout) {
  reload_.cancel();
  warn_unless(p_.manager.stopping("draining", kDrainsLonger), "STOPPING=1",
              "it learns of the end when the process is gone");
  const auto begin = std::chrono::steady_clock::now();
  const auto deadline = begin + drain_timeout;
  auto next_told = begin + kTellDraining;
  const char* why = nullptr;
  if (!p_.listeners.stop_arrivals())
    log::warning("the kernel refuses to stop new datagrams: the drain goes on while they come");
  const bool drained = p_.engine.end([&] {
    tick();
    const int signal = next_signal(std::chrono::milliseconds(0));
    if (signal != 0 && !EndSignals::is_time_limit(signal)) why = "a second signal";
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline) why = "the drain took too long";
    if (now >= next_told) {
      warn_unless(p_.manager.still_stopping(kDrainsLonger), "EXTEND_TIMEOUT_USEC",
                  "it may end the server before its drain is over");
      next_told = now + kTellDraining;
    }
    return why != nullptr;
  });
  if (!drained) force_end(why);
  p_.main.add(Counter::kernel_dropped, p_.listeners.last_drops());
  events_.collect(p_.engine.scoreboard(), std::chrono::steady_clock::now());
  events_.flush();
  close_ledger(true);
}

void RunningServer::tick() {
  p_.region.heartbeat();
  p_.engine.tick();
  const std::uint64_t now = monotonic_ns();
  if (const std::string line = cpus_.look(p_.engine.scoreboard(), now); !line.empty())
    log::warning(line);
  troubles_.look(p_.engine.scoreboard(), p_.region, now);
  if (p_.manager.retry()) log::info("the service manager has heard now what it had missed");
  tell_watchdog();
  p_.addresses.tick();
  book_kernel_drops();
  watch_send_buffers();
  events_.collect(p_.engine.scoreboard(), std::chrono::steady_clock::now());
  for (const std::string& line : p_.region.look_after(std::chrono::steady_clock::now()))
    log::warning(line);
  log::tell_losses();
  book_lost_lines();
}

void RunningServer::look_after_data() {
  bool refused = false;
  if (p_.signals.take_hangup()) {
    warn_unless(p_.manager.reloading(), "RELOADING=1", "it does not see that data are loaded");
    refused = !reload_.request();
  }
  const bool over = reload_.tick(p_.engine.older_data());
  if (over || refused)
    warn_unless(p_.manager.ready(ready_line_), "READY=1",
                "a manager that waits for the end of the reload takes it for failed");
}

void RunningServer::book_lost_lines() {
  const std::uint64_t lost = log::lost();
  p_.main.add(Counter::log_lines_lost, lost - std::exchange(lost_lines_, lost));
}

void RunningServer::tell_watchdog() {
  if (!watchdog_) return;
  const auto stuck_before = watchdog_->stuck_lane();
  if (watchdog_->due(std::chrono::steady_clock::now(), p_.engine.pulses()))
    warn_unless(p_.manager.alive(), "WATCHDOG=1",
                "without it a manager that waits for it takes the server for hung");
  const auto stuck = watchdog_->stuck_lane();
  if (stuck && stuck != stuck_before)
    log::warning(fmt::format("{}: the service manager is not told that the server is alive",
                             p_.engine.why_stuck(*stuck)));
}

// Raises the pressure before the first reply finds no room, if possible: then no reply has to wait.
void RunningServer::watch_send_buffers() {
  bool pressed = false;
  const auto& sockets = p_.listeners.sockets();
  const std::span<SendPressure> pressure = p_.engine.scoreboard().send_pressure();
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    pressure[i].look(sockets[i]->send_buffer_use());
    pressed = pressed || pressure[i].on();
  }
  if (pressed) neighbours_.look();
}

void RunningServer::book_kernel_drops() {
  const std::uint64_t dropped = p_.listeners.read_drop_counter();
  if (dropped > 0) p_.main.add(Counter::kernel_dropped, dropped);
}

// Lanes still run, so nothing that they use may be destroyed.
void RunningServer::force_end(const char* why) {
  reload_.cancel();
  p_.engine.stop_receiving();
  const auto deadline = std::chrono::steady_clock::now() + kHandsOff;
  std::uint64_t seized = p_.engine.seize_all();
  while ((!p_.engine.all_taken() || ledger_of(p_.region.snapshot()).in_flight != 0) &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kHandsOffLook);
    seized += p_.engine.seize_all();
  }
  p_.main.add(Counter::kernel_dropped, p_.listeners.last_drops());
  events_.collect(p_.engine.scoreboard(), std::chrono::steady_clock::now());
  events_.flush();
  log::error(fmt::format("{}: forced end; {} messages inside are booked as failed", why, seized));
  close_ledger(p_.engine.all_taken());
  log::flush();
  if (core_for_ != 0) end_by(core_for_);
  _exit(kExitForced);
}

// Messages that are still inside may yet be booked, or never: then the ledger does not count as
// closed.
void RunningServer::close_ledger(bool nobody_works) {
  const Ledger ledger = ledger_of(p_.region.snapshot());
  const bool closed = nobody_works && ledger.in_flight == 0;
  if (!closed)
    log::error(
        fmt::format("{} messages are still inside, and cannot be taken from the lanes or processes "
                    "that have them: the counters are left without the mark of a clean end",
                    ledger.in_flight));
  log::info("final ledger:\n" + format_ledger(ledger));
  book_lost_lines();
  p_.region.keep();
  if (closed) p_.region.mark_clean_end();
}

}  // namespace cpss
