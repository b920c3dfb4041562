// A YAML file to a flat list, safely: the file is read here, up to a size, and parsed in a child
// with limited memory and time (limited_child.h), because yaml-cpp has known crashes and endless
// loops on hostile input.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "base/patient_file.h"
#include "config/yaml_document.h"

namespace cpss {

inline constexpr std::size_t kLargestYamlFile = 1 << 20;  // bytes; every setting needs a few KiB

// Everything that goes wrong is in the document's errors: a file that cannot be read, is too large
// or is no UTF-8 text, YAML that is not accepted (yaml_parser.h), a child that crashed or reached a
// limit. A byte order mark of UTF-8 is skipped; an empty file has no entries and no errors.
// Anything that can be read will do, a pipe too, but not one that gives nothing for `patience`.
// Call it before the process has a second thread. Throws std::system_error where a limit of the
// process is in the way of reading.
YamlDocument read_yaml_file(const std::string& path,
                            std::chrono::milliseconds patience = kInputPatience);

}  // namespace cpss
