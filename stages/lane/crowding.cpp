#include "stages/lane/crowding.h"

#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace cpss {
namespace {

constexpr std::uint64_t kSpan = 1'000'000;
constexpr std::uint64_t kMaxSpan = 4'000'000;  // after longer a look says nothing of now

}  // namespace

bool Crowding::look(std::uint64_t now_ns, std::uint64_t cpu_ns) noexcept {
  const std::uint64_t span = now_ns - looked_ns_;
  if (span < kSpan) return false;
  looked_ns_ = now_ns;
  span_ns_ = span;
  const std::uint64_t waited = total_waited_ns();
  waited_ns_ = waited - std::exchange(total_waited_, waited);
  ran_ns_ = cpu_ns - std::exchange(total_cpu_ns_, cpu_ns);
  return span <= kMaxSpan;
}

// "RUN_NS WAITED_NS TIMESLICES"
std::uint64_t Crowding::total_waited_ns() noexcept {
  if (!std::exchange(tried_, true)) file_ = FileDescriptor(::open(path_, O_RDONLY | O_CLOEXEC));
  std::array<char, 96> bytes;
  const ssize_t length = file_.valid() ? ::pread(file_.get(), bytes.data(), bytes.size(), 0) : 0;
  if (length <= 0) return total_waited_;
  const std::string_view text(bytes.data(), static_cast<std::size_t>(length));
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return total_waited_;
  std::uint64_t value = total_waited_;
  std::from_chars(text.data() + space + 1, text.data() + text.size(), value);
  return value;
}

}  // namespace cpss
