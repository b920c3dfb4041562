// Shared by the tests of process groups and of processes for one message each: a service that tells
// which process answers, and the pipelines' options.
#pragma once

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "server/pipeline/pipeline_options.h"
#include "services/service.h"
#include "stages/lane/backoff.h"
#include "tests/server/live_pipeline.h"

namespace cpss {

// Answers with the number of its process. On "die" it is killed; on "stay" it blocks for good.
class TellingService final : public Service {
 public:
  void process(std::span<Message> batch, LaneState*) override {
    for (Message& message : batch) {
      const std::string_view request(reinterpret_cast<const char*>(message.request().data()),
                                     message.request().size());
      if (request == "die") ::raise(SIGKILL);
      while (request == "stay") ::pause();
      const std::string pid = std::to_string(::getpid());
      // Not longer than its request, since the client is not trusted.
      const auto bytes = std::as_bytes(std::span(pid));
      std::copy(bytes.begin(), bytes.end(), message.reply_window().begin());
      message.reply(bytes.size());
    }
  }
};

inline constexpr std::string_view kWho = "who are you?";

inline PipelineOptions processes(ProcessUse use, unsigned lanes = 3) {
  PipelineOptions options = test::small_pipeline(use == ProcessUse::fork ? 8 * lanes : 64);
  options.model = ServerModel::mp;
  options.process_use = use;
  options.lanes = lanes;
  options.cpus = 2;
  return options;
}

// The max of failures within `time` if a pause of 10, 20, 40 ... ms, at most 1 s, follows each.
inline unsigned max_failures_in(std::chrono::nanoseconds time) {
  unsigned failures = 1;
  for (std::chrono::nanoseconds pause = std::chrono::milliseconds(10); time >= pause; ++failures) {
    time -= pause;
    pause = std::min<std::chrono::nanoseconds>(2 * pause, Backoff::kMax);
  }
  return failures;
}

class ProcessesTest : public testing::Test {
 protected:
  static std::vector<pid_t> children_of_all_threads() {
    std::vector<pid_t> children;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream list(thread.path() / "children");
      for (pid_t child = 0; list >> child;) children.push_back(child);
    }
    return children;
  }

  TellingService service_;
  test::Client client_;
};

}  // namespace cpss
