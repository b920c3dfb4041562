#include "tools/udpblast/datagram_batches.h"

#include <algorithm>
#include <cstring>

#include <netinet/in.h>
#include <netinet/udp.h>

#include "base/stride.h"
#include "net/segmentation.h"

namespace cpss::udpblast {
namespace {

constexpr std::size_t kArrivals = 64;
constexpr std::size_t kMergedArrivals = 16;

}  // namespace

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

ReplyBatch::ReplyBatch(std::size_t bytes, bool merged)
    : bytes_(merged ? kMergedBytes : bytes),
      stride_(stride_of(bytes_)),
      memory_((merged ? kMergedArrivals : kArrivals) * stride_),
      controls_(merged ? kMergedArrivals : 0),
      vectors_(memory_.size() / stride_),
      headers_(vectors_.size()) {
  datagrams_.reserve(headers_.size() * (merged ? kMaxSegments : 1));
  for (std::size_t i = 0; i < headers_.size(); ++i) {
    vectors_[i] = {memory_.data() + i * stride_, bytes_};
    headers_[i].msg_hdr.msg_iov = &vectors_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
    if (merged) headers_[i].msg_hdr.msg_control = &controls_[i];
  }
}

std::span<mmsghdr> ReplyBatch::headers() noexcept {
  if (!controls_.empty())
    for (mmsghdr& header : headers_) header.msg_hdr.msg_controllen = sizeof(Control);
  return headers_;
}

std::span<const std::span<const std::byte>> ReplyBatch::datagrams(std::size_t filled) noexcept {
  datagrams_.clear();
  for (std::size_t i = 0; i < filled; ++i) {
    std::span<const std::byte> rest(memory_.data() + i * stride_, headers_[i].msg_len);
    const std::size_t segment = segment_size(headers_[i].msg_hdr);
    do {  // an empty arrival is one datagram
      const std::size_t length = segment == 0 ? rest.size() : std::min(segment, rest.size());
      datagrams_.push_back(rest.first(length));
      rest = rest.subspan(length);
    } while (!rest.empty());
  }
  return datagrams_;
}

// The size of merged datagrams; 0: the arrival is one datagram.
std::size_t ReplyBatch::segment_size(const msghdr& header) const noexcept {
  if (controls_.empty()) return 0;
  const cmsghdr* item = CMSG_FIRSTHDR(&header);
  if (item == nullptr || item->cmsg_level != IPPROTO_UDP || item->cmsg_type != UDP_GRO) return 0;
  int size = 0;
  std::memcpy(&size, CMSG_DATA(item), sizeof size);
  return static_cast<std::size_t>(size);
}

}  // namespace cpss::udpblast
