// The rows of an image, as an image is built of them: for tools that show or change number data.
//
// For set-up; the functions hold no state.
#pragma once

#include <cstddef>
#include <span>

#include "numbers/growing_array.h"
#include "numbers/image_builder.h"

namespace cpss {

// One row for each prefix, in order; its value, which may be of several routes, is of the image.
// `image`: as check_image() has found it right.
GrowingArray<NumberRow> rows_of_image(std::span<const std::byte> image);

}  // namespace cpss
