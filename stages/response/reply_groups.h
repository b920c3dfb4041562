// Reorders the replies of a batch, so that those that can leave as one packet (net/segmentation.h)
// stand together: same peer, same local address, same length. The order within such a group stays,
// and so does the order of the groups' first replies.
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

  // replies.size() == messages.size() <= batch; puts both into the same order.
  void gather(std::span<OutgoingDatagram> replies, std::span<PendingReply> messages) noexcept;

 private:
  // The group of the reply; makes a new group if there is none yet.
  std::uint16_t group_of(std::span<const OutgoingDatagram> replies, std::uint16_t reply) noexcept;

  struct Group {
    std::uint16_t first;  // the reply that began it
    std::uint16_t size;
  };
  std::vector<Group> groups_;
  std::vector<std::uint16_t> table_;  // groups + 1 by hash; 0: empty
  std::vector<std::uint16_t> group_;  // of each reply
  std::vector<std::uint16_t> place_;  // of each group: where its next reply goes
  std::vector<OutgoingDatagram> replies_;
  std::vector<PendingReply> messages_;
};

}  // namespace cpss
