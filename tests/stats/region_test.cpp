#include "stats/region.h"

#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stats/reader.h"
#include "stats/region_place.h"
#include "tests/stats/sample_server.h"
#include "tests/support/failing_calls.h"
#include "tests/support/forked_process.h"
#include "tests/support/sanitizers.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class RegionTest : public testing::Test {
 protected:
  // The error of making a region at `path`; without one the test fails.
  static StatsRegionError error_at(const std::string& path) {
    try {
      StatsRegion region(test::sample_options(path));
    } catch (const StatsRegionError& error) {
      return error;
    }
    ADD_FAILURE() << "a region was made at " << path;
    return {"", 0};
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.file("stats");
};

TEST_F(RegionTest, WhatIsWrittenIsRead) {
  test::SampleServer server(path_);
  server.answered(5);
  server.invalid(Reason::invalid_too_short, 2);
  server.receive.raise(Gauge::queue_high_water, 3);
  server.main.add(Counter::kernel_dropped, 9);

  const Snapshot snapshot = server.region.snapshot();
  ASSERT_EQ(snapshot.stages.size(), 4u);
  EXPECT_EQ(snapshot.stages[0].name, "receive");
  EXPECT_EQ(snapshot.stages[3].name, "server");
  EXPECT_EQ(snapshot.total("received"), 7u);
  EXPECT_EQ(snapshot.received_before, 7u);
  EXPECT_EQ(snapshot.stage("receive")->counter("completed"), 2u);
  EXPECT_EQ(snapshot.stage("receive")->gauge("queue_high_water"), 3u);
  EXPECT_EQ(snapshot.stage("service")->histogram("wait_ns").count(), 5u);
  EXPECT_EQ(snapshot.stage("service")->histogram("wait_ns").max, 1500u);
  EXPECT_EQ(snapshot.stage("worker"), nullptr);
  EXPECT_EQ(snapshot.total("kernel_dropped"), 9u);
  EXPECT_EQ(snapshot.total("no_such_counter"), 0u);
  for (const ReasonCount& reason : snapshot.reasons) {
    const std::uint64_t expected = reason.full_name() == "answered"            ? 5
                                   : reason.full_name() == "invalid.too_short" ? 2
                                                                               : 0;
    EXPECT_EQ(reason.count, expected) << reason.full_name();
  }
}

TEST_F(RegionTest, AStageIsTheSumOfItsLanes) {
  RegionOptions options = test::sample_options(path_);
  options.blocks = {
      {"svc-0", StageId::service}, {"recv-0", StageId::receive}, {"svc-1", StageId::service}};
  StatsRegion region(options);
  region.writer(0).add(Counter::entered, 3);
  region.writer(2).add(Counter::entered, 4);
  region.writer(0).raise(Gauge::queue_high_water, 5);
  region.writer(2).raise(Gauge::queue_high_water, 2);
  region.writer(0).record(HistogramId::batch, 3);
  region.writer(2).record(HistogramId::batch, 4);
  const Snapshot snapshot = region.snapshot();
  ASSERT_EQ(snapshot.stages.size(), 2u);
  EXPECT_EQ(snapshot.stages[0].name, "receive") << "in pipeline order";
  const StageSnapshot& service = snapshot.stages[1];
  EXPECT_EQ(service.lanes, 2u);
  EXPECT_EQ(service.counter("entered"), 7u);
  EXPECT_EQ(service.gauge("queue_high_water"), 5u) << "the largest, not the sum";
  EXPECT_EQ(service.histogram("batch").count(), 2u);
  EXPECT_EQ(service.histogram("batch").max, 4u);
}

TEST_F(RegionTest, EachReceivingLaneIsKnownOnItsOwn) {
  RegionOptions options = test::sample_options(path_);
  options.blocks = {{"lane-1", StageId::receive},
                    {"lane-1", StageId::service},
                    {"lane-0", StageId::receive},
                    {"work-0", StageId::receive, Detail::histograms, true}};
  StatsRegion region(options);
  region.writer(0).add(Counter::received, 5);
  region.writer(0).add(Counter::lost_races, 6);
  region.writer(0).add(Counter::handoffs, 7);
  region.writer(1).add(Counter::handoffs, 50);
  region.writer(2).add(Counter::received, 8);
  region.writer(3).add(Counter::received, 9);
  const Snapshot snapshot = region.snapshot();
  ASSERT_EQ(snapshot.receivers.size(), 2u) << "lanes of the stage, not those that help it";
  EXPECT_EQ(snapshot.receivers[0].lane, "lane-1") << "in the region's order";
  EXPECT_EQ(snapshot.receivers[0].received, 5u);
  EXPECT_EQ(snapshot.receivers[0].lost_races, 6u);
  EXPECT_EQ(snapshot.receivers[0].handoffs, 7u);
  EXPECT_EQ(snapshot.receivers[1].lane, "lane-0");
  EXPECT_EQ(snapshot.receivers[1].received, 8u);
  EXPECT_EQ(snapshot.receivers[1].lost_races, 0u);
  EXPECT_EQ(snapshot.stage("receive")->counter("received"), 22u);
  EXPECT_EQ(region.snapshot().receivers[0].received, 5u) << "each snapshot counts from 0";
}

// Writes everything to each block: the region itself must not let a block's writer write over the
// values of others.
TEST_F(RegionTest, WithoutHistogramsNoWriterTouchesAnothersValues) {
  RegionOptions options = test::sample_options(path_);
  options.histograms = false;
  StatsRegion region(options);
  const auto write_all = [&](std::size_t block) {
    StatsWriter writer = region.writer(block);
    for (const CounterInfo& counter : kCounters) writer.add(counter.id, block + 1);
    for (const ReasonInfo& reason : kReasons) writer.book(reason.id, block + 1);
    for (const GaugeInfo& gauge : kGauges) writer.set(gauge.id, block + 1);
    for (const HistogramInfo& histogram : kHistograms)
      for (const std::uint64_t value : {std::uint64_t{0}, ~std::uint64_t{0}})
        writer.record(histogram.id, value);
  };
  for (std::size_t block = options.blocks.size(); block-- > 0;) write_all(block);
  const Snapshot snapshot = region.snapshot();
  for (std::size_t i = 0; i < snapshot.stages.size(); ++i) {
    for (const auto& [name, value] : snapshot.stages[i].counters) EXPECT_EQ(value, i + 1) << name;
    for (const auto& [name, value] : snapshot.stages[i].gauges) EXPECT_EQ(value, i + 1) << name;
  }
  for (const ReasonCount& reason : snapshot.reasons)
    EXPECT_EQ(reason.count, 1u + 2 + 3 + 4) << reason.full_name();
}

// 4,096 processes, each with a block in every stage.
TEST_F(RegionTest, WithoutHistogramsManyBlocksFitIntoLittleMemory) {
  constexpr std::size_t kProcesses = 4096;
  RegionOptions options = test::sample_options(path_);
  options.histograms = false;
  options.blocks.clear();
  for (std::size_t i = 0; i < kProcesses; ++i)
    for (const StageId stage : {StageId::receive, StageId::service, StageId::response})
      options.blocks.push_back({"proc-" + std::to_string(i), stage});
  StatsRegion region(options);
  EXPECT_LT(std::filesystem::file_size(path_), 10u << 20);
  for (std::size_t i = 0; i < kProcesses; ++i) region.writer(3 * i).add(Counter::received, i);
  const Reading reading = RegionReader(path_).read();
  ASSERT_TRUE(reading.snapshot) << reading.problem;
  EXPECT_EQ(reading.snapshot->total("received"), kProcesses * (kProcesses - 1) / 2);
  EXPECT_EQ(reading.snapshot->receivers.size(), kProcesses);
  EXPECT_EQ(reading.snapshot->receivers[4095].received, 4095u);
}

TEST_F(RegionTest, HasModeAndPlaceAndLeavesNoOtherFile) {
  const mode_t umask_before = ::umask(0077);
  {
    StatsRegion region(test::sample_options(path_));
    EXPECT_EQ(region.path(), path_);
    region.set_live();
  }
  ::umask(umask_before);
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
  EXPECT_GE(status.st_blocks * 512, status.st_size) << "all space is reserved";
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
    EXPECT_THAT(entry.path().filename().string(), testing::AnyOf("stats", "stats.lock"));
}

TEST_F(RegionTest, AServerIsRefusedWhileAnotherHoldsThePathAndToldItsPid) {
  LastingChild holder([&](const auto& stay) {
    StatsRegion region(test::sample_options(path_));
    stay();
  });
  const StatsRegionError error = error_at(path_);
  EXPECT_EQ(error.code(), EBUSY);
  EXPECT_THAT(error.what(), HasSubstr("process " + std::to_string(holder.pid())));
  EXPECT_EQ(RegionReader(path_).read().snapshot->facts.pid,
            static_cast<std::uint64_t>(holder.pid()))
      << "the holder's region is untouched";
}

TEST_F(RegionTest, ASecondRegionInTheSameProcessIsRefusedAndTheFirstStaysLocked) {
  StatsRegion region(test::sample_options(path_));
  EXPECT_EQ(error_at(path_).code(), EBUSY);
  ForkedProcess other([&] { return error_at(path_).code() == EBUSY ? 0 : 1; });
  EXPECT_EQ(other.exit_code(), 0);
}

TEST_F(RegionTest, ALockFileOfADeadServerIsNoObstacle) {
  LastingChild dead([&](const auto& stay) {
    StatsRegion region(test::sample_options(path_));
    stay();
  });
  dead.kill_and_reap();
  ASSERT_TRUE(std::filesystem::exists(path_ + ".lock"));
  StatsRegion region(test::sample_options(path_));
  EXPECT_EQ(region.snapshot().facts.pid, static_cast<std::uint64_t>(::getpid()));
}

// Also files with names that the server could choose for its own new file.
TEST_F(RegionTest, FilesOfOthersBesideItStay) {
  const std::string next = fmt::format("{}.{}-0", path_, ::getpid());
  for (const std::string& name : {path_ + ".new", next}) write_file(name, "important");
  { StatsRegion region(test::sample_options(path_)); }
  StatsRegion region(test::sample_options(path_));
  region.set_live();
  for (const std::string& name : {path_ + ".new", next}) EXPECT_EQ(read_file(name), "important");
}

TEST_F(RegionTest, OfAServerKilledInItsStartNoOtherFileIsLeft) {
  if (!FileDescriptor(::open(folder_.path().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)).valid())
    GTEST_SKIP() << "no files without names here";
  { test::SampleServer(path_).region.mark_clean_end(); }
  LastingChild dead([&](const auto& stay) {
    StatsRegion region(test::sample_options(path_));
    stay();
  });
  dead.kill_and_reap();
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
    EXPECT_THAT(entry.path().filename().string(), testing::AnyOf("stats", "stats.lock"));
}

TEST_F(RegionTest, ThePathCanBeUsedAgainAfterTheRegionIsGone) {
  {
    StatsRegion first(test::sample_options(path_));
    first.set_live();
  }
  StatsRegion second(test::sample_options(path_));
  EXPECT_EQ(second.snapshot().facts.generation, 2u);
}

// The region of a server that never ran would be taken for that of a server that died.
TEST_F(RegionTest, AStartThatFailsTakesItsFileAway) {
  { StatsRegion region(test::sample_options(path_)); }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

// The last ledger may be the only trace of why the restart was needed.
TEST_F(RegionTest, AStartThatFailsLeavesTheLastLedgerOfTheServerBefore) {
  for (const bool clean : {true, false}) {
    LastingChild before([&](const auto& stay) {
      test::SampleServer server(path_);
      server.region.set_live();
      server.answered(3);
      if (clean) server.region.mark_clean_end();
      stay();
    });
    before.kill_and_reap();
    const RegionState state = clean ? RegionState::stopped : RegionState::stale;
    const auto expect_the_old_one = [&] {
      const Reading reading = RegionReader(path_).read();
      EXPECT_EQ(reading.state, state);
      EXPECT_EQ(reading.snapshot->total("received"), 3u);
    };
    {
      StatsRegion failed(test::sample_options(path_));
      expect_the_old_one();
    }
    expect_the_old_one();
    StatsRegion good(test::sample_options(path_));
    good.set_live();
    const Reading reading = RegionReader(path_).read();
    EXPECT_EQ(reading.state, RegionState::live);
    EXPECT_EQ(reading.snapshot->total("received"), 0u);
    good.mark_clean_end();
  }
}

TEST_F(RegionTest, AStartThatFailsLeavesWhatSomebodyElsePutInItsPlace) {
  {
    StatsRegion failed(test::sample_options(path_));
    ASSERT_EQ(::unlink(path_.c_str()), 0);
    write_file(path_, "important");
  }
  EXPECT_EQ(read_file(path_), "important");
}

// A server that is about to lose the right to do so puts its region into place early.
TEST_F(RegionTest, CanBePutIntoPlaceBeforeItsServerIsReady) {
  { test::SampleServer(path_).region.mark_clean_end(); }
  {
    StatsRegion region(test::sample_options(path_));
    EXPECT_EQ(RegionReader(path_).read().state, RegionState::stopped);
    region.put_into_place();
    EXPECT_EQ(RegionReader(path_).read().state, RegionState::starting);
  }
  EXPECT_FALSE(std::filesystem::exists(path_)) << "a start that failed";
}

TEST_F(RegionTest, AServerThatEndsInItsStartWithoutTheMarkIsStale) {
  { test::SampleServer(path_).region.mark_clean_end(); }
  LastingChild server([&](const auto& stay) {
    StatsRegion region(test::sample_options(path_));
    region.keep();
    stay();
  });
  server.kill_and_reap();
  const Reading reading = RegionReader(path_).read();
  EXPECT_EQ(reading.state, RegionState::stale);
  EXPECT_EQ(reading.snapshot->facts.pid, static_cast<std::uint64_t>(server.pid()));
}

TEST_F(RegionTest, WhatSomebodyPutsThereDuringTheStartStaysAndIsTold) {
  { test::SampleServer(path_).region.mark_clean_end(); }
  StatsRegion region(test::sample_options(path_));
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  write_file(path_, "important");
  region.set_live();
  EXPECT_EQ(read_file(path_), "important");
  RegionCare::TimePoint now{std::chrono::hours(1)};
  EXPECT_THAT(region.look_after(now),
              ElementsAre(AllOf(HasSubstr(path_ + ": a file that is not a stats region is there"),
                                HasSubstr("is tried again"))));
  EXPECT_THAT(region.look_after(now += RegionCare::kLook), IsEmpty()) << "said once";
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  EXPECT_THAT(region.look_after(now += RegionCare::kLook), IsEmpty());
  const Reading reading = RegionReader(path_).read();
  EXPECT_TRUE(has_server(reading.state)) << name_of(reading.state);
}

TEST_F(RegionTest, ThatItCannotBePutIntoPlaceIsTold) {
  { test::SampleServer(path_).region.mark_clean_end(); }
  ForkedProcess child([&] {
    StatsRegion region(test::sample_options(path_));
    test::let_calls_fail({SYS_linkat, SYS_rename, SYS_renameat, SYS_renameat2}, EPERM);
    region.set_live();
    EXPECT_THAT(region.look_after(RegionCare::TimePoint{std::chrono::hours(1)}),
                ElementsAre(HasSubstr("cannot put stats region " + path_ +
                                      " into place: Operation not permitted")));
    return testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.exit_code(), 0);
  EXPECT_EQ(RegionReader(path_).read().state, RegionState::stopped) << "that of the server before";
}

// In a folder like /tmp, where fs.protected_regular refuses open(2) with O_CREAT for the file of
// another user.
TEST_F(RegionTest, ALockFileOfAnotherUserIsNoObstacle) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to have a file of another user";
  ASSERT_EQ(::chmod(folder_.path().c_str(), 01777), 0);
  folder_.write("stats.lock", "");
  ASSERT_EQ(::chown((path_ + ".lock").c_str(), 65534, 65534), 0);
  EXPECT_NO_THROW(StatsRegion(test::sample_options(path_)));
}

TEST_F(RegionTest, WhatCannotBeTheLockFileIsFoundWithoutAStart) {
  require_place_for_new_region(path_);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path())) << "nothing is made";
  const auto error_of_check = [&] {
    try {
      require_place_for_new_region(path_);
    } catch (const StatsRegionError& error) {
      EXPECT_THAT(error.what(), HasSubstr("cannot lock " + path_ + ".lock"));
      return error.code();
    }
    return 0;
  };
  const std::string lock = path_ + ".lock";
  std::filesystem::create_symlink("/dev/null", lock);
  EXPECT_EQ(error_of_check(), ELOOP);
  EXPECT_EQ(error_at(path_).code(), ELOOP);
  std::filesystem::remove(lock);
  std::filesystem::create_directory(lock);
  EXPECT_EQ(error_of_check(), EISDIR);
  EXPECT_EQ(error_at(path_).code(), EISDIR);
}

TEST_F(RegionTest, OfSeveralThatStartAtOnceExactlyOneWins) {
  constexpr int kRounds = 40, kServers = 4;
  for (int round = 0; round < kRounds; ++round) {
    ProcessGate start, tried, end;
    std::vector<std::unique_ptr<ForkedProcess>> servers;
    for (int i = 0; i < kServers; ++i)
      servers.push_back(std::make_unique<ForkedProcess>([&] {
        start.wait();
        int code = 0;
        try {
          StatsRegion region(test::sample_options(path_));
          tried.open();
          end.wait();  // holds it until all have tried
        } catch (const StatsRegionError& error) {
          code = error.code() == EBUSY ? 1 : 2;
          tried.open();
        }
        return code;
      }));
    for (int i = 0; i < kServers; ++i) start.open();
    for (int i = 0; i < kServers; ++i) tried.wait();
    for (int i = 0; i < kServers; ++i) end.open();
    std::array<int, 3> codes{};
    for (const auto& server : servers) {
      const int code = server->exit_code();
      ASSERT_TRUE(code >= 0 && code <= 2) << code;
      ++codes[static_cast<std::size_t>(code)];
    }
    ASSERT_EQ(codes[0], 1);
    ASSERT_EQ(codes[1], kServers - 1);
  }
}

TEST_F(RegionTest, AForeignFileIsNotOverwritten) {
  write_file(path_, "important,data\n");
  const StatsRegionError error = error_at(path_);
  EXPECT_EQ(error.code(), EEXIST);
  EXPECT_THAT(error.what(), HasSubstr("not a stats region"));
  EXPECT_EQ(read_file(path_), "important,data\n");
}

TEST_F(RegionTest, ThingsThatAreNoFilesAreRefused) {
  std::filesystem::create_directory(path_);
  EXPECT_EQ(error_at(path_).code(), EEXIST);
  ASSERT_EQ(::mkfifo(folder_.file("fifo").c_str(), 0600), 0);
  EXPECT_EQ(error_at(folder_.file("fifo")).code(), EEXIST);
  EXPECT_EQ(error_at(folder_.file("no/such/folder")).code(), ENOENT);
}

TEST_F(RegionTest, NoLockFileIsLeftBesideWhatCanBeNoRegion) {
  std::filesystem::create_directory(folder_.file("folder"));
  ASSERT_EQ(::mkfifo(folder_.file("fifo").c_str(), 0600), 0);
  folder_.write("foreign", "important,data\n");
  std::filesystem::create_symlink("/dev/null", folder_.file("device"));
  for (const char* name : {"folder", "fifo", "foreign", "device"}) {
    EXPECT_EQ(error_at(folder_.file(name)).code(), EEXIST);
    EXPECT_FALSE(std::filesystem::exists(folder_.file(name) + ".lock")) << name;
  }
}

// Whichever open(2) fails: that of the present file, of the lock, or of the new file.
TEST_F(RegionTest, TooFewFileDescriptorsAreNoFaultOfThePath) {
  if (kUndefinedBehaviorSanitizer)
    GTEST_SKIP() << "UndefinedBehaviorSanitizer needs descriptors to look at memory";
  { StatsRegion earlier(test::sample_options(path_)); }
  for (rlim_t more = 0; more < 2; ++more) {
    ForkedProcess child([&] {
      const int next = ::dup(0);
      ::close(next);
      const rlim_t max = static_cast<rlim_t>(next) + more;
      const rlimit limit{max, max};
      EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
      const StatsRegionError error = error_at(path_);
      EXPECT_EQ(error.code(), EMFILE);
      EXPECT_THAT(error.what(), HasSubstr("ulimit -n"));
      EXPECT_THAT(error.what(), testing::Not(HasSubstr("path ")));
      return testing::Test::HasFailure() ? 1 : 0;
    });
    EXPECT_EQ(child.exit_code(), 0) << more;
  }
}

TEST_F(RegionTest, ALimitOfTheFileSizeIsNamed) {
  ForkedProcess child([&] {
    ::signal(SIGXFSZ, SIG_IGN);  // as the server does
    const rlimit limit{10 * 1024, 10 * 1024};
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    const StatsRegionError error = error_at(path_);
    EXPECT_EQ(error.code(), EFBIG);
    EXPECT_THAT(error.what(), HasSubstr("ulimit -f"));
    return testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.exit_code(), 0);
}

TEST_F(RegionTest, ATruncatedRegionOfAnEarlierServerIsReplaced) {
  {
    StatsRegion region(test::sample_options(path_));
    region.set_live();
  }
  ASSERT_EQ(::truncate(path_.c_str(), 0), 0);
  EXPECT_NO_THROW(StatsRegion(test::sample_options(path_)));
}

// H01, G11.
TEST_F(RegionTest, AFullFileSystemIsAnErrorAtTheStart) {
  ForkedProcess child([&] {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=64k") != 0)
      return 77;
    const StatsRegionError error = error_at(path_);
    EXPECT_EQ(error.code(), ENOSPC);
    EXPECT_THAT(error.what(), HasSubstr("make room"));
    EXPECT_FALSE(std::filesystem::exists(path_));
    return testing::Test::HasFailure() ? 1 : 0;
  });
  const int code = child.exit_code();
  if (code == 77) GTEST_SKIP() << "needs the right to mount a file system";
  EXPECT_EQ(code, 0);
}

TEST_F(RegionTest, WarnsWhereTheFileIsOnADisk) {
  const TemporaryFolder folder(std::filesystem::temp_directory_path());
  struct statfs place {};
  ASSERT_EQ(::statfs(folder.path().c_str(), &place), 0);
  const bool in_memory = place.f_type == TMPFS_MAGIC;
  EXPECT_THAT(StatsRegion(test::sample_options(folder.file("stats"))).warning(),
              HasSubstr(in_memory ? "" : "is on a disk"));
}

TEST_F(RegionTest, SaysNothingWhereTheFileIsInMemory) {
  ForkedProcess child([&] {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=4m") != 0)
      return 77;
    EXPECT_EQ(StatsRegion(test::sample_options(path_)).warning(), "");
    return testing::Test::HasFailure() ? 1 : 0;
  });
  const int code = child.exit_code();
  if (code == 77) GTEST_SKIP() << "needs the right to mount a file system";
  EXPECT_EQ(code, 0);
}

// H02.
TEST_F(RegionTest, AServerSurvivesTheTruncationOfItsFile) {
  test::SampleServer server(path_);
  server.region.set_live();
  server.answered(3);
  ASSERT_EQ(::truncate(path_.c_str(), 0), 0);
  server.answered(2);
  server.region.heartbeat();
  EXPECT_TRUE(server.region.lost());
  EXPECT_EQ(server.region.snapshot().total("received"), 2u) << "begun again at 0";
  EXPECT_EQ(RegionReader(path_).read().state, RegionState::incompatible);
  server.region.mark_clean_end();
}

// H02.
TEST_F(RegionTest, AServerSurvivesTheRemovalAndTheReplacementOfItsFile) {
  test::SampleServer server(path_);
  server.region.set_live();
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  server.answered(2);
  EXPECT_EQ(RegionReader(path_).read().state, RegionState::missing);
  write_file(path_, "something else");
  server.answered(2);
  EXPECT_EQ(RegionReader(path_).read().state, RegionState::incompatible);
  EXPECT_FALSE(server.region.lost());
  EXPECT_EQ(server.region.snapshot().total("received"), 4u);
}

}  // namespace
}  // namespace cpss
