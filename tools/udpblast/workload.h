// Makes the requests and checks the replies: the interface to the workloads of all services.
//
// One Workload serves all threads; constant after construction. Only the describing functions
// allocate. Messages are numbered from 0; message and transaction id together determine the
// request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tools/udpblast/options.h"

namespace cpss::udpblast {

class Workload {
 public:
  virtual ~Workload() = default;

  // Fills the whole window, which has the bytes that --size asked for.
  virtual void build(std::uint64_t message, std::uint64_t transaction,
                     std::span<std::byte> window) const noexcept = 0;

  // nullopt if the datagram is no reply of this protocol.
  virtual std::optional<std::uint64_t> transaction_of(
      std::span<const std::byte> reply) const noexcept = 0;

  // Whether it is, byte for byte, a right reply to this message.
  virtual bool right(std::uint64_t message, std::uint64_t transaction,
                     std::span<const std::byte> reply) const noexcept = 0;

  // Whether the reply says that the server has too much to do: it is a reply, but no answer.
  virtual bool busy(std::span<const std::byte> reply) const noexcept = 0;

  // Max bytes of a right reply.
  virtual std::size_t longest_reply() const noexcept = 0;

  virtual std::string title() const = 0;  // "lookup with queries.tsv"
  // What the message asks: "number +12025550123 (queries.tsv:7)"; empty if its transaction id says
  // it all.
  virtual std::string describe(std::uint64_t message) const = 0;
  // Why right() said no: "expected ..., got ...".
  virtual std::string explain(std::uint64_t message, std::uint64_t transaction,
                              std::span<const std::byte> reply) const = 0;

  // The names of the classes of messages, whose latencies the report tells apart, at most
  // kMaxClasses; empty: there are no classes. class_of(): the index of a message's class.
  virtual std::vector<std::string> classes() const { return {}; }
  virtual std::size_t class_of(std::uint64_t) const noexcept { return 0; }

  // How many messages make one pass through the data; nullopt if there is no end to them.
  virtual std::optional<std::uint64_t> one_pass() const noexcept { return std::nullopt; }
};

// --size does not fit the messages. what() says what would.
class WorkloadError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Reads the data file if there is one. Throws DataError, WorkloadError.
std::unique_ptr<Workload> make_workload(const Options& options);

// For Workload::explain() and other texts. No state, any thread; they allocate, so only for the
// rare case.

// Bytes of a payload that a text quotes at most (base/quote.h).
inline constexpr std::size_t kQuotedBytes = 300;

// "byte 17 is 0x00 instead of 0x5a" or "80 bytes instead of 256"; nullopt if both are equal.
std::optional<std::string> first_difference(std::span<const std::byte> expected,
                                            std::span<const std::byte> got);

}  // namespace cpss::udpblast
