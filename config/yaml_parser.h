// YAML text to a flat list, by yaml-cpp's event interface: it builds no tree that aliases could
// blow up, and the handler limits the nesting.
//
// Accepts what a settings file needs: one mapping of text keys, sections in it, and behind a key a
// scalar, a list of scalars or nothing. Refuses tags, anchors, aliases, merge keys, complex keys,
// duplicate keys, deeper nesting, a second document.
#pragma once

#include <string_view>

#include "config/yaml_document.h"

namespace cpss {

// `text` has passed check_text() (yaml_text.h). yaml-cpp has known crashes and endless loops on
// hostile input: call this in a limited child. Throws only std::bad_alloc.
YamlDocument parse_yaml(std::string_view text);

}  // namespace cpss
