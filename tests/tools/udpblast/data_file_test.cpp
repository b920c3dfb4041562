#include "tools/udpblast/data_file.h"

#include <chrono>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/tools/udpblast/temporary_file.h"

namespace cpss::udpblast {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string error_of(const std::string& path) {
  try {
    const DataFile data(path);
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

TEST(DataFile, LinesAsTheyAre) {
  const TemporaryFile file("+12025550123\tprefix=1202;gateway=a b\n4420\t\n7\tprefix=7\n");
  const DataFile data(file.path());
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

TEST(DataFile, LastLineWithoutLineFeed) {
  const TemporaryFile with_body("1\ta=b");
  EXPECT_EQ(DataFile(with_body.path())[0].body, "a=b");
  const TemporaryFile without_body("2\ta=b\n1\t");
  const DataFile data(without_body.path());
  ASSERT_EQ(data.size(), 2u);
  EXPECT_EQ(data[0].body, "a=b");
  EXPECT_EQ(data[1].body, "");
}

TEST(DataFile, EachErrorNamesFileAndLine) {
  const auto check = [](std::string_view content, int line, const std::string& what) {
    const TemporaryFile file(content);
    const std::string error = error_of(file.path());
    EXPECT_THAT(error, StartsWith(fmt::format("{}:{}: ", file.path(), line)));
    EXPECT_THAT(error, HasSubstr(what));
  };
  check("1\t\n2\n", 2, "no TAB");
  check("1\t\n\n3\t\n", 2, "no TAB");
  check("\tprefix=1\n", 1, "not a number");
  check("+\tprefix=1\n", 1, "not a number");
  check("1\t\n1234567890123456\t\n", 2, "not a number");
  check("12a\tx\n", 1, "\"12a\" is not a number");
  check("++12\tx\n", 1, "not a number");
  check("\x01\xff\tx\n", 1, "\"\\x01\\xff\" is not a number");
  check("1\tprefix=1\r\n", 1, "CR LF");
  check("1\ta\tb\n", 1, "control character 0x09");
  check("1\t" + std::string(65'520, 'x') + "\n", 1, "65520 bytes");
}

TEST(DataFile, FilesThatCannotBeUsed) {
  EXPECT_THAT(error_of("/nonexistent/queries.tsv"),
              EndsWith("queries.tsv: No such file or directory"));
  EXPECT_THAT(error_of("/"), HasSubstr("not a regular file"));
  const TemporaryFile empty("");
  EXPECT_THAT(error_of(empty.path()), HasSubstr("is empty"));
  const std::string fifo = ::testing::TempDir() + fmt::format("udpblast-fifo-{}", ::getpid());
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(error_of(fifo), HasSubstr("not a regular file"));
  ::unlink(fifo.c_str());
}

// The size of the real thing: it takes some 0.15 s, a tenth of what is allowed.
TEST(DataFile, TwoMillionLines) {
  constexpr std::size_t kLines = 2'020'222;
  std::string content;
  for (std::size_t i = 0; i < kLines; ++i)
    fmt::format_to(std::back_inserter(content),
                   "+4412{:08}\tprefix=4412;gateway=gw{}.example.net\n", i, i % 64);
  const TemporaryFile file(content);
  const auto begin = std::chrono::steady_clock::now();
  const DataFile data(file.path());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  RecordProperty("load_s", fmt::format("{:.3f}", took.count()));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(took.count(), 2);
#endif
  ASSERT_EQ(data.size(), kLines);
  EXPECT_EQ(data[kLines - 1].number, "+441202020221");
  EXPECT_EQ(data[kLines - 1].body, "prefix=4412;gateway=gw61.example.net");
}

}  // namespace
}  // namespace cpss::udpblast
