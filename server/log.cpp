#include "server/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace cpss::log {

void set_up() {
  auto logger = spdlog::stderr_logger_st("cpssd");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %n %l: %v");
  spdlog::set_default_logger(std::move(logger));
}

void info(const std::string& line) {
  spdlog::info(line);
}
void warning(const std::string& line) {
  spdlog::warn(line);
}
void error(const std::string& line) {
  spdlog::error(line);
}

}  // namespace cpss::log
