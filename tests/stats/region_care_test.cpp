#include "stats/region_care.h"

#include <cerrno>
#include <filesystem>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stats/reader.h"
#include "stats/region.h"
#include "tests/stats/region_bytes.h"
#include "tests/stats/sample_server.h"
#include "tests/support/forked_process.h"
#include "tests/support/program.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::chrono::milliseconds kTick{100};

class RegionCareTest : public testing::Test {
 protected:
  RegionCareTest() { server_.region.set_live(); }

  // The report of the server's next look.
  std::vector<std::string> next_look() {
    now_ += RegionCare::kLook;
    return server_.region.look_after(now_);
  }
  // The error of another process that wants to be a server at the path; empty if it gets the path.
  std::string second_server(int* code = nullptr) const {
    const std::string told = folder_.file("told");
    ForkedProcess second([&] {
      try {
        StatsRegion region(test::sample_options(path_));
      } catch (const StatsRegionError& error) {
        write_file(told, error.what());
        return error.code();
      }
      write_file(told, "");
      return 0;
    });
    const int exit_code = second.exit_code();
    if (code != nullptr) *code = exit_code;
    return read_file(told);
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.file("stats");
  std::string lock_ = path_ + ".lock";
  test::SampleServer server_{path_};
  RegionCare::TimePoint now_{std::chrono::hours(1)};
};

TEST_F(RegionCareTest, OfFilesInTheirPlaceThereIsNothingToTell) {
  for (int i = 0; i < 3; ++i) EXPECT_THAT(next_look(), IsEmpty());
}

TEST_F(RegionCareTest, ARemovedRegionIsToldOnceAndWithinASecond) {
  EXPECT_THAT(next_look(), IsEmpty());
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  std::vector<std::string> lines;
  for (int i = 0; i < 10; ++i)
    for (const std::string& line : server_.region.look_after(now_ += kTick)) lines.push_back(line);
  EXPECT_THAT(lines, ElementsAre(AllOf(HasSubstr(path_ + " was removed"),
                                       HasSubstr("no reader finds them; restart it"))));
  EXPECT_THAT(next_look(), IsEmpty()) << "said once";
}

TEST_F(RegionCareTest, AReplacedRegionIsToldWithWhatIsThere) {
  std::filesystem::rename(path_, folder_.file("away"));
  write_file(path_, "something else");
  EXPECT_THAT(next_look(), ElementsAre(HasSubstr("replaced by a file that is no stats region")));
  EXPECT_THAT(next_look(), IsEmpty());
  std::filesystem::rename(folder_.file("away"), path_);
  EXPECT_THAT(next_look(), IsEmpty()) << "it is ours again";
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  EXPECT_THAT(next_look(), ElementsAre(HasSubstr("was removed"))) << "that is news";
}

// As a restored backup does.
TEST_F(RegionCareTest, ACopyInItsPlaceIsTold) {
  std::filesystem::copy_file(path_, folder_.file("copy"));
  std::filesystem::rename(folder_.file("copy"), path_);
  EXPECT_THAT(next_look(), ElementsAre(HasSubstr("was replaced by a copy of it: ")));
  EXPECT_THAT(next_look(), IsEmpty());
}

// The tables of another region may hold anything, and take any time to read.
TEST_F(RegionCareTest, OfAnotherRegionNoMoreThanTheHeaderIsRead) {
  test::RegionBytes another;
  another.put(offsetof(layout::Header, metrics), std::uint64_t{1} << 40);
  another.put(offsetof(layout::Header, ended_ns), std::uint64_t{1});
  const std::string file = folder_.write("another", another.bytes);
  ASSERT_EQ(RegionReader(file).read().state, RegionState::incompatible) << "it is damaged";
  std::filesystem::rename(file, path_);
  EXPECT_THAT(next_look(), ElementsAre(HasSubstr("was replaced by a region without a server")));
}

TEST_F(RegionCareTest, ARegionCutShortIsTold) {
  ASSERT_EQ(::truncate(path_.c_str(), 0), 0);
  server_.answered(2);
  EXPECT_THAT(next_look(), ElementsAre(HasSubstr("was cut short")));
  EXPECT_THAT(next_look(), IsEmpty());
}

TEST_F(RegionCareTest, ARemovedLockIsMadeAgain) {
  ASSERT_EQ(::unlink(lock_.c_str()), 0);
  EXPECT_THAT(next_look(), ElementsAre(HasSubstr("is made and locked again")));
  EXPECT_THAT(next_look(), IsEmpty());
  const pid_t server = ::getpid();
  ForkedProcess other([&] {
    const FileDescriptor file(::open(lock_.c_str(), O_RDWR | O_CLOEXEC));
    struct flock lock {};
    lock.l_type = F_WRLCK;
    EXPECT_EQ(::fcntl(file.get(), F_GETLK, &lock), 0);
    EXPECT_EQ(lock.l_type, F_WRLCK);
    EXPECT_EQ(lock.l_pid, server);
    return HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(other.exit_code(), 0);
}

// A second server comes before the first one has noticed the loss.
TEST_F(RegionCareTest, WithoutItsLockFileThePathIsTakenAllTheSame) {
  server_.region.heartbeat();
  server_.answered(3);
  ASSERT_EQ(::unlink(lock_.c_str()), 0);
  int code = 0;
  EXPECT_THAT(second_server(&code),
              AllOf(HasSubstr("is held by another server, process " + std::to_string(::getpid())),
                    HasSubstr("lock file")));
  EXPECT_EQ(code, EBUSY);
  const Reading reading = RegionReader(path_).read();
  EXPECT_TRUE(has_server(reading.state)) << name_of(reading.state);
  EXPECT_EQ(reading.snapshot->total("received"), 3u);
  EXPECT_THAT(next_look(), ElementsAre(HasSubstr("is made and locked again")));
}

// Both files are removed, and another server takes the path first.
TEST_F(RegionCareTest, ASecondServerThatTookThePathIsNamed) {
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  ASSERT_EQ(::unlink(lock_.c_str()), 0);
  LastingChild second([&](const auto& stay) {
    test::SampleServer server(path_);
    server.region.set_live();
    stay();
  });
  const std::string process = "process " + std::to_string(second.pid());
  EXPECT_THAT(next_look(),
              ElementsAre(HasSubstr("replaced by the region of another server, " + process),
                          AllOf(HasSubstr("lock file"), HasSubstr(process))));
  EXPECT_THAT(next_look(), IsEmpty()) << "said once";
  second.kill_and_reap();
  EXPECT_THAT(next_look(), ElementsAre(HasSubstr("replaced by a region without a server"),
                                       HasSubstr("is made and locked again")));
}

TEST_F(RegionCareTest, TheTimesAreRefreshedOnceAMinute) {
  const auto make_old = [this] {
    for (const std::string& file : {path_, lock_}) {
      const timespec times[2] = {{1000, 0}, {1000, 0}};
      ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
    }
  };
  const auto are_old = [this] {
    int old = 0;
    for (const std::string& file : {path_, lock_}) {
      struct stat status {};
      EXPECT_EQ(::stat(file.c_str(), &status), 0);
      if (status.st_atim.tv_sec == 1000 && status.st_mtim.tv_sec == 1000) ++old;
    }
    return old;
  };
  make_old();
  EXPECT_EQ(are_old(), 2);
  next_look();
  EXPECT_EQ(are_old(), 0);
  make_old();
  for (int i = 0; i < 59; ++i) next_look();
  EXPECT_EQ(are_old(), 2);
  next_look();
  EXPECT_EQ(are_old(), 0);
}

// The user that root has become (CPSS_USER) may not set the times of files that stay root's.
TEST_F(RegionCareTest, TheTimesOfALockFileOfAnotherUserAreRefreshed) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const std::string path = folder_.file("given");
  const std::string lock = path + ".lock";
  ForkedProcess child([&] {
    test::SampleServer server(path);
    server.region.set_live();
    const timespec old[2] = {{1000, 0}, {1000, 0}};
    EXPECT_EQ(::utimensat(AT_FDCWD, lock.c_str(), old, 0), 0);
    EXPECT_EQ(::setresuid(65534, 65534, 65534), 0);
    EXPECT_THAT(server.region.look_after(now_), IsEmpty());
    return HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.exit_code(), 0);
  struct stat status {};
  ASSERT_EQ(::stat(lock.c_str(), &status), 0);
  EXPECT_GT(status.st_mtim.tv_sec, 1000);
  EXPECT_EQ(status.st_uid, 0u);
}

// flock(2) on a folder that every user may write would keep the files of others from being swept.
TEST_F(RegionCareTest, ItsFolderIsLockedUnlessItIsEverybodys) {
  const auto locked = [](const std::string& folder) {
    const FileDescriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return ::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0;
  };
  EXPECT_TRUE(locked(folder_.path()));
  test::SampleServer second(folder_.file("second"));
  EXPECT_TRUE(locked(folder_.path())) << "shared";
  const std::string everybodys = folder_.file("everybodys");
  ASSERT_EQ(::mkdir(everybodys.c_str(), 0700), 0);
  ASSERT_EQ(::chmod(everybodys.c_str(), 01777), 0);
  test::SampleServer third(everybodys + "/stats");
  EXPECT_FALSE(locked(everybodys));
}

// Sweeps as systemd's timer does once a day, here with an age of 1 s instead of 10 days.
TEST_F(RegionCareTest, WhatSweepsOldFilesPassesOverThem) {
  const std::string tool = "/usr/bin/systemd-tmpfiles";
  if (::access(tool.c_str(), X_OK) != 0) GTEST_SKIP() << "needs systemd-tmpfiles";
  const TemporaryFolder above;
  const std::string folder = above.file("cpss");
  const std::string unused = above.file("unused");
  ASSERT_EQ(::mkdir(folder.c_str(), 0700), 0);
  const std::string rules = folder_.write("rules.conf", "e " + above.path() + " - - - 1s\n");
  const std::string path = folder + "/stats";
  // The tool also removes the folder, once that is empty and old.
  const auto sweep_until_old_is_gone = [&] {
    std::filesystem::create_directory(unused);
    write_file(unused + "/old", "swept");
    for (int i = 0; i < 100 && std::filesystem::exists(unused + "/old"); ++i) {
      std::this_thread::sleep_for(kTick);
      const Finished swept = run_program({tool, "--clean", rules});
      ASSERT_EQ(swept.code, 0) << swept.errors;
    }
    ASSERT_FALSE(std::filesystem::exists(unused + "/old")) << "nothing is swept here";
  };
  {
    test::SampleServer server(path);
    server.region.set_live();
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    sweep_until_old_is_gone();
    EXPECT_TRUE(std::filesystem::exists(path));
    EXPECT_TRUE(std::filesystem::exists(path + ".lock"));
  }
  sweep_until_old_is_gone();
  EXPECT_FALSE(std::filesystem::exists(path)) << "nobody uses it any more";
}

}  // namespace
}  // namespace cpss
