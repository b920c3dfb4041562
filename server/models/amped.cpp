#include "server/models/models.h"

namespace cpss {

// Under CPSS_OVERLOAD=block the worker queue holds every slot: the loop must never wait for room.
Assignment amped(const PipelineOptions& options) {
  Assignment result{.lanes = {whole_lane(options, "lane", 0)}};
  add_workers(result, options);
  return result;
}

}  // namespace cpss
