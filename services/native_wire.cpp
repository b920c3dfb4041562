#include "services/native_wire.h"

namespace cpss::native {
namespace {

// Byte by byte, so that neither alignment nor the machine's byte order matters; the compiler makes
// one load or store and a swap of it.
template <class Number>
Number load(std::span<const std::byte> datagram, std::size_t offset) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i)
    value = value << 8 | std::to_integer<std::uint64_t>(datagram[offset + i]);
  return static_cast<Number>(value);
}

template <class Number>
void store(std::span<std::byte> window, std::size_t offset, Number value) noexcept {
  std::uint64_t rest = value;
  for (std::size_t i = sizeof(Number); i-- > 0; rest >>= 8)
    window[offset + i] = static_cast<std::byte>(rest & 0xff);
}

}  // namespace

std::optional<Header> read_header(std::span<const std::byte> datagram) noexcept {
  if (datagram.size() < kHeaderBytes) return std::nullopt;
  return Header{.magic = load<std::uint16_t>(datagram, 0),
                .version = load<std::uint8_t>(datagram, 2),
                .kind = load<std::uint8_t>(datagram, 3),
                .code = load<std::uint16_t>(datagram, 4),
                .body_length = load<std::uint16_t>(datagram, 6),
                .transaction = load<std::uint64_t>(datagram, 8)};
}

void write_header(std::span<std::byte> window, const Header& header) noexcept {
  store(window, 0, header.magic);
  store(window, 2, header.version);
  store(window, 3, header.kind);
  store(window, 4, header.code);
  store(window, 6, header.body_length);
  store(window, 8, header.transaction);
}

}  // namespace cpss::native
