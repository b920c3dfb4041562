// Sorts rows by prefix and priority, in place: number data of real size leave no room for a copy.
#pragma once

#include <span>

#include "numbers/image_builder.h"

namespace cpss {

// Ascending by key, equal keys by line. Quick where they are in order already, as mostly.
void sort_rows(std::span<NumberRow> rows);

}  // namespace cpss
