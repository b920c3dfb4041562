#include "tests/support/temporary_folder.h"

#include <filesystem>
#include <system_error>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cpss {
namespace {

namespace fs = std::filesystem;

TEST(TemporaryFolder, GoesWithAllThatIsInIt) {
  std::string path;
  {
    const TemporaryFolder folder;
    path = folder.path();
    fs::create_directory(folder.file("sub"));
    folder.write("sub/file", "content");
    EXPECT_TRUE(fs::is_directory(path));
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(TemporaryFolder, LiesWhereItIsWanted) {
  const TemporaryFolder parent;
  const TemporaryFolder folder(parent.path());
  EXPECT_EQ(fs::path(folder.path()).parent_path(), parent.path());
}

TEST(WholeFiles, AreReadAsTheyWereWritten) {
  const TemporaryFolder folder;
  const std::string path = folder.write("file", "longer\n");
  const std::string content("\0\r\n\xff", 4);
  write_file(path, content);
  EXPECT_EQ(read_file(path), content);
}

TEST(WholeFiles, SayWhichOneFailed) {
  const TemporaryFolder folder;
  const std::string path = folder.file("no/such/folder");
  const auto fails = testing::ThrowsMessage<std::system_error>(
      testing::AllOf(testing::HasSubstr(path), testing::HasSubstr("No such file")));
  EXPECT_THAT([&] { read_file(path); }, fails);
  EXPECT_THAT([&] { write_file(path, "x"); }, fails);
  EXPECT_THAT([&] { const TemporaryFolder nowhere(path); }, fails);
  EXPECT_THROW(write_file("/dev/full", "x"), std::system_error);
}

}  // namespace
}  // namespace cpss
