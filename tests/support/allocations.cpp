#include "tests/support/allocations.h"

#include <cerrno>
#include <cstddef>

namespace {

std::atomic<std::uint64_t> own_counter{0};
std::atomic<std::uint64_t>* counter = &own_counter;

void count() noexcept {
  counter->fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

namespace cpss {

std::uint64_t allocations() noexcept {
  return counter->load(std::memory_order_relaxed);
}

void count_allocations_in(std::atomic<std::uint64_t>& other) noexcept {
  counter = &other;
}

}  // namespace cpss

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

// g++ 12 does not install the header that declares this function (sanitizer/allocator_interface.h).
extern "C" int __sanitizer_install_malloc_and_free_hooks(
    void (*allocated)(const volatile void* memory, std::size_t size),
    void (*freed)(const volatile void* memory));

namespace {
[[maybe_unused]] const int installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t) { count(); }, [](const volatile void*) {});
}

#else

// glibc's own entry points do the work.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t number, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
  count();
  return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) {
  count();
  return __libc_calloc(number, size);
}
void* realloc(void* memory, std::size_t size) {
  count();
  return __libc_realloc(memory, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  count();
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}
}

#endif
