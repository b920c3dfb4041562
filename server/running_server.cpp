#include "server/running_server.h"

#include <cstring>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "server/exit_codes.h"
#include "server/log.h"
#include "stats/ledger.h"

namespace cpss {
namespace {

// How often the main thread shows that it is alive and reads what only the kernel knows.
constexpr std::chrono::milliseconds kTick{100};

}  // namespace

RunningServer::RunningServer(const EndSignals& signals, Listeners& listeners, StatsRegion& region,
                             Pipeline& pipeline, StatsWriter main)
    : signals_(signals), listeners_(listeners), region_(region), pipeline_(pipeline), main_(main) {}

void RunningServer::start() {
  pipeline_.start();
  region_.set_live();
}

void RunningServer::run_until_signalled() {
  for (;;) {
    const int signal = signals_.wait(kTick);
    tick();
    if (signal == 0) continue;
    log::info(fmt::format("{}: draining; once more ends at once", strsignal(signal)));
    return;
  }
}

void RunningServer::end(std::chrono::nanoseconds drain_timeout) {
  const auto deadline = std::chrono::steady_clock::now() + drain_timeout;
  const char* why = nullptr;
  if (!listeners_.stop_arrivals())
    log::warning("the kernel refuses to stop new datagrams: the drain goes on while they come");
  const bool drained = pipeline_.end([&] {
    tick();
    if (signals_.wait(std::chrono::milliseconds(0)) != 0) why = "a second signal";
    if (std::chrono::steady_clock::now() >= deadline) why = "the drain took too long";
    return why != nullptr;
  });
  if (!drained) leave(why);
  book_kernel_drops();
  events_.collect(pipeline_);
  events_.flush();
  region_.mark_clean_end();
  log_ledger();
}

void RunningServer::tick() {
  region_.heartbeat();
  book_kernel_drops();
  events_.collect(pipeline_);
}

void RunningServer::book_kernel_drops() {
  const std::uint64_t dropped = listeners_.newly_dropped();
  if (dropped > 0) main_.add(Counter::kernel_dropped, dropped);
}

// Lanes still run, so nothing they use may be destroyed. Those that receive end first, where they
// can: one that sheds would go on for as long as its socket holds something. A batch of one that
// cannot shows up in its slots a moment later: it is waited for, briefly.
void RunningServer::leave(const char* why) {
  pipeline_.stop_receiving();
  std::uint64_t seized = pipeline_.seize_all(main_);
  for (int i = 0; i < 20 && ledger_of(region_.snapshot()).in_flight > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    seized += pipeline_.seize_all(main_);
  }
  book_kernel_drops();
  events_.collect(pipeline_);
  events_.flush();
  log::error(fmt::format("{}: forced end; {} messages inside are booked as failed", why, seized));
  region_.mark_clean_end();
  log_ledger();
  _exit(kExitForced);
}

void RunningServer::log_ledger() {
  log::info("final ledger:\n" + format_ledger(ledger_of(region_.snapshot())));
}

}  // namespace cpss
