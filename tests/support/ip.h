// IP addresses of tests, written as texts.
#pragma once

#include <string_view>

#include "base/ip_address.h"

namespace cpss::test {

// Throws std::bad_optional_access if `text` is none.
inline IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

}  // namespace cpss::test
