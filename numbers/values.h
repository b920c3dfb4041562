// What rows say: the texts behind the values of an image (image_format.h).
//
// A view: constant, any thread, valid as long as the image.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "numbers/image_format.h"

namespace cpss {

class Values {
 public:
  explicit Values(std::span<const std::byte> part) noexcept : part_(part) {}

  // How many routes the value has, in the order in which they are to be tried; 1 to 8.
  // `value` is not kNoValue, as for all that follows.
  std::size_t routes(image::Value value) const noexcept {
    return std::to_integer<std::size_t>(*at(value));
  }
  // The text of the first route: `;column=value` for each column that is not empty.
  std::string_view text(image::Value value) const noexcept { return text_at(at(value) + 1); }
  // The texts of all routes; `texts` has room for kMaxRoutes. Returns those that there are.
  std::span<const std::string_view> texts(
      image::Value value, std::span<std::string_view, image::kMaxRoutes> texts) const noexcept {
    const std::byte* place = at(value) + 1;
    const std::size_t count = routes(value);
    for (std::size_t i = 0; i < count; ++i) {
      texts[i] = text_at(place);
      place += sizeof(std::uint16_t) + texts[i].size();
    }
    return texts.first(count);
  }
  void prefetch(image::Value value) const noexcept {
    __builtin_prefetch(at(value));
    __builtin_prefetch(at(value) + 64);  // a hint may point past the end
  }

 private:
  const std::byte* at(image::Value value) const noexcept {
    return part_.data() + value * image::kValueUnit;
  }
  static std::string_view text_at(const std::byte* place) noexcept {
    std::uint16_t length;
    std::memcpy(&length, place, sizeof length);
    return {reinterpret_cast<const char*>(place + sizeof length), length};
  }

  std::span<const std::byte> part_;
};

}  // namespace cpss
