// Counts the calls of the allocator's entry points (operator new ends in them too) by all threads
// of the program that this is linked or preloaded into. In sanitizer builds, whose allocators are
// their own, it is those that tell of each call.
#pragma once

#include <atomic>
#include <cstdint>

namespace cpss {

// So far.
std::uint64_t allocations() noexcept;

// Goes on counting in `counter`, which must stay to the end of the process. To be called before
// there is a second thread.
void count_allocations_in(std::atomic<std::uint64_t>& counter) noexcept;

}  // namespace cpss
