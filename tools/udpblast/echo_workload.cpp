#include "tools/udpblast/echo_workload.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <endian.h>
#include <fmt/format.h>

namespace cpss::udpblast {
namespace {

// The payload as words, the last of which may be cut. Knuth's MMIX generator: one multiplication a
// word; only its lowest bits are poor, and a wrong byte shows in any of the eight.
class Words {
 public:
  explicit Words(std::uint64_t transaction) noexcept : word_(transaction) {}
  std::uint64_t next() noexcept {
    word_ = word_ * 6364136223846793005 + 1442695040888963407;
    return word_;
  }

 private:
  std::uint64_t word_;
};

}  // namespace

EchoWorkload::EchoWorkload(std::size_t size) : size_(size) {
  if (size < kHeaderBytes)
    throw WorkloadError(
        fmt::format("--size {}: must be at least {} for echo's header", size, kHeaderBytes));
}

void EchoWorkload::build(std::uint64_t, std::uint64_t transaction,
                         std::span<std::byte> window) const noexcept {
  const std::uint64_t header = htobe64(transaction);
  std::memcpy(window.data(), &header, sizeof header);
  Words words(transaction);
  for (std::size_t at = kHeaderBytes; at < window.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t word = words.next();
    std::memcpy(window.data() + at, &word, std::min(sizeof word, window.size() - at));
  }
}

std::optional<std::uint64_t> EchoWorkload::transaction_of(
    std::span<const std::byte> reply) const noexcept {
  if (reply.size() < kHeaderBytes) return std::nullopt;
  std::uint64_t header = 0;
  std::memcpy(&header, reply.data(), sizeof header);
  return be64toh(header);
}

bool EchoWorkload::right(std::uint64_t, std::uint64_t transaction,
                         std::span<const std::byte> reply) const noexcept {
  if (reply.size() != size_) return false;
  Words words(transaction);
  std::uint64_t difference = 0;
  std::size_t at = kHeaderBytes;
  for (; at + sizeof(std::uint64_t) <= size_; at += sizeof(std::uint64_t)) {
    std::uint64_t got = 0;
    std::memcpy(&got, reply.data() + at, sizeof got);
    difference |= got ^ words.next();
  }
  const std::uint64_t last = words.next();
  return difference == 0 && std::memcmp(reply.data() + at, &last, size_ - at) == 0;
}

std::string EchoWorkload::explain(std::uint64_t message, std::uint64_t transaction,
                                  std::span<const std::byte> reply) const {
  std::vector<std::byte> request(size_);
  build(message, transaction, request);
  return "not what was sent: " + first_difference(request, reply).value_or("no difference");
}

WorkWorkload::WorkWorkload(std::size_t size, const std::optional<WorkProfile>& profile)
    : EchoWorkload(size), profile_(profile) {
  if (size < WorkProfile::kMinPayload)
    throw WorkloadError(fmt::format("--size {}: must be at least {} for service work", size,
                                    WorkProfile::kMinPayload));
}

std::string WorkWorkload::title() const {
  return profile_ ? "work " + profile_->text() : "work";
}

std::vector<std::string> WorkWorkload::classes() const {
  if (!profile_) return {};
  if (profile_->modes() == 1) return {"all"};
  return {"short", "long"};
}

std::size_t WorkWorkload::class_of(std::uint64_t transaction) const noexcept {
  if (!profile_ || profile_->modes() == 1) return 0;
  std::array<std::byte, WorkProfile::kMinPayload> payload;
  build(0, transaction, payload);
  return profile_->is_long(WorkProfile::key_of(payload)) ? 1 : 0;
}

}  // namespace cpss::udpblast
