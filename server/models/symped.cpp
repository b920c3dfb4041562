#include "server/models/models.h"

namespace cpss {

Assignment symped(const PipelineOptions& options) {
  Assignment result;
  const bool own_sockets = options.sockets == SocketSharing::reuseport;
  result.by_turns = options.sockets == SocketSharing::handoff;
  const unsigned lanes = result.by_turns ? options.most_lanes : options.lanes;
  for (unsigned i = 0; i < lanes; ++i) {
    result.lanes.push_back(whole_lane(options, "lane", i));
    if (own_sockets) result.lanes.back().sockets = i;
  }
  if (own_sockets) result.socket_groups = lanes;
  result.shared_sockets = options.sockets == SocketSharing::shared && lanes > 1;
  return result;
}

}  // namespace cpss
