#include "tools/udpblast/data_file.h"

#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temporary_folder.h"

namespace cpss::udpblast {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class DataFileTest : public ::testing::Test {
 protected:
  std::string written(std::string_view content) const {
    return folder_.write("queries.tsv", content);
  }

  TemporaryFolder folder_;
};

std::string error_of(const std::string& path) {
  try {
    const DataFile data(path);
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(DataFileTest, LinesAsTheyAre) {
  const DataFile data(written("+12025550123\tprefix=1202;gateway=a b\n4420\t\n7\tprefix=7\n"));
  ASSERT_EQ(data.size(), 3u);
  EXPECT_EQ(data[0].number, "+12025550123");
  EXPECT_EQ(data[0].body, "prefix=1202;gateway=a b");
  EXPECT_EQ(data[1].number, "4420");
  EXPECT_EQ(data[1].body, "");
  EXPECT_EQ(data[2].number, "7");
  EXPECT_EQ(data[2].body, "prefix=7");
  EXPECT_EQ(data.longest_number(), 12u);
  EXPECT_EQ(data.longest_body(), 23u);
}

TEST_F(DataFileTest, LastLineWithoutLineFeed) {
  EXPECT_EQ(DataFile(written("1\ta=b"))[0].body, "a=b");
  const DataFile data(written("2\ta=b\n1\t"));
  ASSERT_EQ(data.size(), 2u);
  EXPECT_EQ(data[0].body, "a=b");
  EXPECT_EQ(data[1].body, "");
}

TEST_F(DataFileTest, EachErrorNamesFileAndLine) {
  const auto check = [this](std::string_view content, int line, const std::string& what) {
    const std::string path = written(content);
    const std::string error = error_of(path);
    EXPECT_THAT(error, StartsWith(fmt::format("{}:{}: ", path, line)));
    EXPECT_THAT(error, HasSubstr(what));
  };
  check("1\t\n2\n", 2, "no TAB");
  check("1\t\n\n3\t\n", 2, "no TAB");
  check("\tprefix=1\n", 1, "not a number");
  check("+\tprefix=1\n", 1, "not a number");
  check("1\t\n1234567890123456\t\n", 2, "not a number");
  check("12a\tx\n", 1, "'12a' is not a number");
  check("++12\tx\n", 1, "not a number");
  check("\x01\xff\tx\n", 1, "'\\x01\\xff' is not a number");
  check("1\tprefix=1\r\n", 1, "CR LF");
  check("1\ta\tb\n", 1, "control character 0x09");
  check("1\t" + std::string(65'520, 'x') + "\n", 1, "65520 bytes");
}

TEST_F(DataFileTest, FilesThatCannotBeUsed) {
  EXPECT_THAT(error_of("/nonexistent/queries.tsv"),
              EndsWith("queries.tsv: No such file or directory"));
  EXPECT_THAT(error_of("/"), HasSubstr("not a regular file"));
  EXPECT_THAT(error_of(written("")), HasSubstr("is empty"));
  const std::string fifo = folder_.file("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(error_of(fifo), HasSubstr("not a regular file"));
}

// As many lines as the main job has.
TEST_F(DataFileTest, TwoMillionLines) {
  constexpr std::size_t kLines = 2'020'222;
  std::string content;
  for (std::size_t i = 0; i < kLines; ++i)
    fmt::format_to(std::back_inserter(content),
                   "+4412{:08}\tprefix=4412;gateway=gw{}.example.net\n", i, i % 64);
  const TemporaryFolder folder(std::filesystem::temp_directory_path());
  const std::string path = folder.write("queries.tsv", content);
  const DataFile data(path);
  ASSERT_EQ(data.size(), kLines);
  EXPECT_EQ(data[kLines - 1].number, "+441202020221");
  EXPECT_EQ(data[kLines - 1].body, "prefix=4412;gateway=gw61.example.net");
}

}  // namespace
}  // namespace cpss::udpblast
