#include "tests/support/fake_socket.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace cpss {
namespace {

FakeSocket::Sent copy_of(const OutgoingDatagram& datagram) {
  return {{datagram.data, datagram.data + datagram.size},
          *datagram.peer,
          datagram.local != nullptr ? *datagram.local : LocalAddress{}};
}

void fill(const FakeSocket::Incoming& incoming, const ReceiveBuffer& buffer, Arrival& arrival) {
  const std::size_t length = std::min(incoming.bytes.size(), buffer.size);
  std::copy_n(incoming.bytes.begin(), length, buffer.data);
  arrival.peer = incoming.peer;
  arrival.local = incoming.local;
  arrival.length = static_cast<std::uint32_t>(length);
  arrival.segment_size = incoming.segment_size;
  arrival.truncated = incoming.truncated || length < incoming.bytes.size();
  arrival.to_group = incoming.to_group;
}

}  // namespace

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

void FakeSocket::deliver(Incoming incoming) {
  const std::lock_guard lock(mutex_);
  script_.emplace_back(std::move(incoming));
}

void FakeSocket::end_batch() {
  const std::lock_guard lock(mutex_);
  script_.emplace_back(BatchEnd{});
}

void FakeSocket::fail_receive(int error) {
  const std::lock_guard lock(mutex_);
  script_.emplace_back(ReceiveError{error});
}

bool FakeSocket::all_received() const {
  const std::lock_guard lock(mutex_);
  return script_.empty();
}

void FakeSocket::accept_at_most(std::size_t datagrams) {
  const std::lock_guard lock(mutex_);
  plans_.push_back({datagrams, 0});
}

void FakeSocket::fail_sends(int error, std::size_t calls) {
  const std::lock_guard lock(mutex_);
  plans_.insert(plans_.end(), calls, {0, error});
}

void FakeSocket::fail_send_at(std::size_t datagram, int error) {
  if (datagram > 0) accept_at_most(datagram);
  fail_sends(error);
}

void FakeSocket::refuse(std::function<int(const OutgoingDatagram&)> judge) {
  const std::lock_guard lock(mutex_);
  judge_ = std::move(judge);
}

void FakeSocket::lose(double share, std::uint64_t seed) {
  const std::lock_guard lock(mutex_);
  loss_share_ = share;
  random_.seed(seed);
}

void FakeSocket::set_send_buffer_use(BufferUse use) {
  const std::lock_guard lock(mutex_);
  use_ = use;
}

BufferUse FakeSocket::send_buffer_use() const noexcept {
  const std::lock_guard lock(mutex_);
  ++counts_.use_calls;
  return use_;
}

void FakeSocket::set_receive_buffer(std::size_t size) {
  const std::lock_guard lock(mutex_);
  receive_buffer_ = size;
}

BufferUse FakeSocket::receive_buffer_use() const noexcept {
  const std::lock_guard lock(mutex_);
  return {receive_buffer_ == 0 ? 0 : script_.size(), receive_buffer_};
}

std::vector<FakeSocket::Sent> FakeSocket::sent() const {
  const std::lock_guard lock(mutex_);
  return sent_;
}

std::vector<FakeSocket::Sent> FakeSocket::take_sent() {
  const std::lock_guard lock(mutex_);
  return std::exchange(sent_, {});
}

FakeSocket::Counts FakeSocket::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

ReceiveResult FakeSocket::receive(std::span<const ReceiveBuffer> buffers,
                                  std::span<Arrival> arrivals) noexcept {
  const std::lock_guard lock(mutex_);
  ++counts_.receive_calls;
  std::size_t filled = 0;
  while (filled < buffers.size() && !script_.empty()) {
    if (const auto* failure = std::get_if<ReceiveError>(&script_.front())) {
      if (filled > 0) break;  // as the kernel does: the next call reports it
      const int error = failure->error;
      script_.pop_front();
      return {0, error};
    }
    if (std::holds_alternative<BatchEnd>(script_.front())) {
      script_.pop_front();
      break;
    }
    fill(std::get<Incoming>(script_.front()), buffers[filled], arrivals[filled]);
    script_.pop_front();
    ++filled;
  }
  return {filled, 0};
}

SendResult FakeSocket::send(std::span<const OutgoingDatagram> datagrams) noexcept {
  const std::lock_guard lock(mutex_);
  ++counts_.send_calls;
  SendPlan plan{std::numeric_limits<std::size_t>::max(), 0};
  if (!plans_.empty()) {
    plan = plans_.front();
    plans_.pop_front();
  }
  if (plan.error != 0) return {0, plan.error};

  std::bernoulli_distribution lost(loss_share_);
  const std::size_t max = std::min(datagrams.size(), plan.max);
  for (std::size_t i = 0; i < max; ++i) {
    const int error = judge_ ? judge_(datagrams[i]) : 0;
    if (error != 0) return {i, i == 0 ? error : 0};  // as the kernel: an error only for the first
    ++counts_.accepted;
    if (lost(random_))
      ++counts_.lost;
    else
      sent_.push_back(copy_of(datagrams[i]));
  }
  return {max, 0};
}

void FakeSocket::wait_writable(std::chrono::milliseconds) noexcept {
  const std::lock_guard lock(mutex_);
  ++counts_.wait_calls;
}

TamperSocket::TamperSocket(DatagramSocket& inner, Rule rule) : inner_(inner), rule_(rule) {
  if (rule_.how == How::delay)
    sender_ = std::jthread([this](std::stop_token stop) { send_delayed(std::move(stop)); });
}

TamperSocket::~TamperSocket() = default;

ReceiveResult TamperSocket::receive(std::span<const ReceiveBuffer> buffers,
                                    std::span<Arrival> arrivals) noexcept {
  return inner_.receive(buffers, arrivals);
}

SendResult TamperSocket::send(std::span<const OutgoingDatagram> datagrams) noexcept {
  const std::lock_guard lock(mutex_);
  std::size_t done = 0;
  while (done < datagrams.size()) {
    const std::uint64_t untouched = rule_.every - 1 - taken_ % rule_.every;
    const auto plain =
        static_cast<std::size_t>(std::min<std::uint64_t>(untouched, datagrams.size() - done));
    const SendResult result =
        plain > 0 ? inner_.send(datagrams.subspan(done, plain)) : spoil(datagrams[done]);
    done += result.accepted;
    taken_ += result.accepted;
    if (result.accepted < std::max<std::size_t>(plain, 1)) return {done, result.error};
  }
  return {done, 0};
}

void TamperSocket::wait_writable(std::chrono::milliseconds longest) noexcept {
  inner_.wait_writable(longest);
}

// Called with mutex_ held. Accepts one datagram, or says why not.
SendResult TamperSocket::spoil(const OutgoingDatagram& datagram) {
  switch (rule_.how) {
    case How::drop:
      break;
    case How::repeat: {
      const SendResult first = inner_.send({&datagram, 1});
      if (first.accepted == 0) return first;
      // If the kernel does not take the second copy, the datagram was sent unspoilt, and is not
      // counted.
      if (inner_.send({&datagram, 1}).accepted == 0) return first;
      break;
    }
    case How::delay:
      delayed_.push_back({std::chrono::steady_clock::now() + rule_.delay, copy_of(datagram)});
      delayed_changed_.notify_one();
      break;
  }
  ++tampered_;
  return {1, 0};
}

void TamperSocket::send_delayed(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (delayed_.empty()) {
      delayed_changed_.wait(lock, stop, [this] { return !delayed_.empty(); });
      continue;
    }
    const auto due = delayed_.front().due;
    if (std::chrono::steady_clock::now() < due) {
      delayed_changed_.wait_until(lock, stop, due, [] { return false; });
      continue;
    }
    const FakeSocket::Sent& late = delayed_.front().datagram;
    const OutgoingDatagram datagram{late.bytes.data(), late.bytes.size(), &late.peer, &late.local};
    if (inner_.send({&datagram, 1}).accepted == 1)
      delayed_.pop_front();
    else
      delayed_.front().due += std::chrono::milliseconds(1);  // no room now: soon again
  }
}

}  // namespace cpss
