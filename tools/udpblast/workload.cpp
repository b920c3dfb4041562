#include "tools/udpblast/workload.h"

#include <algorithm>

#include <fmt/format.h>

#include "tools/udpblast/data_file.h"
#include "tools/udpblast/echo_workload.h"
#include "tools/udpblast/native_workload.h"

namespace cpss::udpblast {

std::unique_ptr<Workload> make_workload(const Options& options) {
  if (options.service == ServiceKind::echo) return std::make_unique<EchoWorkload>(options.size);
  if (options.service == ServiceKind::work)
    return std::make_unique<WorkWorkload>(options.size, options.work);
  if (options.data_file)
    return std::make_unique<NativeWorkload>(options.size,
                                            std::make_unique<DataFile>(*options.data_file));
  return std::make_unique<NativeWorkload>(options.size, nullptr);
}

std::optional<std::string> first_difference(std::span<const std::byte> expected,
                                            std::span<const std::byte> got) {
  const auto [left, right] = std::ranges::mismatch(expected, got);
  if (left != expected.end() && right != got.end())
    return fmt::format("byte {} is 0x{:02x} instead of 0x{:02x}", left - expected.begin(),
                       std::to_integer<unsigned>(*right), std::to_integer<unsigned>(*left));
  if (expected.size() != got.size())
    return fmt::format("{} bytes instead of {}", got.size(), expected.size());
  return std::nullopt;
}

}  // namespace cpss::udpblast
