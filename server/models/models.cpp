#include "server/models/models.h"

#include <array>
#include <cstddef>

namespace cpss {
namespace {

// In the order of kModels (config/server_models.h).
constexpr std::array kAssignments = {seda, sped, symped, amped, mp};
static_assert(kAssignments.size() == kModels.size());

}  // namespace

Assignment assignment_of(const PipelineOptions& options) {
  return kAssignments[static_cast<std::size_t>(options.model)](options);
}

}  // namespace cpss
