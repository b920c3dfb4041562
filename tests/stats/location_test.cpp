#include "stats/location.h"

#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stats/region_error.h"
#include "tests/support/forked_process.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

constexpr uid_t kNobody = 65534;

// Runs `body` in a process of its own, as a user without privileges whose home is `folder`.
int as_user(const std::string& folder, const std::function<void()>& body) {
  ForkedProcess child([&] {
    if (::geteuid() == 0 && (::chown(folder.c_str(), kNobody, kNobody) != 0 ||
                             ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0))
      return 1;
    ::unsetenv("XDG_RUNTIME_DIR");
    ::unsetenv("TMPDIR");
    body();
    return testing::Test::HasFailure() ? 1 : 0;
  });
  return child.exit_code();
}

std::string per_user_folder(const std::string& temporary) {
  return temporary + "/cpss-" + std::to_string(::geteuid());
}

mode_t mode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

int error_of_preparing() {
  try {
    prepare_default_region_path();
  } catch (const StatsRegionError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("CPSS_STATS_FILE"));
    return error.code();
  }
  return 0;
}

TEST(LocationTest, RootHasRunCpss) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  EXPECT_EQ(default_region_path(), "/run/cpss/stats");
}

TEST(LocationTest, OthersHaveTheirRuntimeFolder) {
  const TemporaryFolder folder;
  EXPECT_EQ(as_user(folder.path(),
                    [&] {
                      ::setenv("XDG_RUNTIME_DIR", folder.path().c_str(), 1);
                      const std::string path = prepare_default_region_path();
                      EXPECT_EQ(path, folder.file("cpss/stats"));
                      EXPECT_EQ(path, default_region_path());
                      EXPECT_EQ(mode_of(folder.file("cpss")), 0700u);
                    }),
            0);
}

TEST(LocationTest, ElseAPrivateFolderUnderTmpdir) {
  const TemporaryFolder folder;
  EXPECT_EQ(as_user(folder.path(),
                    [&] {
                      ::setenv("XDG_RUNTIME_DIR", "not/absolute", 1);
                      ::setenv("TMPDIR", folder.path().c_str(), 1);
                      const std::string mine = per_user_folder(folder.path());
                      EXPECT_EQ(prepare_default_region_path(), mine + "/stats");
                      EXPECT_EQ(mode_of(mine), 0700u);
                      EXPECT_EQ(prepare_default_region_path(), mine + "/stats") << "again";
                    }),
            0);
}

TEST(LocationTest, WithoutTmpdirItIsUnderTmp) {
  const TemporaryFolder folder;
  EXPECT_EQ(as_user(folder.path(),
                    [] { EXPECT_EQ(default_region_path(), per_user_folder("/tmp") + "/stats"); }),
            0);
}

TEST(LocationTest, ARuntimeFolderOfAnotherUserIsNotUsed) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to have a folder of another user";
  const TemporaryFolder folder, of_root;
  EXPECT_EQ(as_user(folder.path(),
                    [&] {
                      ::setenv("XDG_RUNTIME_DIR", of_root.path().c_str(), 1);
                      ::setenv("TMPDIR", folder.path().c_str(), 1);
                      EXPECT_EQ(default_region_path(), per_user_folder(folder.path()) + "/stats");
                    }),
            0);
}

TEST(LocationTest, AFolderThatOthersPreparedIsRefused) {
  const TemporaryFolder folder;
  EXPECT_EQ(as_user(folder.path(),
                    [&] {
                      ::setenv("TMPDIR", folder.path().c_str(), 1);
                      const std::string mine = per_user_folder(folder.path());
                      write_file(mine, "");
                      EXPECT_EQ(error_of_preparing(), ENOTDIR);
                      std::filesystem::remove(mine);
                      std::filesystem::create_directory_symlink("/", mine);
                      EXPECT_EQ(error_of_preparing(), ENOTDIR) << "a link is not followed";
                      std::filesystem::remove(mine);
                      std::filesystem::create_directory(mine);
                      EXPECT_EQ(::chmod(mine.c_str(), 0755), 0);
                      EXPECT_EQ(error_of_preparing(), EPERM) << "open to others";
                    }),
            0);
}

TEST(LocationTest, AFolderThatBelongsToAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to make a folder of another user";
  const TemporaryFolder folder;
  ASSERT_TRUE(std::filesystem::create_directory(folder.file("cpss-65534")));
  EXPECT_EQ(as_user(folder.path(),
                    [&] {
                      ::setenv("TMPDIR", folder.path().c_str(), 1);
                      EXPECT_EQ(error_of_preparing(), EPERM);
                    }),
            0);
}

}  // namespace
}  // namespace cpss
