// Counts the calls of operator new in this test program, by all threads.
#pragma once

#include <cstdint>

namespace cpss::udpblast {

std::uint64_t allocations() noexcept;

}  // namespace cpss::udpblast
