// Messages for the service `echo`: the transaction id in 8 bytes, big-endian, then pseudo-random
// bytes that follow from it, so that a reply is checked without remembering its request.
#pragma once

#include "tools/udpblast/workload.h"

namespace cpss::udpblast {

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

}  // namespace cpss::udpblast
