#include "tools/udpblast/datagram_batch.h"

#include <algorithm>

#include "base/stride.h"

namespace cpss::udpblast {

DatagramBatch::DatagramBatch(std::size_t count, std::size_t bytes, std::size_t segments)
    : bytes_(bytes),
      segments_(segments),
      stride_(segments == 1 ? stride_of(bytes) : bytes),
      memory_(count * stride_),
      vectors_((count + segments - 1) / segments),
      headers_(vectors_.size()) {
  for (std::size_t i = 0; i < vectors_.size(); ++i) {
    vectors_[i].iov_base = memory_.data() + i * segments * stride_;
    headers_[i].msg_hdr.msg_iov = &vectors_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
  }
}

std::span<mmsghdr> DatagramBatch::packets(std::size_t first, std::size_t count) noexcept {
  const std::size_t first_packet = first / segments_;
  const std::size_t packets = (count + segments_ - 1) / segments_;
  for (std::size_t i = 0; i < packets; ++i)
    vectors_[first_packet + i].iov_len = bytes_ * std::min(segments_, count - i * segments_);
  return std::span(headers_).subspan(first_packet, packets);
}

}  // namespace cpss::udpblast
