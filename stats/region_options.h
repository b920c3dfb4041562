// A server's statements about itself in its stats region.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stats/metrics.h"

namespace cpss {

// The values of one lane in one stage.
struct RegionBlock {
  std::string lane;  // the thread's name: svc-0
  StageId stage;
  Detail detail = Detail::histograms;  // reduced to RegionOptions::max_detail()
  bool runs_inline = false;            // a lane of another stage, which runs this stage inline
};

struct RegionOptions {
  std::string path;  // empty: the default place (stats/location.h)
  std::string model;
  std::string service;
  std::vector<std::string> listen;  // 127.0.0.1:7700, with the real port
  std::vector<RegionBlock> blocks;
  // Max. of datagrams received and in no outcome yet: slots + one batch a lane + for each
  // receive lane a spare batch to shed, or the merged datagrams that it holds without a slot
  // (server/pipeline/assignment.cpp).
  std::uint64_t max_inside = 0;
  std::uint64_t slots = 0;
  bool histograms = true;            // false: blocks have no room for them either
  bool kernel_dropped_exact = true;  // false: kernel_dropped counts merged packets (UDP_GRO)

  // The detail that a block has room for, and so the maximum of its writer.
  Detail max_detail() const noexcept { return histograms ? Detail::histograms : Detail::counters; }
};

}  // namespace cpss
