#include "server/daemon/log.h"

#include <memory>

#include <fmt/format.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include "base/standard_error.h"

namespace cpss::log {
namespace {

// Formats each line before it goes to the writer: so its time is when it was said.
class Sink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    standard_error().put({line.data(), line.size()});
  }
  void flush_() override {}
};

}  // namespace

void set_up() {
  standard_error();
  auto logger = std::make_shared<spdlog::logger>("cpssd", std::make_shared<Sink>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %n %l: %v");
  spdlog::set_default_logger(std::move(logger));
}

void info(const std::string& line) {
  tell_losses();
  spdlog::info(line);
}
void warning(const std::string& line) {
  tell_losses();
  spdlog::warn(line);
}
void error(const std::string& line) {
  tell_losses();
  spdlog::error(line);
}

void tell_losses() {
  const std::uint64_t lines = standard_error().take_losses();
  if (lines > 0)
    spdlog::warn(
        "lines of the log that are lost here: {} (nobody read it, or it could not be written)",
        lines);
}

std::uint64_t lost() {
  return standard_error().lost();
}

void flush() {
  flush_standard_error();
}

}  // namespace cpss::log
