// The resources that all lanes of a process share: the message slots, the queues between the
// stages, and what the lanes need to know of each other. Lanes are wired to them (lane_runtime.h).
//
// Made and destroyed by the main thread, around the life of the lanes.
#pragma once

#include <optional>
#include <vector>

#include "base/file_descriptor.h"
#include "net/datagram_socket.h"
#include "queue/slot_pool.h"
#include "queue/slot_queue.h"
#include "queue/worker_occupancy.h"
#include "queue/worker_queue.h"
#include "server/pipeline/assignment.h"
#include "server/pipeline/scoreboard.h"
#include "services/service.h"
#include "stages/lane/attendance.h"
#include "stages/lane/hop_time.h"
#include "stages/lane/step_cost.h"
#include "stages/lane/wait.h"
#include "stages/message/memory.h"
#include "stages/message/send_pressure.h"
#include "stages/message/slot_store.h"
#include "stages/receive/access_control.h"
#include "stages/service/worker_load.h"

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

  // Called by the main thread as well. Where lanes share their work, calls one that is away if all
  // that attend have been inside the service since the last call: it is to receive meanwhile.
  void relieve() noexcept;

  // Where all replies go; null: to the source of each request.
  const SocketAddress* reply_address() const noexcept {
    return in.options.reply_address ? &*in.options.reply_address : nullptr;
  }
  bool has_workers() const noexcept { return workers_ > 0; }
  std::size_t first_worker() const noexcept;  // among the lanes
  // Whether lanes that receive go on after that, with messages that other lanes put into queues.
  bool lanes_have_queues() const noexcept { return work_sharing() || replies_wake_by_event; }
  bool work_sharing() const noexcept { return in.assignment.work_sharing; }
  // After the last request: lanes that share their work finish what there is, and end.
  void close_requests() noexcept;
  // After the last message was deferred: who processes these finishes what there is, and ends.
  void close_deferred() noexcept;
  // The sockets of a group, and the place of its first socket in the list of all.
  std::vector<DatagramSocket*> sockets_of_group(unsigned group) const;
  std::size_t first_socket_of_group(unsigned group) const noexcept;

  const PipelineInputs in;
  const unsigned receivers, servers, responders;  // lanes that run these steps as their own
  const unsigned keepers;                         // lanes that keep free slots between batches

 private:
  const unsigned workers_;
  std::vector<std::uint64_t> rounds_;  // of each lane that receives, at the last relieve()
  std::vector<unsigned> held_up_;  // lanes that were inside the service when all were; ascending

 public:
  // Whether lanes that wait for datagrams also wait for replies that others hand to them.
  const bool replies_wake_by_event;

 private:
  const int slots_event_;  // wakes lanes that wait for slots, and for datagrams
  // Each wakes a lane that waits for datagrams, and also: for replies; for requests and deferred
  // messages, or a call, if lanes share their work.
  const int replies_event_;
  const FileDescriptor requests_event_;
  const FileDescriptor deferred_event_;
  const FileDescriptor call_event_;
  Memory pool_memory_;
  Memory request_memory_;
  Memory response_memory_;
  std::optional<Memory> deferred_memory_;
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
  SlotQueue* deferred = nullptr;         // only if lanes that share their work may block
  std::optional<Attendance> attendance;  // this and the next: of lanes that share their work
  HopTime hop_time;
  WorkerQueue* worker_queue = nullptr;  // this and the next: null without workers
  WorkerOccupancy* occupancy = nullptr;
  std::optional<WorkerLoad> worker_load;  // only where on-demand threads are started if they help
};

}  // namespace cpss
