// The floor of a server's cost: a bare loop that sends back each datagram, without stages, counters
// or limits. scripts/bench compares cpssd with it.
//
//   floor blocking   recvfrom and sendto, one datagram at a time
//   floor mmsg       recvmmsg and sendmmsg, up to 64 datagrams at a time
//   floor offload    the same with segmentation offload: UDP_GRO in, UDP_SEGMENT out
//
// Listens on 127.0.0.1, prints its port, and goes on until SIGTERM. Then it prints, as one JSON
// object, how many datagrams it has answered and how many system calls that took.
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr std::size_t kBatch = 64;
constexpr std::size_t kPlainBytes = 2048;
constexpr std::size_t kMergedArrivals = 8;
constexpr std::size_t kMergedBytes = 65'536;
constexpr int kSocketBuffer = 4 << 20;  // as cpssd asks for

volatile std::sig_atomic_t stopped = 0;

struct Counts {
  std::uint64_t answered = 0;
  std::uint64_t calls = 0;
};

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

int open_socket() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    fail("bind");
  for (const int option : {SO_RCVBUF, SO_SNDBUF, SO_RCVBUFFORCE, SO_SNDBUFFORCE})
    ::setsockopt(fd, SOL_SOCKET, option, &kSocketBuffer, sizeof kSocketBuffer);
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return fd;
}

void blocking(int fd, Counts& counts) {
  std::array<std::byte, kPlainBytes> buffer;
  while (stopped == 0) {
    sockaddr_storage peer;
    socklen_t size = sizeof peer;
    ++counts.calls;
    const ssize_t length =
        ::recvfrom(fd, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&peer), &size);
    if (length < 0) continue;
    ++counts.calls;
    if (::sendto(fd, buffer.data(), static_cast<std::size_t>(length), 0,
                 reinterpret_cast<sockaddr*>(&peer), size) == length)
      ++counts.answered;
  }
}

// The memory and headers of one batch, which serve the request and its reply.
class Batch {
 public:
  Batch(std::size_t count, std::size_t bytes)
      : count_(count),
        bytes_(bytes),
        stride_(bytes + 64),
        memory_(new std::byte[count * stride_]) {}

  mmsghdr* for_receiving() {
    for (std::size_t i = 0; i < count_; ++i) {
      vectors_[i] = {memory_.get() + i * stride_, bytes_};
      msghdr& header = headers_[i].msg_hdr;
      header = {};
      header.msg_name = &peers_[i];
      header.msg_namelen = sizeof peers_[i];
      header.msg_iov = &vectors_[i];
      header.msg_iovlen = 1;
      header.msg_control = &controls_[i];
      header.msg_controllen = sizeof controls_[i];
    }
    return headers_.data();
  }
  // Turns the received datagrams into their replies. Returns their number.
  std::uint64_t into_replies(std::size_t filled) {
    std::uint64_t datagrams = 0;
    for (std::size_t i = 0; i < filled; ++i) {
      msghdr& header = headers_[i].msg_hdr;
      vectors_[i].iov_len = headers_[i].msg_len;
      cmsghdr* const item = header.msg_controllen == 0 ? nullptr : CMSG_FIRSTHDR(&header);
      if (item == nullptr) {
        header.msg_control = nullptr;
        ++datagrams;
        continue;
      }
      int segment = 0;
      std::memcpy(&segment, CMSG_DATA(item), sizeof segment);
      datagrams += (headers_[i].msg_len + static_cast<unsigned>(segment) - 1) /
                   static_cast<unsigned>(segment);
      const auto size = static_cast<std::uint16_t>(segment);
      item->cmsg_type = UDP_SEGMENT;
      item->cmsg_len = CMSG_LEN(sizeof size);
      std::memcpy(CMSG_DATA(item), &size, sizeof size);
      header.msg_controllen = CMSG_SPACE(sizeof size);
    }
    return datagrams;
  }
  mmsghdr* headers() { return headers_.data(); }

 private:
  struct alignas(cmsghdr) Control {
    std::byte bytes[CMSG_SPACE(sizeof(int))];
  };
  std::size_t count_;
  std::size_t bytes_;
  std::size_t stride_;
  std::unique_ptr<std::byte[]> memory_;
  std::array<sockaddr_storage, kBatch> peers_;
  std::array<iovec, kBatch> vectors_;
  std::array<Control, kBatch> controls_;
  std::array<mmsghdr, kBatch> headers_;
};

void batches(int fd, std::size_t count, std::size_t bytes, Counts& counts) {
  Batch batch(count, bytes);
  while (stopped == 0) {
    ++counts.calls;
    const int filled = ::recvmmsg(fd, batch.for_receiving(), static_cast<unsigned>(count),
                                  MSG_WAITFORONE, nullptr);
    if (filled <= 0) continue;
    const std::uint64_t datagrams = batch.into_replies(static_cast<std::size_t>(filled));
    for (int sent = 0; sent < filled;) {
      ++counts.calls;
      const int accepted =
          ::sendmmsg(fd, batch.headers() + sent, static_cast<unsigned>(filled - sent), 0);
      sent += std::max(accepted, 1);  // a reply that cannot be sent is passed over
    }
    counts.answered += datagrams;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view kind = argc == 2 ? argv[1] : "";
  struct sigaction action {};
  action.sa_handler = [](int) { stopped = 1; };  // without SA_RESTART, so it ends a wait
  ::sigaction(SIGTERM, &action, nullptr);
  Counts counts;
  if (kind == "blocking") {
    blocking(open_socket(), counts);
  } else if (kind == "mmsg") {
    batches(open_socket(), kBatch, kPlainBytes, counts);
  } else if (kind == "offload") {
    const int fd = open_socket();
    const int on = 1;
    if (::setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on) != 0) fail("UDP_GRO");
    batches(fd, kMergedArrivals, kMergedBytes, counts);
  } else {
    std::fprintf(stderr, "usage: floor blocking | mmsg | offload\n");
    return 64;
  }
  std::printf("{\"answered\": %llu, \"calls\": %llu}\n",
              static_cast<unsigned long long>(counts.answered),
              static_cast<unsigned long long>(counts.calls));
  return 0;
}
