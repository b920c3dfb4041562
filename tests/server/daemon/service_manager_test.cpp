#include "server/daemon/service_manager.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

const std::string kOurs = std::to_string(::getpid());
const std::string kNotOurs = std::to_string(::getpid() + 1);

// An environ(7) array of "NAME=value".
class Variables {
 public:
  explicit Variables(std::vector<std::string> assignments) : assignments_(std::move(assignments)) {
    for (const std::string& assignment : assignments_) pointers_.push_back(assignment.c_str());
    pointers_.push_back(nullptr);
  }
  Variables(const Variables&) = delete;
  Variables& operator=(const Variables&) = delete;

  const char* const* get() const { return pointers_.data(); }

 private:
  const std::vector<std::string> assignments_;
  std::vector<const char*> pointers_;
};

// The manager's end of NOTIFY_SOCKET. `name`: a path, or an abstract name that begins with '@'.
class ManagerEnd {
 public:
  explicit ManagerEnd(const std::string& name)
      : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), std::min(name.size(), sizeof address.sun_path));
    if (name.starts_with('@')) address.sun_path[0] = '\0';
    const std::size_t length =
        offsetof(sockaddr_un, sun_path) + name.size() + (name.starts_with('/') ? 1 : 0);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address),
                     static_cast<socklen_t>(length)),
              0)
        << name << ": " << std::strerror(errno);
  }

  // The oldest datagram in the socket; a datagram is there as soon as it is sent.
  std::string heard() const {
    std::array<char, 4096> buffer;
    const ssize_t bytes = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    return bytes < 0 ? "nothing" : std::string(buffer.data(), static_cast<std::size_t>(bytes));
  }

 private:
  FileDescriptor socket_;
};

// Opens /dev/null as descriptors 3, 4, ..., as a manager hands over sockets. Its destructor
// restores the earlier descriptors.
class HandedOver {
 public:
  explicit HandedOver(int count) {
    const FileDescriptor null = open_out_of_the_way();
    for (int fd = 3; fd < 3 + count; ++fd) {
      before_.push_back(FileDescriptor(::fcntl(fd, F_DUPFD_CLOEXEC, 100)));
      EXPECT_EQ(::dup2(null.get(), fd), fd);
    }
  }
  ~HandedOver() {
    for (int fd = 3; const FileDescriptor& before : before_) {
      ::close(fd);
      if (before.valid()) ::dup2(before.get(), fd);
      ++fd;
    }
  }
  HandedOver(const HandedOver&) = delete;
  HandedOver& operator=(const HandedOver&) = delete;

 private:
  // open() takes the lowest free number, which may be one of those to be handed over.
  static FileDescriptor open_out_of_the_way() {
    const FileDescriptor low(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return FileDescriptor(::fcntl(low.get(), F_DUPFD_CLOEXEC, 100));
  }

  std::vector<FileDescriptor> before_;
};

// what() of the ServiceManagerError that `call` throws.
template <class Call>
std::string complaint(Call call) {
  try {
    call();
  } catch (const ServiceManagerError& error) {
    return error.what();
  }
  return "no complaint";
}

std::vector<int> inherited(std::vector<std::string> assignments) {
  return inherited_sockets(Variables(std::move(assignments)).get()).sockets;
}

std::string warning_about_sockets(std::vector<std::string> assignments) {
  return inherited_sockets(Variables(std::move(assignments)).get()).warning;
}

bool closes_on_exec(int fd) {
  return (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

TEST(InheritedSockets, AreThoseFrom3OnAndCloseOnExec) {
  const HandedOver handed_over(3);
  ASSERT_FALSE(closes_on_exec(3));
  EXPECT_EQ(inherited({"PATH=/bin", "LISTEN_PID=" + kOurs, "LISTEN_FDS=2"}),
            (std::vector<int>{3, 4}));
  EXPECT_TRUE(closes_on_exec(3));
  EXPECT_TRUE(closes_on_exec(4));
  EXPECT_FALSE(closes_on_exec(5));
}

TEST(InheritedSockets, ThoseOfAnotherProcessAreNotTouched) {
  const HandedOver handed_over(1);
  EXPECT_TRUE(inherited({"LISTEN_PID=" + kNotOurs, "LISTEN_FDS=1"}).empty());
  EXPECT_TRUE(inherited({"LISTEN_PID=" + kNotOurs, "LISTEN_FDS=abc"}).empty());
  EXPECT_FALSE(closes_on_exec(3));
}

// The process that activated the server waits for one that reads the sockets.
TEST(InheritedSockets, ThoseOfAnotherProcessAreWarnedOf) {
  EXPECT_THAT(warning_about_sockets({"LISTEN_PID=" + kNotOurs, "LISTEN_FDS=2"}),
              testing::AllOf(HasSubstr("(LISTEN_FDS='2')"),
                             HasSubstr("for process '" + kNotOurs + "' (LISTEN_PID)"),
                             HasSubstr("this is process " + kOurs), HasSubstr("'exec'")));
  EXPECT_THAT(warning_about_sockets({"LISTEN_FDS=1"}), HasSubstr("LISTEN_PID is not set"));
  EXPECT_EQ(warning_about_sockets({}), "");
  EXPECT_EQ(warning_about_sockets({"LISTEN_PID=" + kNotOurs}), "");
  const HandedOver handed_over(1);
  EXPECT_EQ(warning_about_sockets({"LISTEN_PID=" + kOurs, "LISTEN_FDS=1"}), "");
}

TEST(InheritedSockets, WithoutAManagerThereAreNone) {
  EXPECT_TRUE(inherited_sockets(nullptr).sockets.empty());
  EXPECT_TRUE(inherited({}).empty());
  EXPECT_TRUE(inherited({"LISTEN_PID=" + kOurs}).empty());
  EXPECT_TRUE(inherited({"LISTEN_FDS=1"}).empty());
  EXPECT_TRUE(inherited({"LISTEN_PID", "LISTEN_PIDS=" + kOurs, "LISTEN_FDS=1"}).empty());
}

TEST(InheritedSockets, ANumberThatIsNoneIsSaid) {
  const auto complaint_about = [](std::vector<std::string> assignments) {
    return complaint([&] { inherited(assignments); });
  };
  for (const std::string bad : {"abc", "", "0", "-1", "+1", "1 ", "4097", "99999999999999999999"})
    EXPECT_THAT(complaint_about({"LISTEN_PID=" + kOurs, "LISTEN_FDS=" + bad}),
                HasSubstr("LISTEN_FDS: '" + bad + "' is not a number from 1 to 4096"));
  for (const std::string bad : {"abc", "", "0", "-1", "4294967296"})
    EXPECT_THAT(complaint_about({"LISTEN_PID=" + bad, "LISTEN_FDS=1"}),
                HasSubstr("LISTEN_PID: '" + bad + "' is not a number"));
}

TEST(InheritedSockets, ADescriptorThatIsNotOpenIsNamed) {
  const HandedOver handed_over(2);
  ::close(4);
  EXPECT_THAT(complaint([] {
                inherited({"LISTEN_PID=" + kOurs, "LISTEN_FDS=2"});
              }),
              HasSubstr("LISTEN_FDS: '2' promises descriptor 4, which is not open"));
}

TEST(InheritedSockets, TheVariablesAreTakenOutOfTheEnvironment) {
  const auto set_all = [](const std::string& pid, const char* fds) {
    ::setenv("LISTEN_PID", pid.c_str(), 1);
    ::setenv("LISTEN_FDS", fds, 1);
    ::setenv("LISTEN_FDNAMES", "a", 1);
  };
  const auto expect_none = [] {
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"})
      EXPECT_EQ(::getenv(name), nullptr) << name;
  };
  const HandedOver handed_over(1);
  set_all(kOurs, "1");
  EXPECT_EQ(inherited_sockets(environ).sockets, std::vector<int>{3});
  expect_none();
  EXPECT_TRUE(inherited_sockets(environ).sockets.empty());

  set_all(kNotOurs, "1");
  EXPECT_TRUE(inherited_sockets(environ).sockets.empty());
  expect_none();

  set_all(kOurs, "abc");
  EXPECT_THAT(complaint([] { inherited_sockets(environ); }), HasSubstr("abc"));
  expect_none();
}

class ServiceManagerTest : public testing::Test {
 protected:
  static ServiceManager manager_at(const std::string& name,
                                   std::vector<std::string> assignments = {}) {
    assignments.push_back("NOTIFY_SOCKET=" + name);
    return ServiceManager(Variables(std::move(assignments)).get());
  }

  std::optional<std::chrono::nanoseconds> watchdog(std::vector<std::string> assignments) const {
    return manager_at(path_, std::move(assignments)).watchdog();
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.file("notify");
};

TEST_F(ServiceManagerTest, HearsEachMessage) {
  const ManagerEnd end(path_);
  ServiceManager manager = manager_at(path_);
  EXPECT_TRUE(manager.ready("lookup on 127.0.0.1:7700"));
  EXPECT_EQ(end.heard(), "READY=1\nSTATUS=lookup on 127.0.0.1:7700");
  EXPECT_TRUE(manager.alive());
  EXPECT_EQ(end.heard(), "WATCHDOG=1");
  EXPECT_TRUE(manager.stopping("draining", std::chrono::seconds(10)));
  EXPECT_EQ(end.heard(), "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=10000000");
  EXPECT_TRUE(manager.still_stopping(milliseconds(5)));
  EXPECT_EQ(end.heard(), "EXTEND_TIMEOUT_USEC=5000");
  EXPECT_FALSE(manager.retry());
  EXPECT_EQ(end.heard(), "nothing");
}

// The time is that of the manager's own clock, so that it knows which request this answers.
TEST_F(ServiceManagerTest, HearsOfAReload) {
  const ManagerEnd end(path_);
  ServiceManager manager = manager_at(path_);
  const std::uint64_t before_us = monotonic_ns() / 1'000;
  EXPECT_TRUE(manager.reloading());
  const std::string heard = end.heard();
  constexpr std::string_view kBegin = "RELOADING=1\nMONOTONIC_USEC=";
  ASSERT_THAT(heard, testing::StartsWith(std::string(kBegin)));
  const std::uint64_t told_us = std::stoull(heard.substr(kBegin.size()));
  EXPECT_GE(told_us, before_us);
  EXPECT_LE(told_us, monotonic_ns() / 1'000);
}

TEST_F(ServiceManagerTest, HearsAtAnAbstractName) {
  const std::string name = "@cpss-test-" + kOurs;
  const ManagerEnd end(name);
  EXPECT_TRUE(manager_at(name).alive());
  EXPECT_EQ(end.heard(), "WATCHDOG=1");
}

TEST_F(ServiceManagerTest, HearsAtTheLongestNamesThereAre) {
  constexpr std::size_t kMax = sizeof(sockaddr_un::sun_path);
  std::string path = path_;
  path.resize(kMax - 1, 'x');
  std::string abstract = "@cpss-test-" + kOurs;
  abstract.resize(kMax, 'x');
  for (const std::string& name : {path, abstract}) {
    const ManagerEnd end(name);
    EXPECT_TRUE(manager_at(name).alive());
    EXPECT_EQ(end.heard(), "WATCHDOG=1") << name;
    // With one byte more it is no address; cut to size it would be this one.
    EXPECT_TRUE(manager_at(name + 'x').alive());
    EXPECT_EQ(end.heard(), "nothing") << name;
  }
}

TEST_F(ServiceManagerTest, AStatusOfSeveralLinesIsNoOtherMessage) {
  const ManagerEnd end(path_);
  EXPECT_TRUE(manager_at(path_).ready("one\nSTOPPING=1\n"));
  EXPECT_EQ(end.heard(), "READY=1\nSTATUS=one STOPPING=1 ");
}

TEST_F(ServiceManagerTest, WithoutOneThereIsNobodyToTell) {
  const std::vector<std::vector<std::string>> environments{
      {"WATCHDOG_USEC=1000000"},
      {"NOTIFY_SOCKET=", "WATCHDOG_USEC=1000000"},
      {"NOTIFY_SOCKET=@"},
      {"NOTIFY_SOCKET=notify"},
      {"NOTIFY_SOCKET=vsock:2:1234", "WATCHDOG_USEC=abc"}};
  for (const auto& environment : environments) {
    ServiceManager manager(Variables(environment).get());
    EXPECT_TRUE(manager.ready("")) << environment[0];
    EXPECT_TRUE(manager.alive());
    EXPECT_TRUE(manager.stopping("", milliseconds(1)));
    EXPECT_FALSE(manager.retry());
    EXPECT_EQ(manager.watchdog(), std::nullopt);
  }
}

TEST_F(ServiceManagerTest, OneThatIsAwayIsReportedOnceUntilItIsBack) {
  ServiceManager manager = manager_at(path_);
  errno = 0;
  EXPECT_FALSE(manager.ready(""));
  EXPECT_EQ(errno, ENOENT);
  EXPECT_TRUE(manager.alive());
  EXPECT_TRUE(manager.alive());
  {
    const ManagerEnd end(path_);
    EXPECT_TRUE(manager.alive());
    EXPECT_EQ(end.heard(), "WATCHDOG=1");
  }
  errno = 0;
  EXPECT_FALSE(manager.alive());
  EXPECT_EQ(errno, ECONNREFUSED);
  EXPECT_TRUE(manager.stopping("", milliseconds(1)));
}

TEST_F(ServiceManagerTest, OneThatDoesNotReadIsNotWaitedFor) {
  const ManagerEnd end(path_);
  ServiceManager manager = manager_at(path_);
  bool told = true;
  for (int i = 0; told && i < 1'000'000; ++i) told = manager.alive();
  EXPECT_FALSE(told);
  EXPECT_EQ(errno, EAGAIN);
}

// A manager that misses READY=1 ends the server; one that misses a single WATCHDOG=1 may do so too.
TEST_F(ServiceManagerTest, WhatOneWithAFullQueueHasMissedIsSentAgain) {
  const ManagerEnd end(path_);
  ServiceManager manager = manager_at(path_);
  int queued = 0;
  while (queued < 1'000'000 && manager.still_stopping(milliseconds(1))) ++queued;
  EXPECT_TRUE(manager.ready("up"));  // lost, as the last one of the loop
  EXPECT_TRUE(manager.alive());
  EXPECT_FALSE(manager.retry());
  for (int i = 0; i < queued; ++i) EXPECT_EQ(end.heard(), "EXTEND_TIMEOUT_USEC=1000");
  EXPECT_EQ(end.heard(), "nothing");
  EXPECT_TRUE(manager.retry());
  EXPECT_EQ(end.heard(), "READY=1\nSTATUS=up");
  EXPECT_EQ(end.heard(), "WATCHDOG=1");
  EXPECT_FALSE(manager.retry());
  EXPECT_EQ(end.heard(), "nothing");
}

TEST_F(ServiceManagerTest, OnlyTheLastStateIsSentAgain) {
  ServiceManager manager = manager_at(path_);
  EXPECT_FALSE(manager.ready("up"));
  EXPECT_TRUE(manager.stopping("down", milliseconds(1)));
  const ManagerEnd end(path_);
  EXPECT_TRUE(manager.retry());
  EXPECT_EQ(end.heard(), "STOPPING=1\nSTATUS=down\nEXTEND_TIMEOUT_USEC=1000");
  EXPECT_EQ(end.heard(), "nothing");
}

TEST_F(ServiceManagerTest, AnAddressOfAKindThatWeDoNotSpeakIsWarnedOf) {
  const std::vector<std::string> addresses{"vsock:2:1234", "notify", "@",
                                           "/" + std::string(200, 'x')};
  for (const std::string& address : addresses) {
    const ServiceManager manager(Variables({"NOTIFY_SOCKET=" + address}).get());
    EXPECT_THAT(manager.warning(), HasSubstr("NOTIFY_SOCKET: ")) << address;
    EXPECT_THAT(manager.warning(), HasSubstr("not the address of a Unix socket")) << address;
  }
  EXPECT_EQ(ServiceManager(nullptr).warning(), "");
  EXPECT_EQ(ServiceManager(Variables({"NOTIFY_SOCKET="}).get()).warning(), "");
  EXPECT_EQ(manager_at(path_).warning(), "");
}

TEST_F(ServiceManagerTest, TheWatchdogIsTheManagersInterval) {
  EXPECT_EQ(watchdog({}), std::nullopt);
  EXPECT_EQ(watchdog({"WATCHDOG_USEC=1500000"}), milliseconds(1500));
  EXPECT_EQ(watchdog({"WATCHDOG_USEC=1500000", "WATCHDOG_PID=" + kOurs}), milliseconds(1500));
  EXPECT_EQ(watchdog({"WATCHDOG_USEC=1500000", "WATCHDOG_PID=" + kNotOurs}), std::nullopt);
  EXPECT_EQ(watchdog({"WATCHDOG_USEC=9223372036854775"}),
            std::chrono::microseconds(9'223'372'036'854'775));
}

TEST_F(ServiceManagerTest, AWrongWatchdogIsSaid) {
  for (const std::string bad : {"abc", "", "0", "-1", "9223372036854776", "18446744073709551615"})
    EXPECT_THAT(complaint([&] { watchdog({"WATCHDOG_USEC=" + bad}); }),
                HasSubstr("WATCHDOG_USEC: '" + bad + "' is not a number from 1 to"));
  EXPECT_THAT(complaint([&] {
                watchdog({"WATCHDOG_USEC=1500000", "WATCHDOG_PID=me"});
              }),
              HasSubstr("WATCHDOG_PID: 'me' is not a number from 1 to"));
}

}  // namespace
}  // namespace cpss
