// A Service turns request bytes into reply bytes. It is the part that a user of cpss writes.
//
// A service owns no socket, no queue and no thread. Several threads call one object at once, so its
// members must be constant after construction or synchronised; make_lane_state() makes the data
// that a lane needs for itself. docs/writing-a-service.md shows a service.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "net/address.h"

namespace cpss {

class ReloadableData;  // services/reloadable_data.h

// Why a datagram is not a message of this service. Each is a counter; none is ever answered.
enum class InvalidReason : std::uint8_t {
  too_short,        // shorter than the protocol's header
  bad_magic,        // not our protocol
  bad_version,      // our protocol in a version we do not speak
  wrong_direction,  // a reply sent as a request
  malformed,        // anything else
};

// Why the policy of a service forbids an answer. Each is a counter; none is ever answered.
enum class RefuseReason : std::uint8_t {
  by_service,
};

enum class Verdict : std::uint8_t {
  none,      // the service gave no verdict: counted as failed
  reply,     // send the reply
  no_reply,  // silence by design (SIP ACK)
  defer,     // call process_deferred() for it, which may block
  invalid,   // see InvalidReason
  refuse,    // see RefuseReason
};

// One request and the room for its reply, valid during the call that gets it.
class Message {
 public:
  // The memory belongs to the stage that calls; `reply_limit` is at most both windows' size.
  Message(std::span<std::byte> request, std::byte* reply_window, std::size_t reply_limit,
          const SocketAddress& peer, bool trusted) noexcept
      : request_(request),
        reply_window_(reply_window),
        reply_limit_(reply_limit),
        peer_(&peer),
        trusted_(trusted) {}

  std::span<const std::byte> request() const noexcept { return request_; }
  const SocketAddress& peer() const noexcept { return *peer_; }
  // CPSS_TRUSTED holds the peer: its replies may be longer than its requests.
  bool trusted() const noexcept { return trusted_; }

  // The service writes the reply here. Its size is the max length of this reply: the window for a
  // trusted peer, never more than the request for any other.
  std::span<std::byte> reply_window() noexcept { return {reply_window_, reply_limit_}; }
  // The request's own bytes, for a service that turns them into the reply without a copy.
  std::span<std::byte> request_in_place() noexcept { return request_; }

  // The verdict. The last call counts.
  void reply(std::size_t length) noexcept { set_reply(length, false); }  // bytes of reply_window()
  // The reply is the first `length` bytes of the request's memory, at most the request's length.
  void reply_in_place(std::size_t length) noexcept { set_reply(length, true); }
  void no_reply() noexcept { verdict_ = Verdict::no_reply; }
  void defer() noexcept { verdict_ = Verdict::defer; }
  void invalid(InvalidReason why) noexcept { set_reason(Verdict::invalid, why); }
  void refuse(RefuseReason why) noexcept { set_reason(Verdict::refuse, why); }
  void clear_verdict() noexcept { verdict_ = Verdict::none; }

  // For the stage that called.
  Verdict verdict() const noexcept { return verdict_; }
  InvalidReason invalid_reason() const noexcept { return static_cast<InvalidReason>(reason_); }
  RefuseReason refuse_reason() const noexcept { return static_cast<RefuseReason>(reason_); }
  std::size_t reply_length() const noexcept { return reply_length_; }
  bool in_place() const noexcept { return in_place_; }
  bool reply_too_long() const noexcept {
    return reply_length_ > (in_place_ ? request_.size() : reply_limit_);
  }

 private:
  void set_reply(std::size_t length, bool in_place) noexcept {
    verdict_ = Verdict::reply;
    reply_length_ = length;
    in_place_ = in_place;
  }
  template <class Reason>
  void set_reason(Verdict verdict, Reason why) noexcept {
    verdict_ = verdict;
    reason_ = static_cast<std::uint8_t>(why);
  }

  std::span<std::byte> request_;
  std::byte* reply_window_;
  std::size_t reply_limit_;
  const SocketAddress* peer_;
  std::size_t reply_length_ = 0;
  bool trusted_;
  bool in_place_ = false;
  Verdict verdict_ = Verdict::none;
  std::uint8_t reason_ = 0;
};

// Data that one lane keeps for itself between calls (scratch memory, a random generator). The
// service makes it, and gets it back with each call on that lane; lanes never share it.
class LaneState {
 public:
  virtual ~LaneState() = default;
};

class Service {
 public:
  virtual ~Service() = default;

  // The server calls it once for each lane before its first batch, maybe in another thread. Null:
  // the service needs none. May take its time: the start waits for it, and can be ended meanwhile.
  virtual std::unique_ptr<LaneState> make_lane_state() const { return nullptr; }

  // Gives every message of the batch (1 to CPSS_BATCH of them, all with Verdict::none) a verdict.
  // Must not block. If it throws, messages that have a verdict keep it and the others are failed. A
  // message that it defers on a receive lane (inline dispatch) may come once more, on a service
  // lane; there it must not block either.
  virtual void process(std::span<Message> batch, LaneState* state) = 0;

  // For a message that process() has deferred; with CPSS_DEFER=all for every message, without
  // process(). May block. The message comes without a verdict and needs one: defer fails it.
  virtual void process_deferred(Message& message, LaneState* state) {
    process(std::span(&message, 1), state);
  }

  // For a message that the server has no room for (CPSS_OVERLOAD=shed): it was not given to
  // process(), or process() has deferred it and the worker queue is full. Gives it the protocol's
  // "try later" as reply, says invalid if process() would, or leaves it without a verdict: silence.
  // Called on any lane at any time, must be quick, and must not defer.
  virtual void busy_reply(Message& message) const { message.no_reply(); }

  // The min CPSS_MSGSIZE, in bytes, that the service needs.
  virtual std::size_t min_window() const { return 512; }

  // Data that can be loaded anew while the server runs; null: the service has none. Valid as long
  // as the service.
  virtual ReloadableData* reloadable_data() { return nullptr; }

  // Whether the service sends back any request, as it came or changed, so that its reply could be a
  // request to another such service. The server then refuses requests from ports on which other
  // reflecting services live, so that an attacker cannot make two of them talk to each other for
  // ever (CVE-2024-2169).
  virtual bool reflects() const { return false; }
};

// For services that look at one message at a time. process() calls answer() for each message of the
// batch. A call that throws fails that message alone: it ends without a verdict, process() goes on
// with the rest of the batch, and then throws the first exception again. So the caller sees the
// same as from any service that throws: messages with a verdict, and failed ones without.
class OneMessageService : public Service {
 public:
  virtual void answer(Message& message, LaneState* state) = 0;
  void process(std::span<Message> batch, LaneState* state) final;
};

}  // namespace cpss
