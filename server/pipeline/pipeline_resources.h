// The resources that all lanes of a process share: the message slots, the queues between the
// stages, and what the lanes need to know of each other. Lanes are wired to them (lane_runtime.h).
//
// Made and destroyed by the main thread, around the life of the lanes.
#pragma once

#include <optional>
#include <vector>

#include "net/datagram_socket.h"
#include "queue/slot_pool.h"
#include "queue/slot_queue.h"
#include "queue/worker_occupancy.h"
#include "queue/worker_queue.h"
#include "server/pipeline/assignment.h"
#include "server/pipeline/scoreboard.h"
#include "services/service.h"
#include "stages/lane/step_cost.h"
#include "stages/lane/wait.h"
#include "stages/message/memory.h"
#include "stages/message/send_pressure.h"
#include "stages/message/slot_store.h"
#include "stages/receive/access_control.h"

namespace cpss {

// The parts of the pipeline that the caller owns; they outlive the resources.
struct PipelineInputs {
  const PipelineOptions& options;
  const Assignment& assignment;
  Service& service;
  const std::vector<DatagramSocket*>& sockets;  // group by group (Assignment::socket_groups)
  const AccessControl& access_control;
  Scoreboard& scoreboard;
};

class PipelineResources {
 public:
  // Throws std::bad_alloc, std::system_error.
  explicit PipelineResources(const PipelineInputs& inputs);
  ~PipelineResources();
  PipelineResources(const PipelineResources&) = delete;
  PipelineResources& operator=(const PipelineResources&) = delete;

  // Called by the main thread several times a second. Wakes one more lane for messages or slots
  // that wait, since the lane that was woken for them may stand still (BasicSemaphore::remind()).
  // Returns the system calls made.
  std::uint32_t remind() noexcept;

  // Where all replies go; null: to the source of each request.
  const SocketAddress* reply_address() const noexcept {
    return in.options.reply_address ? &*in.options.reply_address : nullptr;
  }
  bool has_workers() const noexcept { return workers_ > 0; }
  // The sockets of a group, and the place of its first socket in the list of all.
  std::vector<DatagramSocket*> sockets_of_group(unsigned group) const;
  std::size_t first_socket_of_group(unsigned group) const noexcept;

  const PipelineInputs in;
  const unsigned receivers, servers, responders;  // lanes that run these steps as their own
  const unsigned keepers;                         // lanes that keep free slots between batches

 private:
  const unsigned workers_;

 public:
  // Whether other lanes hand replies to a lane that also waits for datagrams.
  const bool replies_wake_by_event;

 private:
  const int slots_event_;    // wakes lanes that wait for slots, and for datagrams
  const int replies_event_;  // wakes the lane that waits for replies, and for datagrams
  Memory pool_memory_;
  Memory request_memory_;
  Memory response_memory_;
  std::optional<Memory> worker_memory_;

 public:
  const LongestWait longest_wait;
  const SendOutlook send_outlook;
  SlotStore store;
  SlotPool& pool;
  SlotQueue& requests;
  SlotQueue& responses;
  StepCost service_cost;
  StepCost response_cost;
  WorkerQueue* worker_queue = nullptr;  // this and the next: null without workers
  WorkerOccupancy* occupancy = nullptr;
};

}  // namespace cpss
