// How long service `work` takes for a message, as CPSS_WORK says (docs/work.md):
//
//   fixed:US | exp:US | bimodal:US,US,SHARE      then [;burn | ;sleep]      then [;defer=US]
//
// Shared by the server's service and the load client: the time of a message follows from its
// payload alone, so the client knows by itself which of its messages were the long ones.
//
// Constant once parsed; any thread. Only parse() and text() allocate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace cpss {

// what() stands behind the profile's text in a message: "has ... ; allowed: ...". It does not quote
// that text.
class WorkProfileError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

class WorkProfile {
 public:
  // A shorter payload has no key.
  static constexpr std::size_t kMinPayload = 16;  // bytes

  // Throws WorkProfileError. A missing mode is burn; times are rounded to nanoseconds.
  static WorkProfile parse(std::string_view text);
  // Bytes 8 to 15, big-endian. `payload` has at least kMinPayload bytes.
  static std::uint64_t key_of(std::span<const std::byte> payload) noexcept;

  WorkProfile() noexcept = default;  // fixed:0;burn

  // The time of a message with this key. An exponential time is not cut: it may be up to 37 times
  // the mean. Its last nanosecond may differ between C libraries; the class of a bimodal time does
  // not.
  std::uint64_t time_ns(std::uint64_t key) const noexcept;
  // Whether the key has the second of the two times of bimodal, even if that is the shorter one.
  // False for all other shapes.
  bool is_long(std::uint64_t key) const noexcept;
  // Whether a message that takes so long is deferred: if that is longer than defer=US says.
  bool deferred(std::uint64_t time_ns) const noexcept { return defer_ns_ && time_ns > *defer_ns_; }

  bool sleeps() const noexcept { return sleeps_; }  // else it burns
  // Classes of messages: 2 for bimodal, else 1.
  unsigned modes() const noexcept { return shape_ == Shape::bimodal ? 2 : 1; }

  // parse() makes an equal profile of this text; it always has the mode.
  std::string text() const;
  bool operator==(const WorkProfile&) const noexcept = default;

 private:
  enum class Shape : std::uint8_t { fixed, exponential, bimodal };

  void read_shape(std::string_view part);

  Shape shape_ = Shape::fixed;
  bool sleeps_ = false;
  std::uint64_t first_ns_ = 0;   // the time, the mean, or the first of two
  std::uint64_t second_ns_ = 0;  // bimodal alone
  double share_ = 0;             // of the second
  std::optional<std::uint64_t> defer_ns_;
};

}  // namespace cpss
