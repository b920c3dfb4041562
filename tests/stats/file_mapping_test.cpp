#include "stats/file_mapping.h"

#include <memory>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "tests/support/forked_process.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

constexpr std::size_t kBytes = 16384;

class FileMappingTest : public testing::Test {
 protected:
  FileMappingTest() { write_file(path_, std::string(kBytes, 'a')); }

  FileDescriptor open() const { return FileDescriptor(::open(path_.c_str(), O_RDWR | O_CLOEXEC)); }
  // Keeps the compiler from leaving out the access.
  static char touch(const std::byte* place) {
    return static_cast<char>(*static_cast<const volatile std::byte*>(place));
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.file("mapped");
};

TEST_F(FileMappingTest, WritesReachTheFile) {
  FileMapping mapping(open().get(), kBytes, FileMapping::Access::write);
  mapping.data()[kBytes - 1] = std::byte{'z'};
  EXPECT_EQ(read_file(path_).back(), 'z');
  EXPECT_FALSE(mapping.lost());
}

TEST_F(FileMappingTest, ATruncatedFileGivesZerosInsteadOfADeath) {
  for (const auto access : {FileMapping::Access::read, FileMapping::Access::write}) {
    write_file(path_, std::string(kBytes, 'a'));
    FileMapping mapping(open().get(), kBytes, access);
    EXPECT_EQ(touch(mapping.data()), 'a');
    ASSERT_EQ(::truncate(path_.c_str(), 4096), 0);
    EXPECT_EQ(touch(mapping.data()), 'a') << "what is left of the file can still be read";
    EXPECT_FALSE(mapping.lost());
    EXPECT_EQ(touch(mapping.data() + 8192), 0);
    EXPECT_TRUE(mapping.lost());
    EXPECT_EQ(touch(mapping.data()), 0) << "the whole mapping is replaced";
  }
}

TEST_F(FileMappingTest, AWriterGoesOnInPrivateMemory) {
  FileMapping mapping(open().get(), kBytes, FileMapping::Access::write);
  ASSERT_EQ(::truncate(path_.c_str(), 0), 0);
  for (std::size_t i = 0; i < kBytes; ++i) mapping.data()[i] = std::byte{'w'};
  EXPECT_TRUE(mapping.lost());
  EXPECT_EQ(touch(mapping.data() + kBytes - 1), 'w');
  EXPECT_EQ(read_file(path_), "");
}

TEST_F(FileMappingTest, TheLossOfOneIsNotTheLossOfAnother) {
  const std::string other_path = folder_.file("other");
  write_file(other_path, std::string(kBytes, 'b'));
  const FileDescriptor other_file(::open(other_path.c_str(), O_RDONLY | O_CLOEXEC));
  FileMapping other(other_file.get(), kBytes, FileMapping::Access::read);
  FileMapping mapping(open().get(), kBytes, FileMapping::Access::read);
  ASSERT_EQ(::truncate(path_.c_str(), 0), 0);
  EXPECT_EQ(touch(mapping.data()), 0);
  EXPECT_TRUE(mapping.lost());
  EXPECT_FALSE(other.lost());
  EXPECT_EQ(touch(other.data()), 'b');
}

TEST_F(FileMappingTest, AFaultElsewhereStillEndsTheProcess) {
  ForkedProcess child([&] {
    FileMapping guarded(open().get(), kBytes, FileMapping::Access::read);
    void* other = ::mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, open().get(), 0);
    if (::truncate(path_.c_str(), 0) != 0) return 1;
    touch(static_cast<const std::byte*>(other));
    return 0;
  });
  EXPECT_NE(child.exit_code(), 0);
}

TEST_F(FileMappingTest, ASignalThatAProcessSentStillEndsTheProcess) {
  ForkedProcess child([&] {
    FileMapping guarded(open().get(), kBytes, FileMapping::Access::read);
    ::kill(::getpid(), SIGBUS);
    return 0;
  });
  EXPECT_NE(child.exit_code(), 0);
}

TEST_F(FileMappingTest, MoreMappingsThanTheTableHoldsAreRefused) {
  const FileDescriptor file = open();
  std::vector<std::unique_ptr<FileMapping>> mappings;
  const auto map = [&] {
    mappings.push_back(
        std::make_unique<FileMapping>(file.get(), kBytes, FileMapping::Access::read));
  };
  EXPECT_THROW(for (std::size_t i = 0; i <= FileMapping::kMaxMappings; ++i) map(),
               std::system_error);
  EXPECT_EQ(mappings.size(), FileMapping::kMaxMappings);
  mappings.pop_back();
  EXPECT_NO_THROW(map()) << "a place that was given back is free again";
}

}  // namespace
}  // namespace cpss
