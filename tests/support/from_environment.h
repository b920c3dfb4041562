// How much of a test with random input is wanted: scripts/check asks for more than ctest does.
#pragma once

#include <cstdlib>

namespace cpss::test {

// The number in that variable of the environment, if it is set.
inline unsigned from_environment(const char* name, unsigned otherwise) {
  const char* const wanted = std::getenv(name);
  return wanted == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(wanted, nullptr, 10));
}

}  // namespace cpss::test
