#include "stats/queue_flow.h"

#include <algorithm>

namespace cpss {
namespace {

// The stages of a snapshot by their roles; null: the server has no such stage.
struct Stages {
  explicit Stages(const Snapshot& snapshot)
      : receive(snapshot.stage("receive")),
        service(snapshot.stage("service")),
        worker(snapshot.stage("worker")),
        on_demand(snapshot.stage("on_demand")),
        response(snapshot.stage("response")) {}
  const StageSnapshot* receive;
  const StageSnapshot* service;
  const StageSnapshot* worker;
  const StageSnapshot* on_demand;
  const StageSnapshot* response;
};

QueueFlow into_service(const Stages& stages) {
  return {"service",
          "forwarded receive",
          "entered service",
          stages.receive->counter("forwarded"),
          stages.service->counter("entered"),
          stages.receive->gauge("queue_high_water")};
}

QueueFlow into_worker(const Stages& stages) {
  QueueFlow flow{"worker",
                 "deferred",
                 "entered worker",
                 stages.service->counter("deferred"),
                 stages.worker->counter("entered"),
                 stages.service->gauge("worker_queue_high_water")};
  if (stages.on_demand != nullptr) {
    flow.taken_text += " + on_demand";
    flow.taken += stages.on_demand->counter("entered");
  }
  return flow;
}

QueueFlow into_response(const Stages& stages) {
  QueueFlow flow{"response",
                 "forwarded service",
                 "entered response",
                 stages.service->counter("forwarded"),
                 stages.response->counter("entered"),
                 stages.service->gauge("queue_high_water")};
  if (stages.worker == nullptr) return flow;
  flow.put_text += " - deferred";
  flow.put -= stages.service->counter("deferred");
  for (const StageSnapshot* stage : {stages.worker, stages.on_demand}) {
    if (stage == nullptr) continue;
    flow.put_text += " + forwarded " + stage->name;
    flow.put += stage->counter("forwarded");
    flow.high_water = std::max(flow.high_water, stage->gauge("queue_high_water"));
  }
  return flow;
}

}  // namespace

std::vector<QueueFlow> queue_flows(const Snapshot& snapshot) {
  const Stages stages(snapshot);
  std::vector<QueueFlow> flows;
  if (stages.service == nullptr) return flows;
  if (stages.receive != nullptr) flows.push_back(into_service(stages));
  if (stages.worker != nullptr) flows.push_back(into_worker(stages));
  if (stages.response != nullptr) flows.push_back(into_response(stages));
  return flows;
}

}  // namespace cpss
