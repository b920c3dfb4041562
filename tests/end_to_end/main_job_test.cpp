// The main job: 2,020,222 look-ups of real number prefixes, 256 bytes each, received, answered,
// verified and accounted for, without one allocation for a message.
#include <atomic>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/support/sanitizers.h"

namespace cpss {
namespace {

constexpr int kMessages = kSanitized ? 100'000 : 2'020'222;

class AllocationCount {
 public:
  explicit AllocationCount(const std::string& file) {
    write_file(file, std::string(sizeof(std::uint64_t), '\0'));
    const int fd = open(file.c_str(), O_RDWR | O_CLOEXEC);
    void* mapped = mmap(nullptr, sizeof *count_, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    count_ = static_cast<const std::atomic<std::uint64_t>*>(mapped);
  }
  std::uint64_t value() const { return count_->load(std::memory_order_relaxed); }

 private:
  const std::atomic<std::uint64_t>* count_;
};

TEST(MainJob, RealPrefixesAllRightAndNothingAllocated) {
  const TemporaryFolder folder;
  const Finished import = run_program({CPSS_IMPORT_NUMBERS, "--out-dir", folder.file("numbers"),
                                       "--count", std::to_string(kMessages)},
                                      {}, std::chrono::seconds(120));
  if (import.code != 0 && import.errors.find("phonenumbers") != std::string::npos)
    GTEST_SKIP() << "needs python3-phonenumbers: " << import.errors;
  ASSERT_EQ(import.code, 0) << import.errors;

  Environment environment = {{"CPSS_NUMBERS", folder.file("numbers/numbers.csv")}};
  const AllocationCount allocations(folder.file("count"));
  if (!kSanitized) {
    environment["LD_PRELOAD"] = CPSS_ALLOCATION_COUNTER;
    environment["ALLOCATION_COUNT"] = folder.file("count");
  }
  ServerProcess server(program::kServer, environment);
  const auto blast = [&](int count) {
    return run_program(
        {program::kBlast, "-p", std::to_string(server.port()), "-d",
         folder.file("numbers/queries.tsv"), "--count", std::to_string(count), "--json"},
        {}, std::chrono::seconds(240));
  };
  // Lanes allocate their scratch memory with their first batches.
  EXPECT_EQ(blast(5'000).code, 0);
  const std::uint64_t before = allocations.value();
  const Finished run = blast(kMessages);
  const std::uint64_t after = allocations.value();

  EXPECT_EQ(run.code, 0) << run.output << run.errors;
  const nlohmann::json report = nlohmann::json::parse(run.output);
  EXPECT_EQ(report.at("sent"), kMessages);
  EXPECT_EQ(report.at("right"), kMessages);
  EXPECT_EQ(server.ledger("answered"), static_cast<std::uint64_t>(kMessages) + 5'000);
  if (!kSanitized) {
    EXPECT_GT(before, 0u) << "the counter is not in place";
    EXPECT_EQ(after - before, 0u) << "allocations during " << kMessages << " messages";
  }
  server.expect_clean_end();
}

}  // namespace
}  // namespace cpss
