// Counts the calls of the allocator's entry points (operator new ends in them too) by all threads
// of the program that this is linked or preloaded into. Sanitizers bring allocators of their own;
// in their builds the sanitizer's hook counts each call.
#pragma once

#include <atomic>
#include <cstdint>

namespace cpss {

// The number of calls so far.
std::uint64_t allocations() noexcept;

// Counts in `counter` from now on; it must live until the process ends. Call this before there is a
// second thread.
void count_allocations_in(std::atomic<std::uint64_t>& counter) noexcept;

}  // namespace cpss
