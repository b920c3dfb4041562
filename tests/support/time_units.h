// Times in tests.
#pragma once

#include <cstdint>

namespace cpss::test {

inline constexpr std::uint64_t kMs = 1'000'000;  // ns

}  // namespace cpss::test
