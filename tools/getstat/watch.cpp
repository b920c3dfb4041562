#include "tools/getstat/watch.h"

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <optional>

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include "stats/reader.h"
#include "tools/getstat/table.h"

namespace cpss::getstat {
namespace {

// ECMA-48 control sequences: to the upper left corner; erase to the end of line, of screen.
constexpr const char* kHome = "\x1b[H";
constexpr const char* kEraseLine = "\x1b[K";
constexpr const char* kEraseRest = "\x1b[J";

sigset_t ending_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  return signals;
}

// Waits; true where one of the blocked signals came.
bool told_to_end(const sigset_t& signals, std::chrono::milliseconds interval) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(interval);
  const timespec timeout{seconds.count(), (interval - seconds).count() * 1'000'000};
  return ::sigtimedwait(&signals, nullptr, &timeout) > 0;
}

// Over what was there before, line by line, so that nothing flickers.
std::string in_place(const std::string& table) {
  std::string text = kHome;
  for (const char c : table) {
    if (c == '\n') text += kEraseLine;
    text += c;
  }
  return text + kEraseRest;
}

}  // namespace

void watch(const std::string& file, std::chrono::milliseconds interval) {
  const sigset_t signals = ending_signals();
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  RegionReader reader(file);
  std::optional<Snapshot> before;
  do {
    const Reading reading = reader.read();
    const bool same_server =
        before && reading.snapshot && before->facts.same_server(reading.snapshot->facts);
    const std::string table = format_table(reading, same_server ? &*before : nullptr, file);
    fmt::print("{}", terminal ? in_place(table) : table + '\n');
    if (std::fflush(stdout) != 0) return;
    before = reading.snapshot;
  } while (!told_to_end(signals, interval));
}

}  // namespace cpss::getstat
