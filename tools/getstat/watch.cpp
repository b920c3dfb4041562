#include "tools/getstat/watch.h"

#include <cerrno>
#include <chrono>
#include <ctime>
#include <optional>

#include <signal.h>
#include <unistd.h>

#include "base/async_writer.h"
#include "base/early_signals.h"
#include "stats/reader.h"
#include "tools/getstat/table.h"
#include "tools/getstat/terminal.h"

namespace cpss::getstat {
namespace {

// ECMA-48 control sequences: to the upper left corner; erase to the end of line, of screen.
constexpr const char* kHome = "\x1b[H";
constexpr const char* kEraseLine = "\x1b[K";
constexpr const char* kEraseRest = "\x1b[J";

// How long getstat waits at its end until the last table is written.
constexpr std::chrono::seconds kLongestFarewell{1};

sigset_t ending_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM})
    if (!is_ignored(signal)) ::sigaddset(&signals, signal);
  return signals;
}

// Waits for `interval`, or until one of the blocked signals comes: then true.
bool told_to_end(const sigset_t& signals, std::chrono::milliseconds interval) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(interval);
  const timespec timeout{seconds.count(), (interval - seconds).count() * 1'000'000};
  return ::sigtimedwait(&signals, nullptr, &timeout) > 0;
}

// Writes over the frame before, line by line, so that nothing flickers. Erases a line before it
// writes the new one: if that is as wide as the terminal, erasing after it would take its last
// character.
std::string in_place(const std::string& frame) {
  std::string text = kHome;
  bool at_line_begin = true;
  for (const char c : frame) {
    if (at_line_begin) text += kEraseLine;
    text += c;
    at_line_begin = c == '\n';
  }
  return text + kEraseRest;
}

// Asks for the size for each frame: the terminal may have been resized.
std::string frame_of(const std::string& table) {
  if (::isatty(STDOUT_FILENO) != 1) return table + '\n';
  const std::optional<TerminalSize> size = terminal_size(STDOUT_FILENO);
  return in_place(size ? cut_to(*size, table) : table);
}

}  // namespace

bool watch(const std::string& file, std::chrono::milliseconds interval) {
  const sigset_t signals = ending_signals();
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  AsyncWriter output(STDOUT_FILENO, "output");
  RegionReader reader(file);
  std::optional<Snapshot> before;
  do {
    // The last frame still waits to be written: a new one would be old before it is seen.
    if (!output.idle()) continue;
    if (output.refusal() == EPIPE) ::raise(SIGPIPE);  // the thread that writes has it blocked
    if (output.refusal() != 0) return false;
    const Reading reading = reader.read();
    const bool same_server =
        before && reading.snapshot && before->facts.same_server(reading.snapshot->facts);
    output.put(frame_of(format_table(reading, same_server ? &*before : nullptr, file)));
    before = reading.snapshot;
  } while (!told_to_end(signals, interval));
  output.flush(kLongestFarewell);
  return output.refusal() == 0;
}

}  // namespace cpss::getstat
