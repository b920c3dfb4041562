#include "services/registry.h"

#include <algorithm>

#include "services/echo.h"
#include "services/lookup.h"
#include "services/work.h"

namespace cpss {

const ServiceEntry* ServiceRegistry::find(std::string_view name) const noexcept {
  const auto entry = std::ranges::find(entries_, name, &ServiceEntry::name);
  return entry == entries_.end() ? nullptr : &*entry;
}

ServiceRegistry built_in_services() {
  ServiceRegistry registry;
  registry.add(
      {"lookup", "answers with the row of the longest matching number prefix", make_lookup});
  registry.add({"echo", "sends every payload back as it came", make_echo});
  registry.add({"work", "takes a known time, then does as echo: for studies", make_work});
  return registry;
}

}  // namespace cpss
