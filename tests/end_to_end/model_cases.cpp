#include "tests/end_to_end/model_cases.h"

#include "tests/support/threads.h"

namespace cpss {
namespace {

const Names kDirect = {"receive", "service", "response"};
const Names kWithWorkers = {"receive", "service", "worker", "response"};
const std::pair<std::string, std::string> kLanes = {"CPSS_LANES", "symped, mp"};
const std::pair<std::string, std::string> kReceiveThreads = {"CPSS_RECV_THREADS", "seda"};
const std::pair<std::string, std::string> kWorkerThreads = {"CPSS_WORKER_THREADS", "seda, amped"};

Names numbered(const std::string& kind, std::size_t count) {
  Names names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(kind + "-" + std::to_string(i));
  return names;
}

}  // namespace

std::vector<ModelCase> model_cases() {
  const std::size_t max_lanes = 2 * test::allowed_cpus().size();
  const std::size_t sharing_lanes = test::allowed_cpus().size() + 1;
  return {
      {.name = "default",
       .settings = {},
       .model = "seda",
       .stages = kWithWorkers,
       .receivers = numbered("lane", sharing_lanes),
       .sheds = true,
       .others = kLanes},
      {.name = "default_with_workers",
       .settings = {{"CPSS_WORKER_THREADS", "2"}, {"CPSS_DEFER", "all"}},
       .model = "seda",
       .stages = kWithWorkers,
       .receivers = numbered("lane", sharing_lanes),
       .sheds = true,
       .others = kLanes},
      // Queued: else its one receive lane would run the service inline, and not go on receiving
      // while the service stands still.
      {.name = "seda",
       .settings = {{"CPSS_DISPATCH", "queued"}},
       .model = "seda",
       .stages = kDirect,
       .receivers = numbered("recv", 1),
       .sheds = true,
       .others = kLanes},
      {.name = "seda_reuseport",
       .settings = {{"CPSS_RECV_THREADS", "2"},
                    {"CPSS_SOCKETS", "reuseport"},
                    {"CPSS_STEERING", "random"}},
       .model = "seda",
       .stages = kDirect,
       .receivers = numbered("recv", 2),
       .sheds = true,
       .others = kLanes},
      {.name = "sped",
       .settings = {{"CPSS_MODEL", "sped"}},
       .model = "sped",
       .stages = kDirect,
       .receivers = numbered("lane", 1),
       .others = kLanes},
      {.name = "symped_shared",
       .settings = {{"CPSS_MODEL", "symped"}, {"CPSS_LANES", "3"}},
       .model = "symped",
       .stages = kDirect,
       .receivers = numbered("lane", 3),
       .sheds = true,
       .others = kReceiveThreads},
      {.name = "symped_all_wake",
       .settings = {{"CPSS_MODEL", "symped"},
                    {"CPSS_LANES", "3"},
                    {"CPSS_EPOLLEXCLUSIVE", "false"}},
       .model = "symped",
       .stages = kDirect,
       .receivers = numbered("lane", 3),
       .sheds = true,
       .others = kReceiveThreads},
      {.name = "symped_reuseport",
       .settings = {{"CPSS_MODEL", "symped"}, {"CPSS_LANES", "3"}, {"CPSS_SOCKETS", "reuseport"}},
       .model = "symped",
       .stages = kDirect,
       .receivers = numbered("lane", 3),
       .sheds = true,
       .others = kReceiveThreads},
      {.name = "symped_reuseport_random",
       .settings = {{"CPSS_MODEL", "symped"},
                    {"CPSS_LANES", "3"},
                    {"CPSS_SOCKETS", "reuseport"},
                    {"CPSS_STEERING", "random"}},
       .model = "symped",
       .stages = kDirect,
       .receivers = numbered("lane", 3),
       .sheds = true,
       .others = kReceiveThreads},
      {.name = "symped_handoff",
       .settings = {{"CPSS_MODEL", "symped"},
                    {"CPSS_LANES", "1"},
                    {"CPSS_SOCKETS", "handoff"},
                    {"CPSS_HANDOFF_LIMIT", "2"}},
       .model = "symped",
       .stages = kDirect,
       .receivers = numbered("lane", max_lanes),
       // A lane below its limit stays the leader, so no lane receives, and none sheds.
       .others = kReceiveThreads},
      {.name = "amped",
       .settings = {{"CPSS_MODEL", "amped"}},
       .model = "amped",
       .stages = kWithWorkers,
       .receivers = numbered("lane", 1),
       .others = kReceiveThreads},
      {.name = "amped_defer_all",
       .settings = {{"CPSS_MODEL", "amped"}, {"CPSS_WORKER_THREADS", "2"}, {"CPSS_DEFER", "all"}},
       .model = "amped",
       .stages = kWithWorkers,
       .receivers = numbered("lane", 1),
       .sheds = true,
       .others = kReceiveThreads},
      {.name = "amped_on_demand",
       .settings = {{"CPSS_MODEL", "amped"}, {"CPSS_DEFER", "all"}, {"CPSS_ONDEMAND_THREADS", "2"}},
       .model = "amped",
       .stages = {"receive", "service", "worker", "on_demand", "response"},
       .receivers = numbered("lane", 1),
       .sheds = true,
       .others = kReceiveThreads},
      {.name = "mp_prefork",
       .settings = {{"CPSS_MODEL", "mp"}, {"CPSS_LANES", "3"}},
       .model = "mp",
       .stages = kDirect,
       .receivers = numbered("proc", 3),
       .others = kWorkerThreads},
      {.name = "mp_prefork_reuseport",
       .settings = {{"CPSS_MODEL", "mp"}, {"CPSS_LANES", "3"}, {"CPSS_SOCKETS", "reuseport"}},
       .model = "mp",
       .stages = kDirect,
       .receivers = numbered("proc", 3),
       .others = kWorkerThreads},
      {.name = "mp_fork",
       .settings = {{"CPSS_MODEL", "mp"}, {"CPSS_LANES", "2"}, {"CPSS_MP", "fork"}},
       .model = "mp",
       .stages = kDirect,
       .receivers = numbered("recv", 1),
       .sheds = true,
       .others = kWorkerThreads},
  };
}

}  // namespace cpss
