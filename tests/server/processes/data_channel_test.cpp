// Main and the process's thread, in one process: what is sent when, and what is answered.
#include "server/processes/data_channel.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/eventually.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;

ino_t file_of(int descriptor) {
  struct stat status {};
  EXPECT_EQ(::fstat(descriptor, &status), 0);
  return status.st_ino;
}

FileDescriptor some_file() {
  return FileDescriptor(::memfd_create("data", MFD_CLOEXEC));
}

// Data that are a file. In use by two threads, as here the real ones are not.
class Data final : public ReloadableData {
 public:
  bool can_be_loaded_again() const noexcept override { return true; }
  FileDescriptor prepare() const override { return some_file(); }
  void adopt(FileDescriptor prepared) override {
    ++tries;
    if (no_memory) throw std::bad_alloc();
    held = file_of(prepared.get());
    if (lane_reads) older = 1;
    ++adopted;
  }
  int descriptor() const override { return newest.get(); }
  std::size_t reclaim() override { return older; }
  std::optional<std::size_t> keeper() const override { return std::nullopt; }
  std::uint64_t generation() const noexcept override { return number; }
  DataFigures figures() const override { return {}; }
  std::string description() const override { return "data"; }

  FileDescriptor newest = some_file();
  std::uint64_t number = 1;
  std::atomic<bool> no_memory = false;
  std::atomic<bool> lane_reads = false;
  std::atomic<std::size_t> older = 0;
  std::atomic<int> tries = 0;
  std::atomic<int> adopted = 0;
  std::atomic<ino_t> held = 0;
};

class DataChannelTest : public testing::Test {
 protected:
  void start(std::uint64_t generation = 1) {
    receiver_.emplace(sender_.renew(generation), in_process_);
  }
  void tick(std::uint64_t newest) {
    of_main_.number = newest;
    sender_.tick(of_main_);
  }
  // Main's ticks, until the process has this generation.
  bool has(std::uint64_t generation) {
    return eventually([&] {
      tick(generation);
      return sender_.generation() == generation;
    });
  }
  void stays_at(std::uint64_t generation, std::uint64_t newest) {
    for (int i = 0; i < 30; ++i) {
      tick(newest);
      ASSERT_EQ(sender_.generation(), generation);
      std::this_thread::sleep_for(1ms);
    }
  }

  Data of_main_;
  Data in_process_;
  DataSender sender_;
  std::optional<DataReceiver> receiver_;
};

TEST_F(DataChannelTest, AProcessBeginsWithWhatMainHad) {
  start(7);
  stays_at(7, 7);
  EXPECT_EQ(in_process_.tries, 0);
}

TEST_F(DataChannelTest, AProcessGetsTheNewestDataOnce) {
  start();
  ASSERT_TRUE(has(2));
  EXPECT_EQ(in_process_.held, file_of(of_main_.newest.get()));
  stays_at(2, 2);
  EXPECT_EQ(in_process_.adopted, 1);
  of_main_.newest = some_file();
  ASSERT_TRUE(has(5)) << "some in between it never saw";
  EXPECT_EQ(in_process_.held, file_of(of_main_.newest.get()));
  EXPECT_EQ(in_process_.adopted, 2);
}

TEST_F(DataChannelTest, NothingIsSentUntilTheOldDataAreFree) {
  in_process_.lane_reads = true;
  start();
  stays_at(1, 2);
  EXPECT_EQ(in_process_.adopted, 1);
  stays_at(1, 3);
  EXPECT_EQ(in_process_.adopted, 1) << "it reads two at most";
  in_process_.lane_reads = false;
  in_process_.older = 0;
  EXPECT_TRUE(has(3));
  EXPECT_EQ(in_process_.adopted, 2);
}

TEST_F(DataChannelTest, WithoutMemoryItTriesAgain) {
  in_process_.no_memory = true;
  start();
  tick(2);
  EXPECT_TRUE(eventually([this] { return in_process_.tries >= 2; }));
  stays_at(1, 2);
  in_process_.no_memory = false;
  EXPECT_TRUE(has(2));
}

TEST_F(DataChannelTest, TheEndOfAProcessWaitsForNothing) {
  in_process_.lane_reads = true;
  start();
  tick(2);
  ASSERT_TRUE(eventually([this] { return in_process_.adopted == 1; }));
  receiver_.reset();
  in_process_.lane_reads = false;
  in_process_.older = 0;
  in_process_.no_memory = true;
  start();
  tick(2);
  ASSERT_TRUE(eventually([this] { return in_process_.tries >= 2; }));
  const auto begin = std::chrono::steady_clock::now();
  receiver_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

TEST_F(DataChannelTest, TheNextProcessOfThePlaceHasAChannelOfItsOwn) {
  start();
  ASSERT_TRUE(has(2));
  receiver_.reset();
  for (int i = 0; i < 3; ++i) tick(3);
  EXPECT_EQ(sender_.generation(), 2u) << "nobody is there";
  start(3);
  EXPECT_TRUE(has(4));
}

}  // namespace
}  // namespace cpss
