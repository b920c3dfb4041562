// Checks of conditions that must hold. A failed check is a defect of this program: it says so and
// aborts, in every build, because a wrong ledger is worse than no server.
#pragma once

#include <source_location>

namespace cpss {

[[noreturn]] void invariant_broken(const char* what, std::source_location where) noexcept;

inline void invariant(bool holds, const char* what,
                      std::source_location where = std::source_location::current()) noexcept {
  if (!holds) [[unlikely]]
    invariant_broken(what, where);
}

}  // namespace cpss
