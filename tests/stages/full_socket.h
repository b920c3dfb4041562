// A socket whose descriptor has no room until make_room() is called. Only its descriptor is used.
//
// Any thread may call make_room().
#pragma once

#include <array>
#include <cerrno>
#include <chrono>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "net/datagram_socket.h"

namespace cpss::test {

class FullSocket final : public DatagramSocket {
 public:
  FullSocket() {
    EXPECT_EQ(pipe2(ends_, O_NONBLOCK | O_CLOEXEC), 0);
    const std::array<char, 4096> bytes{};
    while (write(ends_[1], bytes.data(), bytes.size()) > 0) {
    }
  }
  ~FullSocket() override {
    close(ends_[0]);
    close(ends_[1]);
  }
  FullSocket(const FullSocket&) = delete;
  FullSocket& operator=(const FullSocket&) = delete;

  void make_room() {
    std::array<char, 4096> bytes;
    while (read(ends_[0], bytes.data(), bytes.size()) > 0) {
    }
  }
  ReceiveResult receive(std::span<const ReceiveBuffer>, std::span<Arrival>) noexcept override {
    return {};
  }
  SendResult send(std::span<const OutgoingDatagram>) noexcept override { return {0, EAGAIN}; }
  void wait_writable(std::chrono::milliseconds) noexcept override {}
  int descriptor() const noexcept override { return ends_[1]; }

 private:
  int ends_[2] = {-1, -1};
};

}  // namespace cpss::test
