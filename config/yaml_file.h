// Reads a YAML file into a flat list, safely: this process reads the bytes, up to a size, and a
// child with limited memory and time parses them (limited_child.h), because yaml-cpp has known
// crashes and endless loops on hostile input.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "base/patient_file.h"
#include "config/yaml_document.h"

namespace cpss {

inline constexpr std::size_t kLargestYamlFile = 1 << 20;  // bytes; every setting needs a few KiB

// All errors are in the document: a file that cannot be read, is too large or is no UTF-8 text,
// YAML that is not accepted (yaml_parser.h), a child that crashed or reached a limit. A byte order
// mark of UTF-8 is skipped; an empty file has no entries and no errors. The file may be a pipe, but
// not one that gives nothing for `patience`. Call it before the process has a second thread. Throws
// std::system_error if a limit of the process prevents the reading.
YamlDocument read_yaml_file(const std::string& path,
                            std::chrono::milliseconds patience = kInputPatience);

}  // namespace cpss
