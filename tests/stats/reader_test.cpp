#include "stats/reader.h"

#include <atomic>
#include <filesystem>
#include <functional>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/stats/region_bytes.h"
#include "tests/stats/sample_server.h"
#include "tests/support/forked_process.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using testing::HasSubstr;

class ReaderTest : public testing::Test {
 protected:
  RegionState state() const { return RegionReader(path_).read().state; }

  // Leaves the region of a server killed with three messages answered, or in the midst of counting.
  void leave_a_killed_server(bool busy) {
    LastingChild child([&](const auto& stay) {
      test::SampleServer server(path_);
      server.region.set_live();
      server.region.heartbeat();
      server.answered(3);
      if (busy) {
        std::thread lane([&] {
          for (;;) server.answered(1);
        });
        stay();
      }
      stay();
    });
    child.kill_and_reap();
  }

  void expect_problem(RegionState expected, const std::string& text) {
    const Reading reading = RegionReader(path_).read();
    EXPECT_EQ(reading.state, expected) << reading.problem;
    EXPECT_FALSE(reading.snapshot.has_value());
    EXPECT_THAT(reading.problem, HasSubstr(path_));
    EXPECT_THAT(reading.problem, HasSubstr(text));
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.file("stats");
};

TEST_F(ReaderTest, StatesOfARunningServer) {
  EXPECT_EQ(state(), RegionState::missing);
  StatsRegion region(test::sample_options(path_));
  EXPECT_EQ(state(), RegionState::starting);
  region.set_live();
  EXPECT_EQ(state(), RegionState::live);
  region.mark_clean_end();
  EXPECT_EQ(state(), RegionState::stopped);
}

// A start may take long: the server must not count as hung at the moment it is ready.
TEST_F(ReaderTest, ToBecomeReadyIsASignOfLife) {
  StatsRegion region(test::sample_options(path_));
  const std::uint64_t made_ns = region.snapshot().heartbeat_ns;
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  region.set_live();
  EXPECT_GT(region.snapshot().heartbeat_ns, made_ns);
}

TEST_F(ReaderTest, ACleanEndKeepsTheFileStopped) {
  {
    test::SampleServer server(path_);
    server.answered(4);
    server.region.mark_clean_end();
  }
  const Reading reading = RegionReader(path_).read();
  EXPECT_EQ(reading.state, RegionState::stopped);
  EXPECT_EQ(reading.snapshot->total("received"), 4u);
  EXPECT_EQ(reading.last_moment_ns(), reading.snapshot->ended_ns);
}

// H06.
TEST_F(ReaderTest, AKilledServerLeavesAStaleRegionWithItsLastValues) {
  leave_a_killed_server(false);
  const Reading reading = RegionReader(path_).read();
  EXPECT_EQ(reading.state, RegionState::stale);
  EXPECT_EQ(reading.snapshot->total("received"), 3u);
  EXPECT_EQ(reading.last_moment_ns(), reading.snapshot->heartbeat_ns);
}

// The server marks its end and goes while its values are read, after the look at the mark and
// before that at the process.
TEST_F(ReaderTest, AServerThatEndsDuringAReadingIsNotStale) {
  constexpr int kRounds = 10;
  RegionOptions options = test::sample_options(path_);
  // Enough to read for as long as a server takes to end.
  options.blocks.assign(200, {"svc-0", StageId::service});
  for (int round = 0; round < kRounds; ++round) {
    ProcessGate live, end;
    ForkedProcess server([&] {
      StatsRegion region(options);
      region.set_live();
      live.open();
      end.wait();
      region.mark_clean_end();
      return 0;
    });
    live.wait();
    RegionReader reader(path_);
    ASSERT_TRUE(has_server(reader.read().state));
    end.open();
    const RegionState state = reader.read().state;
    EXPECT_TRUE(has_server(state) || state == RegionState::stopped) << name_of(state);
    EXPECT_EQ(server.exit_code(), 0);
  }
}

// H05: whatever the server was doing, it leaves no lock and no half-written value behind.
TEST_F(ReaderTest, AServerKilledInTheMiddleOfCountingIsReadAtOnce) {
  for (int round = 0; round < 20; ++round) {
    leave_a_killed_server(true);
    const Reading reading = RegionReader(path_).read();
    ASSERT_EQ(reading.state, RegionState::stale);
    const std::uint64_t received = reading.snapshot->total("received");
    const std::uint64_t given_back = reading.snapshot->total("given_back");
    EXPECT_GE(received, 3u);
    EXPECT_TRUE(received == given_back || received == given_back + 1)
        << received << " and " << given_back;
  }
}

TEST_F(ReaderTest, ALaterProcessWithTheSamePidIsNotTheServer) {
  test::RegionBytes region;
  write_file(path_, region.bytes);
  EXPECT_EQ(state(), RegionState::live) << "the writing process is this one";
  const std::size_t ticks = offsetof(layout::Header, start_ticks);
  region.put(ticks, region.get<std::uint64_t>(ticks) - 2);
  write_file(path_, region.bytes);
  EXPECT_EQ(state(), RegionState::stale);
}

TEST_F(ReaderTest, UptimeEndsWithTheServer) {
  test::RegionBytes region;
  const auto started = region.get<std::uint64_t>(offsetof(layout::Header, started_ns));
  region.put(offsetof(layout::Header, ended_ns), started + 1'500'000'000);
  write_file(path_, region.bytes);
  EXPECT_DOUBLE_EQ(RegionReader(path_).read().uptime_s(), 1.5);
}

TEST_F(ReaderTest, ASecondWithoutAHeartbeatIsNoSignOfLife) {
  test::SampleServer server(path_);
  Reading reading = RegionReader(path_).read();
  const auto silent = [&](RegionState state, std::uint64_t age_ns) {
    reading.state = state;
    reading.snapshot->heartbeat_ns = reading.snapshot->taken_ns - age_ns;
    EXPECT_EQ(reading.heartbeat_age_ns(), age_ns);
    return reading.no_sign_of_life();
  };
  EXPECT_FALSE(silent(RegionState::live, 999'999'999));
  EXPECT_TRUE(silent(RegionState::live, 1'000'000'000));
  EXPECT_TRUE(silent(RegionState::hung, 3'000'000'000));
  EXPECT_TRUE(silent(RegionState::stale, 0));
  EXPECT_FALSE(silent(RegionState::stopped, 5'000'000'000)) << "nothing is expected of it";
  EXPECT_FALSE(silent(RegionState::starting, 5'000'000'000)) << "may read a long number table";
  reading.snapshot->heartbeat_ns = reading.snapshot->taken_ns + 1;
  EXPECT_EQ(reading.heartbeat_age_ns(), 0u);
}

// H03: each kind has its own text.
TEST_F(ReaderTest, EveryKindOfBadFileIsToldApart) {
  std::set<std::string> problems;
  const auto expect = [&](RegionState expected, const std::string& text) {
    expect_problem(expected, text);
    EXPECT_TRUE(problems.insert(RegionReader(path_).read().problem).second) << "said twice";
    std::filesystem::remove(path_);
  };
  expect(RegionState::missing, "does not exist");
  std::filesystem::create_directory(path_);
  expect(RegionState::incompatible, "is a directory");
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  expect(RegionState::incompatible, "is a FIFO");
  write_file(path_, "");
  expect(RegionState::incompatible, "0 bytes are left");
  write_file(path_, "root:x:0:0:root:/root:/bin/bash\n");
  expect(RegionState::incompatible, "is not a stats region");
  test::RegionBytes region;
  write_file(path_, region.bytes.substr(0, 4096));
  expect(RegionState::incompatible, "cut short, 4096 bytes");
  write_file(path_, test::RegionBytes().put(8, std::uint32_t{0}).bytes);
  expect(RegionState::incompatible, "never completed");
  write_file(path_, test::RegionBytes().put(8, layout::kVersion + 1).bytes);
  expect(RegionState::incompatible, fmt::format("layout version {}", layout::kVersion + 1));
  write_file(path_, test::RegionBytes().put(region.block(0), std::uint64_t{1} << 40).bytes);
  expect(RegionState::incompatible, "is damaged");
}

TEST_F(ReaderTest, ALiveServerInTroubleIsDegradedUntilThatIsOver) {
  test::SampleServer server(path_);
  server.region.set_trouble(Trouble::receive, 2, ENOMEM);
  EXPECT_EQ(RegionReader(path_).read().state_name(), "starting") << "it has not begun";
  server.region.set_live();
  Reading reading = RegionReader(path_).read();
  EXPECT_EQ(reading.state, RegionState::live);
  EXPECT_TRUE(reading.degraded());
  EXPECT_EQ(reading.state_name(), "degraded");
  ASSERT_EQ(reading.snapshot->troubles.size(), 1u);
  const TroubleSnapshot& trouble = reading.snapshot->troubles.front();
  EXPECT_EQ(trouble.name, "receive");
  EXPECT_EQ(trouble.help, info(Trouble::receive).help);
  EXPECT_EQ(trouble.reason, "Cannot allocate memory");
  EXPECT_EQ(trouble.lanes, 2u);
  EXPECT_LE(reading.since_ns(trouble.since_ns), reading.snapshot->taken_ns);
  server.region.set_trouble(Trouble::cpus, 1, 0);
  EXPECT_EQ(RegionReader(path_).read().snapshot->troubles.back().reason, "") << "it has no number";
  server.region.set_trouble(Trouble::receive, 0, 0);
  server.region.set_trouble(Trouble::cpus, 0, 0);
  reading = RegionReader(path_).read();
  EXPECT_FALSE(reading.degraded());
  EXPECT_EQ(reading.state_name(), "live");
  server.region.set_trouble(Trouble::send, 1, ENOBUFS);
  server.region.mark_clean_end();
  EXPECT_EQ(RegionReader(path_).read().state_name(), "stopped") << "it is past";
}

TEST_F(ReaderTest, ASocketAndADeviceAreNoRegions) {
  const std::string socket_path = folder_.file("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket_path.copy(address.sun_path, sizeof address.sun_path - 1);
  const FileDescriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  path_ = socket_path;
  expect_problem(RegionState::incompatible, "is a socket");
  path_ = "/dev/null";
  expect_problem(RegionState::incompatible, "is a device");
}

TEST_F(ReaderTest, ALinkIsFollowed) {
  test::SampleServer server(folder_.file("real"));
  std::filesystem::create_symlink("real", path_);
  EXPECT_EQ(state(), RegionState::starting);
}

TEST_F(ReaderTest, AFileThatMayNotBeReadNamesItsOwner) {
  write_file(path_, test::RegionBytes().bytes);
  ASSERT_EQ(::chmod(path_.c_str(), 0), 0);
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
  ForkedProcess child([&] {
    if (::geteuid() == 0 && ::setuid(65534) != 0) return 1;
    expect_problem(RegionState::incompatible, "may not be read by this user");
    if (::getuid() == 65534) expect_problem(RegionState::incompatible, "user root");
    return testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.exit_code(), 0);
}

TEST_F(ReaderTest, FollowsAServerThroughItsRestarts) {
  RegionReader reader(path_);
  EXPECT_EQ(reader.read().state, RegionState::missing);
  for (std::uint64_t generation = 1; generation <= 3; ++generation) {
    {
      test::SampleServer server(path_);
      server.region.set_live();
      server.answered(generation);
      const Reading reading = reader.read();
      EXPECT_EQ(reading.state, RegionState::live);
      EXPECT_EQ(reading.snapshot->facts.generation, generation);
      EXPECT_EQ(reading.snapshot->total("received"), generation);
      server.region.mark_clean_end();
    }
    EXPECT_EQ(reader.read().state, RegionState::stopped);
  }
  std::filesystem::remove(path_);
  EXPECT_EQ(reader.read().state, RegionState::missing);
}

TEST_F(ReaderTest, ATruncationBetweenTwoReadingsIsReported) {
  test::SampleServer server(path_);
  RegionReader reader(path_);
  EXPECT_EQ(reader.read().state, RegionState::starting);
  ASSERT_EQ(::truncate(path_.c_str(), 4096), 0);
  const Reading reading = reader.read();
  EXPECT_EQ(reading.state, RegionState::incompatible);
  EXPECT_THAT(reading.problem, HasSubstr("cut short"));
}

TEST_F(ReaderTest, ATruncationInTheMiddleOfAReadingIsReported) {
  const std::string bytes = test::RegionBytes().bytes;
  int reported = 0;
  for (int round = 0; round < 200; ++round) {
    write_file(path_, bytes);
    RegionReader reader(path_);
    ASSERT_TRUE(reader.read().snapshot);
    std::atomic<bool> reading_now = false;
    std::thread truncating([&] {
      while (!reading_now) std::this_thread::yield();
      EXPECT_EQ(::truncate(path_.c_str(), 4096), 0);
    });
    reading_now = true;
    Reading reading = reader.read();
    for (int i = 0; i < 1000 && reading.snapshot; ++i) {
      EXPECT_EQ(reading.snapshot->total("received"), 5u) << "taken for what the server wrote";
      reading = reader.read();
    }
    truncating.join();
    if (reading.snapshot) reading = reader.read();
    EXPECT_EQ(reading.state, RegionState::incompatible);
    EXPECT_THAT(reading.problem, HasSubstr("cut short"));
    reported += reading.problem.find("while it was read") != std::string::npos ? 1 : 0;
  }
  RecordProperty("in_the_middle", reported);
}

}  // namespace
}  // namespace cpss
