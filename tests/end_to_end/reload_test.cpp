// SIGHUP: number data are loaded anew while messages go on.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <span>
#include <string>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "services/native_wire.h"
#include "tests/end_to_end/child_processes.h"
#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/notify_socket.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/eventually.h"
#include "tests/support/sanitizers.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using testing::HasSubstr;

// Rows that all say the same, so that a reply of two generations would be seen.
std::string data(const std::string& gateway, int rows = 1'000) {
  std::string csv = "prefix,gateway\n";
  for (int i = 0; i < rows; ++i) csv += fmt::format("{},{}\n", 12015550000 + i, gateway);
  return csv;
}

class Reload : public testing::Test {
 protected:
  Environment settings() const { return {{"CPSS_SERVICE", "lookup"}, {"CPSS_NUMBERS", numbers_}}; }
  // As an administrator should: the file is whole at any time.
  void replace(const std::string& csv) const {
    const std::string other = folder_.file("other");
    write_file(other, csv);
    ASSERT_EQ(std::rename(other.c_str(), numbers_.c_str()), 0);
  }
  static std::string gateway(UdpClient& client) {
    constexpr std::string_view kNumber = "12015550001";
    std::string request(native::kHeaderBytes, '\0');
    native::write_header(std::as_writable_bytes(std::span(request)),
                         {.kind = static_cast<std::uint8_t>(native::Kind::request),
                          .code = static_cast<std::uint16_t>(native::RequestCode::lookup),
                          .body_length = kNumber.size(),
                          .transaction = 1});
    request += kNumber;
    request.resize(128, '\0');
    const std::string reply = client.ask(request).value_or("");
    const std::size_t begin = reply.find(";gateway=");
    if (begin == std::string::npos) return "none";
    const std::string rest = reply.substr(begin + std::string_view(";gateway=").size());
    return rest.substr(0, rest.find('\0'));
  }
  static int said(ServerProcess& server, const std::string& text) {
    const std::string log = server.process().errors();
    int found = 0;
    for (std::size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1))
      ++found;
    return found;
  }
  static bool says(ServerProcess& server, const std::string& text, int times = 1) {
    return eventually([&] { return said(server, text) >= times; });
  }
  // A file that is read for as long as the test wants.
  void make_endless() const {
    std::remove(numbers_.c_str());
    ASSERT_EQ(mkfifo(numbers_.c_str(), 0600), 0);
  }
  FileDescriptor wait_until_it_is_read() const {
    FileDescriptor writer;
    EXPECT_TRUE(eventually([&] {
      writer = FileDescriptor(open(numbers_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
      return writer.valid();
    }));
    return writer;
  }

  const TemporaryFolder folder_;
  const std::string numbers_ = folder_.write("numbers.csv", data("old"));
};

TEST_F(Reload, AnswersFromTheNewData) {
  ServerProcess server(program::kServer, settings());
  UdpClient client(server.address());
  EXPECT_EQ(gateway(client), "old");
  replace(data("new", 2'000));
  server.process().signal(SIGHUP);
  EXPECT_TRUE(says(server, "reload: lookup: 2000 prefixes from " + numbers_));
  EXPECT_EQ(gateway(client), "new");
  const nlohmann::json shown = server.stats().at("data");
  EXPECT_EQ(shown.at("generation"), 2);
  EXPECT_EQ(shown.at("rows"), 2'000);
  EXPECT_EQ(shown.at("source"), numbers_);
  EXPECT_EQ(shown.at("failed_reloads"), 0);
  server.expect_clean_end();
}

TEST_F(Reload, ManyTimesUnderLoadNothingIsLostAndEachReplyIsOfOneGeneration) {
  ServerProcess server(program::kServer, settings());
  Program blast({program::kBlast, "-p", std::to_string(server.port()), "--service", "lookup",
                 "--count", "100000000", "-l", "4", "-q", "64"});
  UdpClient client(server.address());
  for (int i = 0; i < 20; ++i) {
    const std::string next = fmt::format("gw{}", i);
    replace(data(next));
    server.process().signal(SIGHUP);
    ASSERT_TRUE(says(server, "reload: lookup: 1000 prefixes", i + 1)) << server.process().errors();
    EXPECT_EQ(gateway(client), next);
  }
  EXPECT_EQ(blast.wait(std::chrono::seconds(60)), 0) << blast.output() << blast.errors();
  server.expect_clean_end();
}

TEST_F(Reload, ThatFailsChangesNothingAndSaysWhy) {
  ServerProcess server(program::kServer, settings());
  UdpClient client(server.address());
  replace("prefix,gateway\n12015550001,new\n12015550001,again\n");
  server.process().signal(SIGHUP);
  EXPECT_TRUE(says(server, numbers_ + ":3: prefix 12015550001 is also on line 2"));
  EXPECT_THAT(server.process().errors(), HasSubstr("reload: failed, the data stay as they are"));
  EXPECT_EQ(gateway(client), "old");
  EXPECT_THAT(server.stats().at("data").at("last_failure").at("why").get<std::string>(),
              HasSubstr(numbers_ + ":3: prefix 12015550001 is also on line 2"));
  std::remove(numbers_.c_str());
  server.process().signal(SIGHUP);
  EXPECT_TRUE(says(server, numbers_ + ": cannot be read: No such file or directory"));
  EXPECT_EQ(gateway(client), "old");
  replace(data("new"));
  server.process().signal(SIGHUP);
  EXPECT_TRUE(says(server, "reload: lookup: 1000 prefixes"));
  EXPECT_EQ(gateway(client), "new");
  server.expect_clean_end();
}

TEST_F(Reload, WhoseProcessIsKilledChangesNothing) {
  ServerProcess server(program::kServer, settings());
  UdpClient client(server.address());
  make_endless();
  server.process().signal(SIGHUP);
  const FileDescriptor writer = wait_until_it_is_read();
  const pid_t child = children_of(server.process().pid()).begin()->first;
  kill(child, SIGKILL);
  EXPECT_TRUE(
      says(server, "the process that loaded them did not finish: it was ended by 'Killed'"));
  EXPECT_EQ(gateway(client), "old");
  server.expect_clean_end();
}

// While one is at work, any number of requests are one more.
TEST_F(Reload, SeveralRequestsAreOneMore) {
  ServerProcess server(program::kServer, settings());
  UdpClient client(server.address());
  make_endless();
  server.process().signal(SIGHUP);
  {
    const FileDescriptor writer = wait_until_it_is_read();
    for (int i = 0; i < 3; ++i) {
      server.process().signal(SIGHUP);
      EXPECT_TRUE(says(server, "once more behind that", i + 1));
    }
    replace(data("new"));  // what the second one finds
    const std::string first = data("first");
    EXPECT_EQ(write(writer.get(), first.data(), first.size()), static_cast<ssize_t>(first.size()));
  }
  EXPECT_TRUE(says(server, "reload: lookup: 1000 prefixes", 2));
  EXPECT_EQ(gateway(client), "new");
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_EQ(said(server, "reload: loading the data"), 2);
  server.expect_clean_end();
}

TEST_F(Reload, IsEndedWithTheServer) {
  ServerProcess server(program::kServer, settings());
  make_endless();
  server.process().signal(SIGHUP);
  const FileDescriptor writer = wait_until_it_is_read();
  const pid_t child = children_of(server.process().pid()).begin()->first;
  server.expect_clean_end();
  EXPECT_NE(kill(child, 0), 0);
}

TEST_F(Reload, ComesAlsoWhereHangupsWereIgnored) {
  ServerProcess server({"/usr/bin/env", "--ignore-signal=HUP", program::kServer}, settings());
  UdpClient client(server.address());
  replace(data("new"));
  server.process().signal(SIGHUP);
  EXPECT_TRUE(says(server, "reload: lookup: 1000 prefixes"));
  EXPECT_EQ(gateway(client), "new");
  server.expect_clean_end();
}

TEST_F(Reload, TheServiceManagerHearsOfItsBeginningAndItsEnd) {
  const NotifySocket manager;
  Environment environment = settings();
  environment["NOTIFY_SOCKET"] = manager.path();
  ServerProcess server(program::kServer, environment);
  EXPECT_TRUE(manager.hears("READY=1"));
  for (const char* csv : {"prefix\n44\n", "prefix\nwrong\n"}) {
    replace(csv);
    server.process().signal(SIGHUP);
    EXPECT_TRUE(manager.hears("RELOADING=1\nMONOTONIC_USEC="));
    EXPECT_TRUE(manager.hears("READY=1\nSTATUS=ready: ")) << "whatever became of it";
  }
  server.expect_clean_end();
}

// It waits for the start to be over.
TEST_F(Reload, ThatIsAskedForDuringTheStartFollowsIt) {
  make_endless();
  Environment environment = settings();
  environment["CPSS_LISTEN"] = "127.0.0.1:0";
  environment["CPSS_STATS_FILE"] = folder_.file("stats");
  Program server({program::kServer}, environment);
  {
    const FileDescriptor writer = wait_until_it_is_read();
    server.signal(SIGHUP);
    EXPECT_FALSE(server.wait(std::chrono::milliseconds(300)));
    replace(data("new", 2'000));
    const std::string first = data("first");
    EXPECT_EQ(write(writer.get(), first.data(), first.size()), static_cast<ssize_t>(first.size()));
  }
  EXPECT_TRUE(eventually([&] {
    return server.errors().find("reload: lookup: 2000 prefixes") != std::string::npos;
  })) << server.errors();
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait(std::chrono::seconds(20)), 0) << server.errors();
}

class ReloadOfProcesses : public Reload {
 protected:
  void SetUp() override {
    if (kSanitized) GTEST_SKIP() << "sanitizers and threads of a fork do not go together";
  }
  Environment prefork() const {
    Environment environment = settings();
    environment["CPSS_MODEL"] = "mp";
    environment["CPSS_MP"] = "prefork";
    environment["CPSS_LANES"] = "3";
    return environment;
  }
  static bool all_have(ServerProcess& server, std::uint64_t generation) {
    return eventually([&] {
      const nlohmann::json shown = server.stats().at("data");
      return shown.at("generation") == generation && shown.at("older") == 0;
    });
  }
  // Of many clients: each process answers some of them.
  static void expect_all_answer(ServerProcess& server, const std::string& expected) {
    for (int i = 0; i < 60; ++i) {
      UdpClient client(server.address());
      EXPECT_EQ(gateway(client), expected);
    }
  }
};

// They sleep, but for those that answer.
TEST_F(ReloadOfProcesses, ReachesAllOfThem) {
  ServerProcess server(program::kServer, prefork());
  expect_all_answer(server, "old");
  for (std::uint64_t generation = 2; generation < 5; ++generation) {
    const std::string next = fmt::format("gw{}", generation);
    replace(data(next));
    server.process().signal(SIGHUP);
    ASSERT_TRUE(all_have(server, generation)) << server.stats().at("data");
    expect_all_answer(server, next);
  }
  server.expect_clean_end();
}

// A process that is killed at any moment of a reload is replaced by one that has the newest data.
TEST_F(ReloadOfProcesses, WithOneKilledInEach) {
  ServerProcess server(program::kServer, prefork());
  Program blast({program::kBlast, "-p", std::to_string(server.port()), "--service", "lookup",
                 "--count", "2000000", "-l", "2", "-q", "64"});
  constexpr std::uint64_t kReloads = 10;
  for (std::uint64_t i = 1; i <= kReloads; ++i) {
    const std::string next = fmt::format("gw{}", i);
    replace(data(next));
    server.process().signal(SIGHUP);
    std::this_thread::sleep_for(std::chrono::milliseconds(13 * i));
    const auto children = children_of(server.process().pid());
    const auto one = std::ranges::find_if(
        children, [](const auto& child) { return child.second.starts_with("proc-"); });
    ASSERT_NE(one, children.end());
    kill(one->first, SIGKILL);
    ASSERT_TRUE(all_have(server, i + 1)) << server.stats().at("data");
    expect_all_answer(server, next);
  }
  blast.signal(SIGINT);
  blast.wait(std::chrono::seconds(60));
  EXPECT_GE(server.stats().at("processes").at("lost"), kReloads);
  server.expect_clean_end();
}

class HangupOfModels : public testing::TestWithParam<ModelUnderTest> {};

// In no model does it end the server, nor lose a message.
TEST_P(HangupOfModels, IsNoEnd) {
  ServerProcess server(program::kServer, under(GetParam(), {{"CPSS_SERVICE", "echo"}}));
  UdpClient client(server.address());
  for (int i = 0; i < 3; ++i) {
    server.process().signal(SIGHUP);
    EXPECT_EQ(client.ask("still there"), "still there");
  }
  EXPECT_TRUE(eventually([&] {
    return server.process().errors().find("no data that could be loaded anew") != std::string::npos;
  }));
  server.expect_clean_end();
}

INSTANTIATE_TEST_SUITE_P(Models, HangupOfModels, testing::ValuesIn(every_model()), model_name);

}  // namespace
}  // namespace cpss
