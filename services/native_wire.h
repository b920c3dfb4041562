// The native wire format of service `lookup`. All numbers are big-endian.
//
//   offset size field
//        0    2 magic 0x4350 ("CP")
//        2    1 version 1
//        3    1 kind: 1 request, 2 reply
//        4    2 code, see RequestCode and ReplyCode
//        6    2 body length, bytes
//        8    8 transaction id, chosen by the client and echoed
//       16    n body: request: a number in ASCII, E.164 with or without '+';
//               reply: column=value joined by ';', `prefix` first
//
// Bytes after the body are padding: ignored in requests, zeros in replies.
// Shared by the server's service and the load client; no state, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace cpss::native {

inline constexpr std::uint16_t kMagic = 0x4350;
inline constexpr std::uint8_t kVersion = 1;
inline constexpr std::size_t kHeaderBytes = 16;

enum class Kind : std::uint8_t { request = 1, reply = 2 };
enum class RequestCode : std::uint16_t { lookup = 0, ping = 1 };
enum class ReplyCode : std::uint16_t {
  found = 0,
  not_found = 1,
  bad_request = 2,
  busy = 3,
  internal_error = 4,
};

struct Header {
  std::uint16_t magic = kMagic;
  std::uint8_t version = kVersion;
  std::uint8_t kind = 0;
  std::uint16_t code = 0;
  std::uint16_t body_length = 0;  // bytes, may lie: compare with the datagram's length
  std::uint64_t transaction = 0;
};

// nullopt if the datagram is shorter than a header; checks nothing else.
std::optional<Header> read_header(std::span<const std::byte> datagram) noexcept;
// `window` has at least kHeaderBytes.
void write_header(std::span<std::byte> window, const Header& header) noexcept;

}  // namespace cpss::native
