#include "tools/getstat/terminal.h"

#include <initializer_list>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/file_descriptor.h"

namespace cpss::getstat {
namespace {

TEST(CutToTest, WhatFitsIsLeftAsItIs) {
  EXPECT_EQ(cut_to({4, 5}, "a\n\nabcde\n"), "a\n\nabcde\n");
  EXPECT_EQ(cut_to({4, 5}, ""), "");
}

TEST(CutToTest, LinesEndAtTheLastColumn) {
  EXPECT_EQ(cut_to({24, 3}, "abcd\n\nabcdefgh\n"), "abc\n\nabc\n");
}

TEST(CutToTest, CharactersAreNotCutInTwo) {
  EXPECT_EQ(cut_to({24, 2}, "\u00e9\u20ac\u00e9\n"), "\u00e9\u20ac\n");
}

TEST(CutToTest, TheLastLineCountsThoseThatAreMissing) {
  EXPECT_EQ(cut_to({4, 80}, "1\n2\n3\n"), "1\n2\n3\n");
  EXPECT_EQ(cut_to({4, 80}, "1\n2\n3\n4\n"), "1\n2\n... 2 more lines: enlarge the terminal\n");
  EXPECT_EQ(cut_to({4, 9}, "1\n2\n3\n4\n"), "1\n2\n... 2 mor\n");
}

TEST(CutToTest, TheSmallestTerminals) {
  for (const std::size_t rows : {1u, 2u}) EXPECT_EQ(cut_to({rows, 1}, "12\n34\n"), ".\n") << rows;
}

TEST(TerminalSizeTest, IsThatOfTheTerminalNow) {
  const FileDescriptor terminal(::posix_openpt(O_RDWR | O_NOCTTY));
  for (const unsigned short rows : std::initializer_list<unsigned short>{24, 50}) {
    const winsize size{rows, 80, 0, 0};
    ASSERT_EQ(::ioctl(terminal.get(), TIOCSWINSZ, &size), 0);
    const auto read = terminal_size(terminal.get());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->rows, rows);
    EXPECT_EQ(read->columns, 80u);
  }
}

TEST(TerminalSizeTest, IsUnknownOfWhatIsNoTerminalOrDoesNotSay) {
  const FileDescriptor null(::open("/dev/null", O_RDWR));
  EXPECT_FALSE(terminal_size(null.get()));
  const FileDescriptor new_terminal(::posix_openpt(O_RDWR | O_NOCTTY));
  EXPECT_FALSE(terminal_size(new_terminal.get()));
}

}  // namespace
}  // namespace cpss::getstat
