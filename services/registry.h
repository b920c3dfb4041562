// The services a server can run, by name. To add one: write its file, add one line in registry.cpp.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "services/service.h"

namespace cpss {

// What services may be told by configuration.
struct ServiceSettings {
  std::optional<std::string> numbers_file;          // CPSS_NUMBERS; none: the shipped sample
  std::function<void(const std::string&)> announce;  // one line for the log; may be empty
};

// Data a service needs is missing, unreadable or wrong. what() has one line per problem, each with
// file and line where there is one, and says what to do.
class ServiceDataError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct ServiceEntry {
  std::string name;
  std::string summary;  // one line, for --help
  std::function<std::unique_ptr<Service>(const ServiceSettings&)> make;  // may throw ServiceDataError
};

class ServiceRegistry {
 public:
  void add(ServiceEntry entry) { entries_.push_back(std::move(entry)); }
  const ServiceEntry* find(std::string_view name) const noexcept;
  const std::vector<ServiceEntry>& entries() const noexcept { return entries_; }

 private:
  std::vector<ServiceEntry> entries_;
};

// lookup and echo.
ServiceRegistry built_in_services();

}  // namespace cpss
