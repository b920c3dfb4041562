// A socket that hands every call on to another one: the base of test sockets that change one call.
#pragma once

#include <chrono>
#include <span>

#include "net/datagram_socket.h"

namespace cpss {

class ForwardingSocket : public DatagramSocket {
 public:
  // `inner` must outlive this socket.
  explicit ForwardingSocket(DatagramSocket& inner) : inner_(inner) {}
  ReceiveResult receive(std::span<const ReceiveBuffer> buffers,
                        std::span<Arrival> arrivals) noexcept override {
    return inner_.receive(buffers, arrivals);
  }
  SendResult send(std::span<const OutgoingDatagram> datagrams) noexcept override {
    return inner_.send(datagrams);
  }
  void wait_writable(std::chrono::milliseconds longest) noexcept override {
    inner_.wait_writable(longest);
  }
  BufferUse send_buffer_use() const noexcept override { return inner_.send_buffer_use(); }
  BufferUse receive_buffer_use() const noexcept override { return inner_.receive_buffer_use(); }
  int descriptor() const noexcept override { return inner_.descriptor(); }

 private:
  DatagramSocket& inner_;
};

}  // namespace cpss
