// Texts made from the table of settings: a sample file, the reference page, the values in force.
#pragma once

#include <string>

#include "config/load.h"

namespace cpss {

// Every setting with its meaning and, commented out, its default (docs/cpssd.yaml). A line that
// begins with '#' and no blank behind it is a setting: without the '#'s the file sets every setting
// to its default.
std::string sample_yaml();

// docs/configuration.md.
std::string reference_page();

// Each setting's value, as YAML that loads again, with its origin as a comment.
std::string print_config(const LoadResult& loaded);

}  // namespace cpss
