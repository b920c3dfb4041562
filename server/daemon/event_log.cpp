#include "server/daemon/event_log.h"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "server/daemon/log.h"

namespace cpss {
namespace {

constexpr std::chrono::seconds kInterval{1};

std::string describe(const std::string& lane, const Event& event) {
  switch (event.kind) {
    case EventKind::receive_error:
      return fmt::format("{}: receive failed: {}", lane, std::strerror(event.error));
    case EventKind::send_error:
      if (event.error == EAGAIN)
        return fmt::format(
            "{}: replies ended without room in their socket's send buffer (CPSS_SEND_WAIT_MS; "
            "failed.send_no_room counts them): peers that do not exist, or a network too slow",
            lane);
      return fmt::format("{}: a reply could not be sent: {}", lane, std::strerror(event.error));
    case EventKind::thread_not_started:
      return fmt::format("{}: no on-demand thread: {}; the workers go on", lane, event.text_view());
    case EventKind::process_not_started:
      return fmt::format("{}: no process: {}", lane,
                         event.error != 0 ? std::strerror(event.error) : event.text);
    case EventKind::process_died:
      return fmt::format("{}: the process died{}; what it held is booked as failed", lane,
                         event.error != 0 ? fmt::format(" ({})", strsignal(event.error)) : "");
    case EventKind::wait_error:
      return fmt::format("{}: waiting for sockets failed: {}; it looks at them all the same", lane,
                         std::strerror(event.error));
    case EventKind::service_threw:
      break;
  }
  return fmt::format("{}: the service threw: {}", lane, event.text_view());
}

}  // namespace

void EventLog::collect(Scoreboard& scoreboard, Clock::time_point now) {
  const std::uint64_t lost =
      scoreboard.take_events([this](const std::string& lane, const Event& event) {
        Line& line = lines_[static_cast<std::size_t>(event.kind)];
        line.last = describe(lane, event);
        ++line.held_back;
      });
  if (lost > lost_) {
    lost_line_.last = "an event was not recorded: a lane reported faster than the log is written";
    lost_line_.held_back += lost - lost_;
    lost_ = lost;
  }
  for (Line& line : lines_) write_if_due(line, now);
  write_if_due(lost_line_, now);
}

void EventLog::flush() {
  for (Line& line : lines_)
    if (line.held_back > 0) write(line);
  if (lost_line_.held_back > 0) write(lost_line_);
}

void EventLog::write_if_due(Line& line, Clock::time_point now) {
  if (line.held_back == 0 || now - line.written < kInterval) return;
  write(line);
  line.written = now;
}

void EventLog::write(Line& line) {
  log::warning(line.held_back == 1
                   ? line.last
                   : fmt::format("{} (and {} more like it)", line.last, line.held_back - 1));
  line.held_back = 0;
}

}  // namespace cpss
