#include "base/passed_descriptor.h"

#include <array>
#include <cerrno>
#include <string>
#include <utility>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace cpss {
namespace {

class PassedDescriptorTest : public testing::Test {
 protected:
  PassedDescriptorTest() {
    std::array<int, 2> ends;
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    here_ = FileDescriptor(ends[0]);
    there_ = FileDescriptor(ends[1]);
  }

  FileDescriptor here_;
  FileDescriptor there_;
};

TEST_F(PassedDescriptorTest, ADescriptorArrivesWithItsText) {
  const FileDescriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(pass(here_.get(), "text", file.get()));
  ASSERT_TRUE(pass(here_.get(), "", file.get()));
  for (const char* text : {"text", ""}) {
    const auto passed = take_passed(there_.get());
    ASSERT_TRUE(passed);
    EXPECT_EQ(passed->text, text);
    struct stat sent {
    }, got{};
    ASSERT_EQ(::fstat(file.get(), &sent), 0);
    ASSERT_EQ(::fstat(passed->descriptor.get(), &got), 0);
    EXPECT_EQ(got.st_rdev, sent.st_rdev);
    EXPECT_EQ(::fcntl(passed->descriptor.get(), F_GETFD), FD_CLOEXEC);
  }
}

TEST_F(PassedDescriptorTest, ATextMayComeAloneAndIsCutIfItIsTooLong) {
  ASSERT_TRUE(pass(here_.get(), "alone"));
  ASSERT_TRUE(pass(here_.get(), std::string(kMaxPassedText + 1, 'x')));
  const auto alone = take_passed(there_.get());
  ASSERT_TRUE(alone);
  EXPECT_EQ(alone->text, "alone");
  EXPECT_FALSE(alone->descriptor.valid());
  const auto cut = take_passed(there_.get());
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->text, std::string(kMaxPassedText, 'x'));
}

TEST_F(PassedDescriptorTest, NothingIsTakenBeforeItIsThereNorAfterTheEnd) {
  EXPECT_FALSE(take_passed(there_.get(), MSG_DONTWAIT));
  EXPECT_EQ(errno, EAGAIN);
  here_ = FileDescriptor();
  EXPECT_FALSE(take_passed(there_.get(), MSG_DONTWAIT));
  EXPECT_EQ(errno, 0);
  EXPECT_FALSE(pass(there_.get(), "nobody takes it"));
}

}  // namespace
}  // namespace cpss
