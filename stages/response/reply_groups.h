// Brings the replies of a batch into an order in which those that can leave as one packet
// (net/segmentation.h) stand together: same peer, same local address, same length. Inside such a
// group, and of the groups' first replies, the order stays.
//
// One object per lane; nothing is allocated after construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "net/datagram_socket.h"
#include "stages/response/pending_reply.h"

namespace cpss {

class ReplyGroups {
 public:
  explicit ReplyGroups(std::size_t batch);

  // replies.size() == messages.size() <= batch; both are brought into the same order.
  void gather(std::span<OutgoingDatagram> replies, std::span<PendingReply> messages) noexcept;

 private:
  // The group of the reply, which is a new one if there is none yet.
  std::uint16_t group_of(std::span<const OutgoingDatagram> replies, std::uint16_t reply) noexcept;

  struct Group {
    std::uint16_t first;  // the reply that began it
    std::uint16_t size;
  };
  std::vector<Group> groups_;
  std::vector<std::uint16_t> table_;  // groups + 1 by hash; 0: empty
  std::vector<std::uint16_t> group_;  // of each reply
  std::vector<std::uint16_t> place_;  // of each group, where its next reply goes
  std::vector<OutgoingDatagram> replies_;
  std::vector<PendingReply> messages_;
};

}  // namespace cpss
