// Stage response: sends the replies of a batch and ends their messages. It groups the replies by
// socket and, where the kernel can send several to one peer as one packet, by peer and length.
//
// It never waits. Replies that find no room in their socket's send buffer, or may not take it now
// (send_room.h), wait in a list of that socket, at most an eighth of the slots and 4,096, while
// replies of other sockets go on. In this list each reply waits at most Wiring::longest_wait from
// the time when it first found no room. Then it ends as failed (send_no_room); so a lane at its
// end, which only finishes what it holds, ends too. A reply waits in the queue without a limit of
// its own before its first try, and where a lane that ran it inline gives it back.
//
//   * Half of the list, at least one place, is for replies that may not take the room there is: one
//     more is ended at once. The other half, at least a batch, is for those that found none.
//   * Where no lane runs the step, a process runs it for one message, which waits only if it found
//     no room: a process that waited for a silent peer would be one less for the others.
//   * A lane with a single socket takes no more from its queue while that other half might
//     overflow: then replies wait in the queue, and requests in the kernel. With several sockets it
//     goes on, and a reply that finds its half full is ended at once.
//
// One object per lane that runs it: response lanes; lanes that run it inline, which give back
// replies that find no room; and lanes that run all steps.
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
    std::uint32_t lanes;                           // response lanes; 0: runs for one message alone
    bool grouped = false;                          // by peer and length too
    const SocketAddress* reply_address = nullptr;  // null: to the source of each request
    std::chrono::nanoseconds longest_wait = std::chrono::milliseconds(50);  // of a reply for room
    // How many of the `sockets` its replies leave by.
    std::size_t reply_sockets = 1;
    const SendOutlook* outlook = nullptr;  // null: nothing is known
    // Whether run_inline() keeps replies that found no room. False: it gives them back.
    bool keeps_unsent = false;
  };

  ResponseStep(Wiring wiring, LaneContext& lane, StatsWriter stats);

  // Tries the replies that wait, and takes more. `moved`: how many it took or, if that is more, how
  // many ended. `full`: a socket whose replies wait. The lane has to call run() again when that
  // socket has room, and every kLongestForRoom (wait.h), which is how exactly deadlines are kept.
  RunResult run() noexcept override;
  std::span<const std::uint32_t> run_inline(std::span<const std::uint32_t> slots,
                                            std::uint64_t begin_ns) noexcept override;
  std::size_t max_inline() const noexcept override { return InlineDispatch::kNoLimit; }
  void before_wait() noexcept override;
  // A socket whose replies wait; null: none waits.
  DatagramSocket* full_socket() const noexcept {
    return waiting_sockets_.empty() ? nullptr : w_.sockets[waiting_sockets_.front()];
  }

  StageInput& input() noexcept { return input_; }
  StatsWriter& stats() noexcept { return stats_; }

 private:
  using Replies = std::vector<PendingReply>;

  std::size_t max_to_take() const noexcept;
  void add(std::span<const std::uint32_t> slots) noexcept;
  // Offers all replies to their sockets; returns how many messages have ended.
  std::size_t send(std::uint64_t now_ns) noexcept;
  // Books the run, in which so many messages have `ended`, and returns their number.
  std::size_t finish(BatchClock& clock, std::size_t ended) noexcept;
  // Moves all waiting replies to unsent_.
  void give_back_all() noexcept;
  std::size_t waiting() const noexcept;  // in all lists
  // When it returns, the socket's list holds the replies that have to wait, and no others.
  void send_by(std::uint16_t socket_index, std::uint64_t now_ns) noexcept;
  // Moves replies that may be sent from the socket's list, from `first` on, to group_, at most a
  // batch. Returns where it stopped.
  std::size_t next_group(Replies& list, std::size_t first, std::uint64_t now_ns) noexcept;
  OutgoingDatagram datagram_of(std::uint32_t slot) noexcept {
    const SlotHeader& header = w_.store.header(slot);
    const bool to_source = w_.reply_address == nullptr;
    return {header.reply_in_request_window ? w_.store.request(slot) : w_.store.reply(slot),
            header.reply_length, to_source ? &header.peer : w_.reply_address,
            to_source && header.has_local ? &header.local : nullptr};
  }
  // Returns how many of the group are sent or failed; the others found no room in the kernel.
  std::size_t send_group(DatagramSocket& socket) noexcept;
  void send_failed(MessageRef ref, int error) noexcept;
  // Ends a message for `reason`, or as shed if it was shed.
  void end(MessageRef ref, Reason reason) noexcept {
    const bool shed = w_.store.header(ref.slot).shed;
    completion_.complete(ref, shed ? Reason::shed_worker_queue_full : reason);
  }
  // The reply waits on in the list, unless its time is over or the list is full: then it ends. A
  // reply to a shed message never waits. `aside`: there may be room, but not for this reply.
  void keep(Replies& list, PendingReply reply, std::uint64_t now_ns, bool aside) noexcept;

  Wiring w_;
  const std::size_t max_aside_;  // replies aside in the list of one socket
  const std::size_t max_full_;   // replies there that found no room
  LaneContext& lane_;
  StatsWriter stats_;
  Completion completion_;
  StageInput input_;
  SendRoom room_;
  std::vector<Replies> lists_;                  // by socket: to be sent, in order
  std::vector<std::uint16_t> waiting_sockets_;  // those with a list that is not empty
  std::size_t waiting_for_room_ = 0;            // in all lists, without those aside
  // While send_by() goes through a list: how many replies it has looked at and keeps, at the front,
  std::size_t kept_ = 0;
  std::size_t kept_aside_ = 0;       // and how many of these may not take the room there is
  bool no_room_ = false;             // a reply was ended because there was no room
  std::vector<PendingReply> group_;  // of one socket, being sent
  std::vector<OutgoingDatagram> outgoing_;
  ReplyGroups groups_;
  std::vector<std::uint32_t> unsent_;  // slots that run_inline() returns
};

}  // namespace cpss
