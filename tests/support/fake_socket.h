// Stand-ins for the socket side of the seam (net/datagram_socket.h).
//
// FakeSocket is scripted: a test sets which datagrams arrive and how sends end, and looks at what
// was sent. TamperSocket wraps a socket and spoils every n-th send, to make a server that
// misbehaves.
//
// Thread-safety: every function of both may be called from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <random>
#include <span>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

#include "net/datagram_socket.h"

namespace cpss {

// The bytes of a text, for tests.
std::vector<std::byte> bytes_of(std::string_view text);

class FakeSocket final : public DatagramSocket {
 public:
  // One receive buffer to be filled. Bytes that do not fit in are cut off, and the arrival is
  // marked as truncated.
  struct Incoming {
    std::vector<std::byte> bytes;
    SocketAddress peer;
    LocalAddress local{};
    std::uint32_t segment_size = 0;  // not 0: `bytes` holds several datagrams, merged
    bool truncated = false;
    bool to_group = false;
  };
  struct Sent {
    std::vector<std::byte> bytes;
    SocketAddress peer;
    LocalAddress local;
  };
  struct Counts {
    std::uint64_t receive_calls = 0;
    std::uint64_t send_calls = 0;
    std::uint64_t wait_calls = 0;  // of wait_writable, which returns at once
    std::uint64_t use_calls = 0;   // of send_buffer_use
    std::uint64_t accepted = 0;    // datagrams taken from send(), including the lost ones
    std::uint64_t lost = 0;        // taken, and dropped by lose()
  };

  // --- arrivals, in this order; when the script is used up there is nothing to read ---
  void deliver(Incoming incoming);
  void end_batch();              // the call that gets here returns what it has, maybe nothing
  void fail_receive(int error);  // the first call that begins here fails
  bool all_received() const;     // the script is used up

  // --- results of sends; without a plan every datagram is accepted ---
  // Each call uses one plan, in the order given.
  void accept_at_most(std::size_t datagrams);          // a partial send of the kernel
  void fail_sends(int error, std::size_t calls = 1);   // nothing accepted
  void fail_send_at(std::size_t datagram, int error);  // partial up to it, then its error
  // Refuses each datagram for which `judge` returns an errno, as the kernel refuses a bad address.
  void refuse(std::function<int(const OutgoingDatagram&)> judge);
  // Accepts, then throws away this share of all datagrams, the same ones for the same seed.
  void lose(double share, std::uint64_t seed);
  // The result of send_buffer_use(); until this is called, BufferUse{}.
  void set_send_buffer_use(BufferUse use);
  // The size of the receive buffer, of which each datagram that is still to be received takes 1.
  // 0, until this is called: not known.
  void set_receive_buffer(std::size_t size);

  std::vector<Sent> sent() const;
  std::vector<Sent> take_sent();  // and forgets them
  Counts counts() const;

  ReceiveResult receive(std::span<const ReceiveBuffer> buffers,
                        std::span<Arrival> arrivals) noexcept override;
  SendResult send(std::span<const OutgoingDatagram> datagrams) noexcept override;
  void wait_writable(std::chrono::milliseconds longest) noexcept override;
  BufferUse send_buffer_use() const noexcept override;
  BufferUse receive_buffer_use() const noexcept override;
  int descriptor() const noexcept override { return -1; }

 private:
  struct BatchEnd {};
  struct ReceiveError {
    int error;
  };
  struct SendPlan {
    std::size_t max;
    int error;  // for a call that accepts nothing
  };

  mutable std::mutex mutex_;
  std::deque<std::variant<Incoming, BatchEnd, ReceiveError>> script_;
  std::deque<SendPlan> plans_;
  std::function<int(const OutgoingDatagram&)> judge_;
  double loss_share_ = 0;
  std::mt19937_64 random_;
  std::vector<Sent> sent_;
  BufferUse use_;
  std::size_t receive_buffer_ = 0;
  mutable Counts counts_;
};

class TamperSocket final : public DatagramSocket {
 public:
  enum class How { drop, repeat, delay };
  struct Rule {
    How how = How::drop;
    std::uint64_t every = 1;             // spoils sends `every`, 2 * `every`, ..., counted from 1
    std::chrono::milliseconds delay{0};  // for How::delay
  };

  // `inner` must outlive this socket. Delayed datagrams not yet due at the end are not sent.
  TamperSocket(DatagramSocket& inner, Rule rule);
  ~TamperSocket() override;
  TamperSocket(const TamperSocket&) = delete;
  TamperSocket& operator=(const TamperSocket&) = delete;

  std::uint64_t tampered() const noexcept { return tampered_; }

  ReceiveResult receive(std::span<const ReceiveBuffer> buffers,
                        std::span<Arrival> arrivals) noexcept override;
  SendResult send(std::span<const OutgoingDatagram> datagrams) noexcept override;
  void wait_writable(std::chrono::milliseconds longest) noexcept override;
  BufferUse send_buffer_use() const noexcept override { return inner_.send_buffer_use(); }
  int descriptor() const noexcept override { return inner_.descriptor(); }

 private:
  struct Delayed {
    std::chrono::steady_clock::time_point due;
    FakeSocket::Sent datagram;
  };

  SendResult spoil(const OutgoingDatagram& datagram);
  void send_delayed(std::stop_token stop);

  DatagramSocket& inner_;
  const Rule rule_;
  std::atomic<std::uint64_t> tampered_{0};
  std::mutex mutex_;
  std::uint64_t taken_ = 0;  // datagrams accepted from the caller so far; mutex_
  std::condition_variable_any delayed_changed_;
  std::deque<Delayed> delayed_;  // in order of due; mutex_
  std::jthread sender_;          // runs only for How::delay
};

}  // namespace cpss
