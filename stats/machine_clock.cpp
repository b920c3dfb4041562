#include "stats/machine_clock.h"

#include <array>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_descriptor.h"

namespace cpss {
namespace {

ino_t inode_of(const char* path) noexcept {
  struct stat status {};
  return ::stat(path, &status) == 0 ? status.st_ino : 0;
}

ClockOffsets read_clock_offsets() noexcept {
  // The file describes the namespace of this process's children. The process is in that namespace
  // itself unless it is the very process that called unshare(2).
  if (inode_of("/proc/self/ns/time") != inode_of("/proc/self/ns/time_for_children")) return {};
  const FileDescriptor file(::open("/proc/self/timens_offsets", O_RDONLY | O_CLOEXEC));
  std::array<char, 256> text{};
  if (!file.valid() || ::read(file.get(), text.data(), text.size() - 1) <= 0) return {};
  return parse_clock_offsets(text.data());
}

}  // namespace

ClockOffsets parse_clock_offsets(const char* text) noexcept {
  ClockOffsets result;
  while (text != nullptr && *text != '\0') {
    std::array<char, 16> name{};
    long long seconds = 0;
    long long ns = 0;  // never negative
    if (std::sscanf(text, "%15s %lld %lld", name.data(), &seconds, &ns) == 3) {
      const std::int64_t offset = seconds * 1'000'000'000 + ns;
      if (std::strcmp(name.data(), "monotonic") == 0) result.monotonic_ns = offset;
      if (std::strcmp(name.data(), "boottime") == 0) result.boottime_ns = offset;
    }
    text = std::strchr(text, '\n');
    if (text != nullptr) ++text;
  }
  return result;
}

const ClockOffsets& clock_offsets() noexcept {
  static const ClockOffsets offsets = read_clock_offsets();
  return offsets;
}

}  // namespace cpss
