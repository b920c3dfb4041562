// What a server says about itself in its stats region.
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
  Detail detail = Detail::histograms;  // cut down to RegionOptions::max_detail()
  bool helper = false;                 // the lane is another stage's and helps this one
};

struct RegionOptions {
  std::string path;  // empty: the default place (stats/location.h)
  std::string model;
  std::string service;
  std::vector<std::string> listen;  // 127.0.0.1:7700, with the real port
  std::vector<RegionBlock> blocks;
  // Most datagrams that can be received and in no outcome yet: slots + spare batches + held
  // segments + one batch a lane.
  std::uint64_t max_inside = 0;
  std::uint64_t slots = 0;
  bool histograms = true;            // false: nor is there room for them
  bool kernel_dropped_exact = true;  // false: kernel_dropped counts merged packets (UDP_GRO)

  // What a block has room for, and so the most that a writer may keep: one answer for both.
  Detail max_detail() const noexcept { return histograms ? Detail::histograms : Detail::counters; }
};

}  // namespace cpss
