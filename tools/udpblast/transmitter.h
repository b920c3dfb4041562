// Hands a batch of messages to the kernel and counts the results.
//
// One thread. Allocates nothing but the text of the first error.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tools/udpblast/client_socket.h"
#include "tools/udpblast/datagram_batch.h"
#include "tools/udpblast/finding.h"
#include "tools/udpblast/tally.h"

namespace cpss::udpblast {

class Transmitter {
 public:
  Transmitter(Tally& tally, FirstFindings& findings) noexcept
      : tally_(tally), findings_(findings) {}

  // Returns how many of the batch's first `count` messages the kernel took, in order; the rest may
  // be tried again a little later.
  std::size_t transmit(ClientSocket& socket, DatagramBatch& batch, std::size_t count,
                       std::uint64_t now_ns);

 private:
  Tally& tally_;
  FirstFindings& findings_;
};

}  // namespace cpss::udpblast
