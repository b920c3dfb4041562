#include "stats/file_mapping.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <system_error>

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace cpss {
namespace {

// Static, because a signal handler reaches nothing else. The handler reads the table; the functions
// below change it under `table_mutex`.
struct Guard {
  // Null: free. Stored last (release), read first (acquire).
  std::atomic<std::byte*> begin{nullptr};
  std::atomic<std::size_t> bytes{0};
  std::atomic<bool> lost{false};
};
static_assert(std::atomic<std::byte*>::is_always_lock_free &&
                  std::atomic<bool>::is_always_lock_free,
              "used in a signal handler");

std::array<Guard, FileMapping::kMaxMappings> table;
std::mutex table_mutex;
struct sigaction previous_action;

Guard* guard_of(const void* place) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(place);
  for (Guard& guard : table) {
    const auto begin =
        reinterpret_cast<std::uintptr_t>(guard.begin.load(std::memory_order_acquire));
    if (begin != 0 && address >= begin &&
        address - begin < guard.bytes.load(std::memory_order_relaxed))
      return &guard;
  }
  return nullptr;
}

// The bare system call: mmap() is not on the list of signal-safety(7), and ThreadSanitizer counts
// its mmap() as a write to every byte, which would race with the accesses of other threads. The
// kernel exchanges the pages in one step for all threads.
bool put_zeroed_memory_over(const Guard& guard) noexcept {
  return ::syscall(SYS_mmap, guard.begin.load(std::memory_order_relaxed),
                   guard.bytes.load(std::memory_order_relaxed), PROT_READ | PROT_WRITE,
                   MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1L, 0L) != -1;
}

void on_sigbus(int signal, siginfo_t* info, void* /*context*/) {
  const int saved_errno = errno;
  if (info->si_code == BUS_ADRERR) {
    Guard* guard = guard_of(info->si_addr);
    if (guard != nullptr && put_zeroed_memory_over(*guard)) {
      guard->lost.store(true, std::memory_order_release);
      errno = saved_errno;
      return;
    }
  }
  // Not ours. A fault repeats itself when the handler returns; a signal that a process sent does
  // not.
  ::sigaction(SIGBUS, &previous_action, nullptr);
  if (info->si_code <= 0) ::raise(signal);
  errno = saved_errno;
}

void install_handler() {
  struct sigaction action {};
  action.sa_sigaction = on_sigbus;
  action.sa_flags = SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, &previous_action);
}

std::size_t claim_guard(std::byte* data, std::size_t bytes) {
  const std::lock_guard lock(table_mutex);
  for (std::size_t i = 0; i < table.size(); ++i) {
    Guard& guard = table[i];
    if (guard.begin.load(std::memory_order_relaxed) != nullptr) continue;
    guard.lost.store(false, std::memory_order_relaxed);
    guard.bytes.store(bytes, std::memory_order_relaxed);
    guard.begin.store(data, std::memory_order_release);
    return i;
  }
  throw std::system_error(ENOMEM, std::generic_category(), "too many mapped stats regions");
}

}  // namespace

FileMapping::FileMapping(int fd, std::size_t bytes, Access access) : bytes_(bytes) {
  static std::once_flag installed;
  std::call_once(installed, install_handler);
  const bool writes = access == Access::write;
  void* data = ::mmap(nullptr, bytes, writes ? PROT_READ | PROT_WRITE : PROT_READ,
                      MAP_SHARED | (writes ? MAP_POPULATE : 0), fd, 0);
  if (data == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  data_ = static_cast<std::byte*>(data);
  try {
    guard_ = claim_guard(data_, bytes);
  } catch (...) {
    ::munmap(data_, bytes_);
    throw;
  }
}

FileMapping::~FileMapping() {
  {
    const std::lock_guard lock(table_mutex);
    table[guard_].begin.store(nullptr, std::memory_order_release);
  }
  ::munmap(data_, bytes_);
}

bool FileMapping::lost() const noexcept {
  return table[guard_].lost.load(std::memory_order_acquire);
}

}  // namespace cpss
