#include "tools/getstat/terminal.h"

#include <algorithm>

#include <fmt/format.h>
#include <sys/ioctl.h>

namespace cpss::getstat {
namespace {

bool begins_a_character(char byte) noexcept {
  return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;  // UTF-8
}

std::string_view cut_line(std::string_view line, std::size_t columns) noexcept {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < line.size(); ++i)
    if (begins_a_character(line[i]) && ++characters > columns) return line.substr(0, i);
  return line;
}

}  // namespace

std::optional<TerminalSize> terminal_size(int descriptor) {
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
    return std::nullopt;
  return TerminalSize{size.ws_row, size.ws_col};
}

std::string cut_to(TerminalSize size, std::string_view text) {
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  const std::size_t room = std::max<std::size_t>(size.rows, 2) - 1;
  const std::size_t shown = lines <= room ? lines : room - 1;
  std::string result;
  for (std::size_t i = 0; i < shown; ++i) {
    const std::size_t end = text.find('\n');
    (result += cut_line(text.substr(0, end), size.columns)) += '\n';
    text.remove_prefix(end + 1);
  }
  if (shown == lines) return result;
  const std::string more = fmt::format("... {} more lines: enlarge the terminal", lines - shown);
  return (result += cut_line(more, size.columns)) += '\n';
}

}  // namespace cpss::getstat
