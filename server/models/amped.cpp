#include "server/models/models.h"

namespace cpss {

Assignment amped(const PipelineOptions& options) {
  Assignment result{.lanes = {whole_lane(options, "lane", 0)}};
  add_workers(result, options);
  return result;
}

}  // namespace cpss
