// Messages for the services `echo` and `work`, which reply with the bytes that were sent.
//
// Threads: tools/udpblast/workload.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "services/work_profile.h"
#include "tools/udpblast/workload.h"

namespace cpss::udpblast {

// The transaction id in 8 bytes, big-endian, then pseudo-random bytes that follow from it, so that
// a reply is checked without remembering its request.
class EchoWorkload : public Workload {
 public:
  static constexpr std::size_t kHeaderBytes = 8;

  // `size`: bytes of each message. Throws WorkloadError.
  explicit EchoWorkload(std::size_t size);

  void build(std::uint64_t message, std::uint64_t transaction,
             std::span<std::byte> window) const noexcept override;
  std::optional<std::uint64_t> transaction_of(
      std::span<const std::byte> reply) const noexcept override;
  bool right(std::uint64_t message, std::uint64_t transaction,
             std::span<const std::byte> reply) const noexcept override;
  bool busy(std::span<const std::byte>) const noexcept override { return false; }
  std::size_t longest_reply() const noexcept override { return size_; }
  std::string title() const override { return "echo"; }
  std::string describe(std::uint64_t) const override { return {}; }
  std::string explain(std::uint64_t message, std::uint64_t transaction,
                      std::span<const std::byte> reply) const override;

 private:
  std::size_t size_;
};

// Messages like those of `echo`; the time of each follows from its payload
// (services/work_profile.h). With the server's CPSS_WORK, udpblast can tell which of them are the
// long ones.
class WorkWorkload final : public EchoWorkload {
 public:
  // Without a profile there are no classes. Throws WorkloadError.
  WorkWorkload(std::size_t size, const std::optional<WorkProfile>& profile);

  std::string title() const override;
  std::vector<std::string> classes() const override;
  std::size_t class_of(std::uint64_t transaction) const noexcept override;

 private:
  std::optional<WorkProfile> profile_;
};

}  // namespace cpss::udpblast
