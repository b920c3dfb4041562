// An image of number data in memory: its parts, and whether it is right.
//
// The functions hold no state; any thread, as long as nobody writes the image.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "numbers/image_format.h"

namespace cpss {

// What is wrong with an image; names the part.
class ImageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace image {

// Of an image that begins with a header, whose parts lie within it (check_image()).
inline const Header& header_of(std::span<const std::byte> image) noexcept {
  return *reinterpret_cast<const Header*>(image.data());
}
inline std::span<const std::byte> bytes_of(std::span<const std::byte> image, PartId id) noexcept {
  const Part& part = header_of(image).parts[static_cast<std::size_t>(id)];
  return image.subspan(part.offset, part.bytes);
}
template <class T>
std::span<const T> items_of(std::span<const std::byte> image, PartId id) noexcept {
  const std::span<const std::byte> bytes = bytes_of(image, id);
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}
inline std::string_view source_of(std::span<const std::byte> image) noexcept {
  return header_of(image).source.data();
}
std::vector<std::string> columns_of(std::span<const std::byte> image);

// XXH3, 64 bits, of xxHash: 10 GB/s and more. It finds what became wrong, not what somebody made
// so.
std::uint64_t checksum(std::span<const std::byte> bytes) noexcept;

}  // namespace image

// Whether the bytes begin as an image does: else they may be CSV.
bool is_image(std::span<const std::byte> bytes) noexcept;

// The header that the bytes begin with. Throws ImageError unless it is one, and whole.
image::Header checked_header(std::span<const std::byte> begin);

// Throws ImageError unless the image is whole, has the checksums that it names and nothing between
// its parts, and is one that a search cannot leave, whatever else is wrong with it: every place in
// it lies within its part, the trie is a tree, and no group lies within another one. One of its
// columns is that of the prefix. `bytes` begin at a multiple of image::kAlignment.
void check_image(std::span<const std::byte> bytes);

}  // namespace cpss
