#include "tests/end_to_end/break_counter.h"

#include <stdexcept>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stats/layout.h"

namespace cpss {

void break_counter(const std::string& stats_file, const std::string& counter) {
  const int fd = open(stats_file.c_str(), O_RDWR | O_CLOEXEC);
  const auto bytes = static_cast<std::size_t>(lseek(fd, 0, SEEK_END));
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped == MAP_FAILED) throw std::runtime_error("cannot map " + stats_file);
  auto* file = static_cast<std::byte*>(mapped);
  const auto& header = *reinterpret_cast<const layout::Header*>(file);
  const auto& block = *reinterpret_cast<const layout::BlockEntry*>(file + header.blocks.offset);
  bool found = false;
  for (std::uint32_t i = 0; i < header.metrics.count; ++i) {
    const auto& metric = *reinterpret_cast<const layout::MetricEntry*>(
        file + header.metrics.offset + std::size_t{i} * header.metrics.entry_bytes);
    if (counter != metric.name.data()) continue;
    found = true;
    reinterpret_cast<Value*>(file + block.offset + metric.offset)
        ->fetch_add(1, std::memory_order_relaxed);
  }
  munmap(mapped, bytes);
  if (!found) throw std::runtime_error("no counter " + counter);
}

}  // namespace cpss
