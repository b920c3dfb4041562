// The first case of each fault, in words, for the report.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace cpss::udpblast {

enum class Fault : std::uint8_t {
  wrong,
  late,
  duplicate,
  unknown,
  malformed,
  busy,
  lost,
  send_error,
  receive_error,
};
inline constexpr std::size_t kFaults = static_cast<std::size_t>(Fault::receive_error) + 1;

struct Finding {
  std::uint64_t at_ns = 0;  // monotonic_ns()
  std::string text;
};

// Plain values; one thread at a time.
class FirstFindings {
 public:
  // `words` makes the text; called only if there is no finding of this kind yet.
  template <class Words>
  void note(Fault fault, std::uint64_t at_ns, Words&& words) {
    auto& finding = findings_[static_cast<std::size_t>(fault)];
    if (!finding) finding = Finding{at_ns, words()};
  }
  // Keeps the earlier finding of each kind.
  void merge(const FirstFindings& other) {
    for (std::size_t i = 0; i < kFaults; ++i) {
      const auto& theirs = other.findings_[i];
      if (theirs && (!findings_[i] || theirs->at_ns < findings_[i]->at_ns)) findings_[i] = theirs;
    }
  }
  const std::optional<Finding>& operator[](Fault fault) const noexcept {
    return findings_[static_cast<std::size_t>(fault)];
  }

 private:
  std::array<std::optional<Finding>, kFaults> findings_;
};

}  // namespace cpss::udpblast
