// Stage response: sends the replies of a batch, grouped by socket and, where the kernel can send
// several to one peer as one packet, by peer and length, and ends their messages.
//
// It never waits. Replies that find no room in their socket's send buffer, or may not take it now
// (send_room.h), wait in a list of that socket, at most an eighth of the slots and 4,096, while
// replies of other sockets go on. Each waits until Wiring::longest_wait after it found no room
// first in this list, and is then ended as failed (send_no_room); so a lane that only finishes what
// it holds ends. Before its first try, and where a lane that ran it inline gives it back, it waits
// in the queue without a limit of its own.
//
//   * Half of the list, at least one place, is for replies that may not take what room there is:
//     one more is ended at once. The other half, at least a batch, is for those that found none.
//   * Where no lane runs the step it is for one message, which waits only if it found no room: a
//     process that waited for a silent peer would be one less for the others.
//   * A lane with a single socket takes no more from its queue while that other half might
//     overflow: then replies wait in the queue, and requests in the kernel. With several sockets it
//     goes on, and what finds its half full is ended at once.
//
// One object per lane that runs it: response lanes, lanes that run it inline, which give back
// what finds no room, and lanes that run all steps.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "net/datagram_socket.h"
#include "stages/lane/batch_clock.h"
#include "stages/lane/lane_context.h"
#include "stages/lane/step.h"
#include "stages/lane/step_cost.h"
#include "stages/message/completion.h"
#include "stages/message/inline_dispatch.h"
#include "stages/message/send_room.h"
#include "stages/message/slot_store.h"
#include "stages/message/stage_input.h"
#include "stages/response/pending_reply.h"
#include "stages/response/reply_groups.h"
#include "stats/writer.h"

namespace cpss {

class ResponseStep final : public Step, public InlineStep {
 public:
  struct Wiring {
    std::vector<DatagramSocket*> sockets;  // in the order receive names them
    SlotStore& store;
    SlotQueue& responses;
    StepCost& cost;  // of this stage
    std::uint32_t batch;
    std::uint32_t lanes;                           // response lanes; 0: it has its message alone
    bool grouped = false;                          // by peer and length too
    const SocketAddress* reply_address = nullptr;  // null: to the source of each request
    std::chrono::nanoseconds longest_wait = std::chrono::milliseconds(50);  // of a reply for room
    // Of those in `sockets`, how many its replies leave by.
    std::size_t reply_sockets = 1;
    const SendOutlook* outlook = nullptr;  // null: nothing is known
    // Whether run_inline() keeps what found no room. False: the caller has it back.
    bool keeps_unsent = false;
  };

  ResponseStep(Wiring wiring, LaneContext& lane, StatsWriter stats);

  // Tries what waits, and takes more. Returns how many were taken or, if those are more, ended.
  std::size_t run() noexcept override;
  std::span<const std::uint32_t> run_inline(std::span<const std::uint32_t> slots,
                                            std::uint64_t begin_ns) noexcept override;
  std::size_t max_inline() const noexcept override { return InlineDispatch::kNoLimit; }
  // A socket whose replies wait: run() is to be called again when it has room, and every
  // kLongestForRoom (wait.h), which is how exactly their deadlines are kept.
  DatagramSocket* blocked_on() const noexcept override {
    return waiting_sockets_.empty() ? nullptr : w_.sockets[waiting_sockets_.front()];
  }
  void before_wait() noexcept override;

  StageInput& input() noexcept { return input_; }
  StatsWriter& stats() noexcept { return stats_; }

 private:
  using Replies = std::vector<PendingReply>;

  std::size_t max_to_take() const noexcept;
  void add(std::span<const std::uint32_t> slots) noexcept;
  // Offers all replies to their sockets; returns how many messages are dealt with.
  std::size_t send(std::uint64_t now_ns) noexcept;
  // Books the run, in which so many messages have ended, and returns their number.
  std::size_t finish(BatchClock& clock, std::size_t ended) noexcept;
  // Moves what waits to unsent_.
  void give_back_all() noexcept;
  std::size_t waiting() const noexcept;  // in all lists
  // Those that have to wait, and only those, are in the socket's list when it returns.
  void send_by(std::uint16_t socket_index, std::uint64_t now_ns) noexcept;
  // Moves replies that may be sent from the socket's list to group_, from `first` on, at most a
  // batch. Returns where it stopped.
  std::size_t next_group(Replies& list, std::size_t first, std::uint64_t now_ns) noexcept;
  OutgoingDatagram datagram_of(std::uint32_t slot) noexcept;
  // Returns how many of the group are dealt with; the others found no room in the kernel.
  std::size_t send_group(DatagramSocket& socket) noexcept;
  void send_failed(MessageRef ref, int error) noexcept;
  // Ends a message for `reason`, or, if it was shed, as that.
  void end(MessageRef ref, Reason reason) noexcept;
  // The reply waits on in the list, unless its time is over or the list is full. What is shed never
  // waits. `aside`: there may be room, but not for this one.
  void keep(Replies& list, PendingReply reply, std::uint64_t now_ns, bool aside) noexcept;

  Wiring w_;
  const std::size_t max_aside_;  // in the list of one socket,
  const std::size_t max_full_;   // and of those that found no room
  LaneContext& lane_;
  StatsWriter stats_;
  Completion completion_;
  StageInput input_;
  SendRoom room_;
  std::vector<Replies> lists_;                  // of each socket: to be sent, in order
  std::vector<std::uint16_t> waiting_sockets_;  // those with a list that is not empty
  std::size_t waiting_for_room_ = 0;            // in all lists, those aside not counted
  // While send_by() goes through a list: the first so many were looked at and stay in it,
  std::size_t kept_ = 0;
  std::size_t kept_aside_ = 0;       // and so many of them may not take what room there is
  bool no_room_ = false;             // some reply was ended for that
  std::vector<PendingReply> group_;  // of one socket, being sent
  std::vector<OutgoingDatagram> outgoing_;
  ReplyGroups groups_;
  std::vector<std::uint32_t> unsent_;  // by run_inline()
};

}  // namespace cpss
