// Whether a text is fit for a YAML parser at all.
#pragma once

#include <optional>
#include <string_view>

#include "config/yaml_document.h"

namespace cpss {

// Finds text that yaml-cpp would misread: bytes that are not UTF-8, control characters, a tab in an
// indentation. Linear, no recursion: safe on any input. `text` has no byte order mark.
std::optional<YamlError> check_text(std::string_view text);

}  // namespace cpss
