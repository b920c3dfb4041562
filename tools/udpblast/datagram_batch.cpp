#include "tools/udpblast/datagram_batch.h"

namespace cpss::udpblast {
namespace {

constexpr std::size_t kCacheLine = 64;

// An odd number of cache lines, so that the windows' first lines fall into different cache sets.
std::size_t stride_for(std::size_t bytes) {
  return ((bytes + kCacheLine - 1) / kCacheLine | 1) * kCacheLine;
}

}  // namespace

DatagramBatch::DatagramBatch(std::size_t count, std::size_t bytes)
    : bytes_(bytes),
      stride_(stride_for(bytes)),
      memory_(count * stride_),
      vectors_(count),
      headers_(count) {
  for (std::size_t i = 0; i < count; ++i) {
    vectors_[i] = {memory_.data() + i * stride_, bytes};
    headers_[i].msg_hdr.msg_iov = &vectors_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
  }
}

}  // namespace cpss::udpblast
