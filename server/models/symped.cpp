#include "server/models/models.h"

namespace cpss {

Assignment symped(const PipelineOptions& options) {
  Assignment result;
  result.leader_followers = options.sockets == SocketSharing::handoff;
  const unsigned lanes = result.leader_followers ? options.max_lanes : options.lanes;
  for (unsigned i = 0; i < lanes; ++i) result.lanes.push_back(whole_lane(options, "lane", i));
  share_out_sockets(result, options.sockets);
  return result;
}

}  // namespace cpss
