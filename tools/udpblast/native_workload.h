// Messages for the service `lookup`: look-ups from a data file, or pings without one.
#pragma once

#include <string_view>
#include <vector>

#include "services/native_wire.h"
#include "tools/udpblast/data_file.h"
#include "tools/udpblast/workload.h"

namespace cpss::udpblast {

class NativeWorkload final : public Workload {
 public:
  // `size`: bytes of each message. Without data: pings. Throws WorkloadError.
  NativeWorkload(std::size_t size, std::unique_ptr<const DataFile> data);

  void build(std::uint64_t message, std::uint64_t transaction,
             std::span<std::byte> window) const noexcept override;
  std::optional<std::uint64_t> transaction_of(
      std::span<const std::byte> reply) const noexcept override;
  bool right(std::uint64_t message, std::uint64_t transaction,
             std::span<const std::byte> reply) const noexcept override;
  bool busy(std::span<const std::byte> reply) const noexcept override;
  std::size_t longest_reply() const noexcept override;
  std::string title() const override;
  std::string describe(std::uint64_t message) const override;
  std::string explain(std::uint64_t message, std::uint64_t transaction,
                      std::span<const std::byte> reply) const override;
  std::optional<std::uint64_t> one_pass() const noexcept override;

 private:
  struct Expected {
    native::ReplyCode code;
    std::string_view body;
  };
  Expected expected(std::uint64_t message) const noexcept;
  std::size_t line_of(std::uint64_t message) const noexcept {
    return static_cast<std::size_t>(message % data_->size());
  }
  bool right_body(std::string_view expected, std::string_view got) const noexcept;

  std::size_t size_;
  std::unique_ptr<const DataFile> data_;
  std::vector<std::byte> zeros_;  // to compare padding with
};

}  // namespace cpss::udpblast
