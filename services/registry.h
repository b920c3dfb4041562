// The services a server can run, by name. To add one: write its file, add one line in registry.cpp.
//
// For set-up: filled and read by one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/service.h"
#include "services/service_settings.h"

namespace cpss {

struct ServiceEntry {
  std::string name;
  std::string summary;  // one line, for --help
  std::function<std::unique_ptr<Service>(const ServiceSettings&)>
      make;  // may throw ServiceDataError
};

class ServiceRegistry {
 public:
  void add(ServiceEntry entry) { entries_.push_back(std::move(entry)); }
  // Null if there is none of that name; valid until the next add().
  const ServiceEntry* find(std::string_view name) const noexcept;
  const std::vector<ServiceEntry>& entries() const noexcept { return entries_; }

 private:
  std::vector<ServiceEntry> entries_;
};

// lookup, echo and work.
ServiceRegistry built_in_services();

}  // namespace cpss
