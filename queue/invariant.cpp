#include "queue/invariant.h"

#include <cstdio>
#include <cstdlib>

namespace cpss {

void invariant_broken(const char* what, std::source_location where) noexcept {
  std::fprintf(stderr, "cpss: broken invariant: %s (%s:%u). This is a defect; please report it.\n",
               what, where.file_name(), static_cast<unsigned>(where.line()));
  std::abort();
}

}  // namespace cpss
