// Loads number data from comma-separated values; docs/numbers.md describes the format.
//
// For set-up; the functions hold no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "numbers/byte_source.h"
#include "numbers/growing_array.h"
#include "numbers/image_builder.h"
#include "numbers/number_columns.h"
#include "numbers/value_pool.h"

namespace cpss {

// Whether data without a single row are accepted: they mostly are the wrong file, or one that an
// export has not finished.
enum class Rows : bool { needed, may_be_none };

struct LoadedNumbers {
  // As an image is built of them (image_builder.h); of changes, rows without a value are to be
  // removed.
  GrowingArray<NumberRow> rows;
  ValuePool values;
  std::vector<std::string> columns;
};

// Builds their image; uses their memory up. `serial`: none: the time, in seconds. Throws
// NumberDataError if they are too many, std::bad_alloc.
BuiltImage build_image(LoadedNumbers numbers, std::string_view source,
                       std::optional<std::uint64_t> serial = {});

// `source` names the data in messages. Throws NumberDataError if anything is wrong with any line:
// nothing is half-loaded. Its text has the first problems and the number of the others.
// Takes 16 bytes of memory a row, besides the values.
LoadedNumbers load_numbers(ByteSource& bytes, std::string_view source,
                           const NumberFormat& format = {}, Rows rows = Rows::needed);

}  // namespace cpss
