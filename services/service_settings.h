// The settings of services, and the exception for their data.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include "base/patient_file.h"

namespace cpss {

// Each service takes those that it needs.
struct ServiceSettings {
  std::optional<std::string> numbers_file;           // CPSS_NUMBERS; none: the shipped sample
  bool allow_empty = false;                          // CPSS_ALLOW_EMPTY: the file may have no rows
  std::string work = "fixed:0;burn";                 // CPSS_WORK, see services/work_profile.h
  std::function<void(const std::string&)> announce;  // one line for the log; may be empty
  // How long a file may give no data before that is an error; a pipe may have no writer.
  std::chrono::milliseconds input_patience = kInputPatience;
};

// Data that a service needs is missing, unreadable or wrong. what() has one line per problem, each
// with file and line if there is one, and says what to do.
class ServiceDataError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace cpss
