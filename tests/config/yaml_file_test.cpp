#include "config/yaml_file.h"

#include <cerrno>
#include <system_error>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/config/load_support.h"
#include "tests/support/forked_process.h"
#include "tests/support/sanitizers.h"

namespace cpss {
namespace {

using testing::IsEmpty;

// The text of the only error, which has no position.
std::string file_error(const std::string& path) {
  const YamlDocument document = read_yaml_file(path);
  EXPECT_THAT(document.entries, IsEmpty());
  if (document.errors.size() != 1 || document.errors[0].at) return "not one error of the file";
  return document.errors[0].text;
}

TEST(YamlFile, OfAPipeThatNobodyWritesIsAnError) {
  const TemporaryFolder folder;
  const std::string path = folder.file("fifo");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const YamlDocument document = read_yaml_file(path, std::chrono::milliseconds(50));
  ASSERT_EQ(document.errors.size(), 1u);
  EXPECT_EQ(document.errors[0].text,
            "cannot be read: no byte came for 0.05 s: does nobody write to it?");
}

TEST(YamlFile, SaysWhyItCannotBeRead) {
  const TemporaryFolder folder;
  EXPECT_EQ(file_error(folder.file("missing")), "cannot be read: No such file or directory");
  EXPECT_EQ(file_error(folder.file("")), "cannot be read: Is a directory");
}

TEST(YamlFile, HasALargestSize) {
  const TemporaryFolder folder;
  const std::string too_large = "is larger than 1048576 bytes, so it is not a file of settings";
  EXPECT_EQ(file_error("/dev/zero"), too_large);

  const std::string path = folder.write("large.yaml", "a: 1\n");
  ASSERT_EQ(truncate(path.c_str(), 100 << 20), 0);
  EXPECT_EQ(file_error(path), too_large);

  const std::string comment(kLargestYamlFile - 5, '#');
  EXPECT_THAT(read_yaml_file(folder.write("most.yaml", "a: 1\n" + comment)).errors, IsEmpty());
  EXPECT_EQ(file_error(folder.write("more.yaml", "a: 1\n" + comment + "#")), too_large);
}

TEST(YamlFile, MayBeEmpty) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_yaml_file(folder.write("empty.yaml", "")), YamlDocument{});
  EXPECT_EQ(read_yaml_file("/dev/null"), YamlDocument{});
}

TEST(YamlFile, MayHaveAByteOrderMark) {
  const TemporaryFolder folder;
  const YamlDocument document = read_yaml_file(folder.write("bom.yaml",
                                                            "\xEF\xBB\xBF"
                                                            "a: 1\n"));
  EXPECT_THAT(document.errors, IsEmpty());
  ASSERT_EQ(document.entries.size(), 1U);
  EXPECT_EQ(document.entries[0].path, "a");
  EXPECT_EQ(document.entries[0].at, (YamlPosition{1, 1}));

  for (const char* mark : {"\xFF\xFE", "\xFE\xFF"}) {
    const YamlDocument utf16 = read_yaml_file(folder.write("utf16.yaml", mark));
    ASSERT_EQ(utf16.errors.size(), 1U);
    EXPECT_EQ(utf16.errors[0].text, "this is UTF-16; save the file as UTF-8");
  }
}

TEST(YamlFile, MayBeAPipe) {
  const TemporaryFolder folder;
  const std::string path = folder.file("pipe");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  ForkedProcess writer([&] {
    write_file(path, "a: 1\n");
    return 0;
  });
  const YamlDocument document = read_yaml_file(path);
  EXPECT_EQ(writer.exit_code(), 0);
  EXPECT_THAT(document.errors, IsEmpty());
  EXPECT_EQ(document.entries.size(), 1U);
}

TEST(YamlFile, ALimitOfTheProcessIsNoErrorOfTheFile) {
  if (kUndefinedBehaviorSanitizer)
    GTEST_SKIP() << "UndefinedBehaviorSanitizer needs descriptors to look at memory";
  const TemporaryFolder folder;
  const std::string path = folder.write("a.yaml", "a: 1\n");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = dup(0);
  close(next);
  // Room for one more descriptor: the file, but not both ends of the pipe.
  const rlimit one_more{static_cast<rlim_t>(next) + 1, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &one_more), 0);
  int error = 0;
  try {
    read_yaml_file(path);
  } catch (const std::system_error& limit) {
    error = limit.code().value();
  }
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(error, EMFILE);
}

// An error without a place would come from the limits on the parser's time and memory.
TEST(YamlFile, OfTheLargestSizeIsReadInTime) {
  const TemporaryFolder folder;
  // ThreadSanitizer makes the parser ten times as slow, and its time limit stays.
  constexpr std::size_t kBytes = kThreadSanitizer ? kLargestYamlFile / 4 : kLargestYamlFile;
  const auto filled = [](const std::string& head, const std::string& unit) {
    std::string text = head;
    while (text.size() + unit.size() <= kBytes) text += unit;
    return text;
  };
  const std::vector<std::pair<std::string, std::string>> shapes{
      {"", "a: 1\n"},  {"", "- a\n"},      {"a: [", "b, "}, {"", "{"},   {"", "["},
      {"a: \"", "b"},  {"a: |\n", " b\n"}, {"", "? "},      {"", "a: "}, {"", "- "},
      {"a: {", "b: "}, {"a: '", "''"},     {"", "#\n"},     {"", "\n"},  {"a: [", "? "},
  };
  for (const auto& [head, unit] : shapes) {
    const std::string path = folder.write("full.yaml", filled(head, unit));
    const YamlDocument document = read_yaml_file(path);
    for (const YamlError& error : document.errors)
      EXPECT_TRUE(error.at) << head << unit << " -> " << error.text;
  }
}

}  // namespace
}  // namespace cpss
