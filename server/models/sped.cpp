#include "server/models/models.h"

namespace cpss {

Assignment sped(const PipelineOptions& options) {
  return {.lanes = {whole_lane(options, "lane", 0)}};
}

}  // namespace cpss
