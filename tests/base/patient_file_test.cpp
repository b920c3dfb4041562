#include "base/patient_file.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <string>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;

class PatientFileTest : public testing::Test {
 protected:
  PatientFileTest() { EXPECT_EQ(::mkfifo(fifo_.c_str(), 0600), 0); }

  // All bytes of the file, and the errno that ended the reading, 0 at the end of the file.
  static std::pair<std::string, int> read_all(const std::string& path,
                                              std::chrono::milliseconds patience) {
    PatientFile file(path, patience);
    std::string text;
    std::array<char, 1000> part;
    for (;;) {
      const ssize_t got = file.read(part);
      if (got <= 0) return {text, got < 0 ? errno : 0};
      text.append(part.data(), static_cast<std::size_t>(got));
    }
  }

  TemporaryFolder folder_;
  const std::string fifo_ = folder_.file("fifo");
};

TEST_F(PatientFileTest, ReadsAFileToItsEnd) {
  const std::string content(100'000, 'x');
  EXPECT_EQ(read_all(folder_.write("file", content), 20s), std::pair(content, 0));
  EXPECT_EQ(read_all(folder_.write("empty", ""), 20s), std::pair(std::string(), 0));
}

TEST_F(PatientFileTest, SaysWhyThereIsNothingToRead) {
  EXPECT_EQ(read_all(folder_.file("none"), 20s).second, ENOENT);
  EXPECT_EQ(read_all(folder_.path(), 20s).second, EISDIR);
}

TEST_F(PatientFileTest, AFifoThatNobodyWritesIsAnErrorInTime) {
  EXPECT_EQ(read_all(fifo_, 50ms), std::pair(std::string(), ETIMEDOUT));
  EXPECT_EQ(PatientFile(fifo_, 1500ms).explain(ETIMEDOUT),
            "no byte came for 1.5 s: does nobody write to it?");
  EXPECT_EQ(PatientFile(fifo_, kInputPatience).explain(ETIMEDOUT),
            "no byte came for 30 s: does nobody write to it?");
}

TEST_F(PatientFileTest, SoIsOneWhoseWriterStandsStill) {
  const FileDescriptor writer(::open(fifo_.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::write(writer.get(), "half of", 7), 7);
  EXPECT_EQ(read_all(fifo_, 50ms), std::pair(std::string("half of"), ETIMEDOUT));
}

// The writer comes late, and takes longer in all than the patience.
TEST_F(PatientFileTest, WaitsForAWriterThatGoesOn) {
  constexpr auto kPause = 200ms;
  constexpr auto kWaits = 3s;
  constexpr int kLines = 18;
  static_assert(kLines * kPause > kWaits);
  std::signal(SIGPIPE, SIG_IGN);  // if the reader has given up
  std::jthread writer([&] {
    std::this_thread::sleep_for(kPause);
    const FileDescriptor end(::open(fifo_.c_str(), O_WRONLY | O_CLOEXEC));
    for (int i = 0; i < kLines; ++i) {
      EXPECT_EQ(::write(end.get(), "line\n", 5), 5);
      std::this_thread::sleep_for(kPause);
    }
  });
  const auto [text, error] = read_all(fifo_, kWaits);
  EXPECT_EQ(error, 0);
  EXPECT_EQ(text.size(), 5u * kLines);
}

TEST_F(PatientFileTest, OneThatWritesNothingLeavesAnEmptyFile) {
  std::jthread writer([this] {
    std::this_thread::sleep_for(100ms);
    const FileDescriptor end(::open(fifo_.c_str(), O_WRONLY | O_CLOEXEC));
  });
  EXPECT_EQ(read_all(fifo_, 20s), std::pair(std::string(), 0));
}

}  // namespace
}  // namespace cpss
