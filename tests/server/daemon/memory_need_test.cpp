#include "server/daemon/memory_need.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "config/table.h"
#include "server/models/models.h"
#include "server/pipeline/pipeline_resources.h"
#include "services/echo.h"
#include "stages/receive/receive.h"
#include "tests/server/live_pipeline.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

PipelineOptions large(ServerModel model) {
  PipelineOptions options = test::small_pipeline(100'000);
  options.model = model;
  options.window_bytes = 3000;
  options.lanes = 4;
  return options;
}

MemoryNeed need_of(const PipelineOptions& options) {
  MemoryNeed need;
  add_memory_of(options, assignment_of(options), need);
  return need;
}

// The size of this process's address space.
std::uint64_t mapped_bytes() {
  std::ifstream in("/proc/self/statm");
  std::uint64_t pages = 0;
  in >> pages;
  return pages * static_cast<std::uint64_t>(::getpagesize());
}

// So that the estimate does not miss a new queue or a wider header.
TEST(MemoryNeed, OfSlotsAndQueuesIsWhatIsMappedForThem) {
  const PipelineOptions options = large(ServerModel::sped);
  EchoService echo;
  const std::uint64_t before = mapped_bytes();
  const test::LivePipeline live(echo, options);
  const std::uint64_t mapped = mapped_bytes() - before;
  const MemoryNeed need = need_of(options);
  EXPECT_GT(need.slots, 580 * kMiB);
  EXPECT_LE(mapped, need.slots + 4 * kMiB) << "region, buffers and scoreboard";
  EXPECT_GE(mapped, need.slots - kMiB);
}

TEST(MemoryNeed, OfProcessesIsTheirSharesAndWhatEachHasOfItsOwn) {
  const MemoryNeed threads = need_of(large(ServerModel::symped));
  const MemoryNeed processes = need_of(large(ServerModel::mp));
  EXPECT_NEAR(static_cast<double>(processes.slots), static_cast<double>(threads.slots), 1e6);
  EXPECT_GT(processes.lanes, threads.lanes);
  PipelineOptions forked = large(ServerModel::mp);
  forked.process_use = ProcessUse::fork;
  EXPECT_GE(need_of(forked).lanes, assignment_of(forked).lanes.size() * kMiB) << "a stack for each";
  EXPECT_GE(assignment_of(forked).lanes.size(), 32u);
}

TEST(MemoryNeed, OfReceiversIsMoreWhereTheKernelMergesAndWhereTheyShed) {
  PipelineOptions options = large(ServerModel::symped);
  options.batch = 1024;
  const std::uint64_t plain = need_of(options).lanes;
  options.shed = true;
  const std::uint64_t shedding = need_of(options).lanes;
  EXPECT_GE(shedding, plain + options.lanes * 1024 * 3000);
  options.merged = true;
  EXPECT_GE(need_of(options).lanes, shedding + options.lanes * 1024 * 60'000);
}

TEST(MemoryNeed, OnlyMoreThanThereIsIsAProblem) {
  const PipelineOptions options = large(ServerModel::sped);
  MemoryNeed need{.data = 10, .slots = 20, .lanes = 30, .sockets = 40, .region = 50};
  Machine machine;
  EXPECT_EQ(memory_problem(need, options, machine), std::nullopt) << "nobody knows";
  machine.memory_of = "this machine has";
  machine.memory_bytes = 150;
  EXPECT_EQ(memory_problem(need, options, machine), std::nullopt);
  machine.memory_bytes = 149;
  EXPECT_NE(memory_problem(need, options, machine), std::nullopt);
  need.slots = 3 << 20;
  machine.memory_bytes = 2 << 20;
  const std::string problem = memory_problem(need, options, machine).value();
  for (const char* part : {"3.0 MiB of memory", "this machine has 2.0 MiB", "100000 slots"})
    EXPECT_NE(problem.find(part), std::string::npos) << problem;
}

TEST(MemoryNeed, WhatIsInUseIsTold) {
  EXPECT_GT(memory_in_use(), kMiB / 4);
  EXPECT_EQ(memory_in_use("/nowhere"), 0u);
  const TemporaryFolder proc;
  std::filesystem::create_directory(proc.file("self"));
  write_file(proc.file("self/status"),
             "VmRSS:\t 99 kB\nRssAnon:\t 5 kB\nRssFile:\t 7 kB\nRssShmem:\t 2 kB\n");
  EXPECT_EQ(memory_in_use(proc.path()), 7u * 1024) << "number data are in RssShmem";
}

TEST(MemoryNeed, WhatIsLeftIsWhatNothingElseMayUse) {
  const PipelineOptions options = large(ServerModel::sped);
  const Assignment assignment = assignment_of(options);
  const auto left = [&](const Machine& machine, MemoryCheck check) {
    Settings settings;
    settings.memory_check = check;
    return check_memory(settings, options, assignment, machine, {.data = 10}, [](const auto&) {});
  };
  MemoryNeed need{.data = 10};
  add_memory_of(options, assignment, need);
  Machine machine;
  EXPECT_EQ(left(machine, MemoryCheck::refuse), std::nullopt) << "nobody knows";
  machine.memory_bytes = need.total() + 12'345;
  EXPECT_EQ(left(machine, MemoryCheck::refuse), 12'345u);
  machine.memory_bytes = need.total() - 1;
  EXPECT_EQ(left(machine, MemoryCheck::warn), std::nullopt) << "the user knows better";
}

}  // namespace
}  // namespace cpss
