// SIGHUP: number data are loaded anew while messages go on.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
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

constexpr int kLastingRows = 100;

// Rows that are in all data, so that a client can check replies whatever the generation; and the
// questions and answers of that client.
std::string lasting_rows() {
  std::string csv;
  for (int i = 0; i < kLastingRows; ++i) csv += fmt::format("{},same,same\n", 4930000000 + i);
  return csv;
}
std::string lasting_questions() {
  std::string lines;
  for (int i = 0; i < kLastingRows; ++i)
    lines += fmt::format("{0}\tprefix={0};gateway=same;rn=same\n", 4930000000 + i);
  return lines;
}
// The other rows say `name`, twice, so that a reply of two generations would be seen.
std::string data(const std::string& name, int rows = 1'000) {
  std::string csv = "prefix,gateway,rn\n" + lasting_rows();
  for (int i = 0; i < rows - kLastingRows; ++i)
    csv += fmt::format("{},{},{}\n", 12015550000 + i, name, name);
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
  // What a row says that is in no two data the same.
  static std::string gateway(UdpClient& client) {
    const std::string reply =
        client.ask(lookup_request("12015550001", 1, native::kHeaderBytes + 112)).value_or("");
    const auto value = [&reply](std::string_view column) -> std::string {
      const std::size_t begin = reply.find(column);
      if (begin == std::string::npos) return "none";
      const std::string rest = reply.substr(begin + column.size());
      return rest.substr(0, rest.find_first_of(std::string_view("\0;", 2)));
    };
    EXPECT_EQ(value(";gateway="), value(";rn="));
    return value(";gateway=");
  }
  // Asks for lasting rows until it is stopped, and checks the replies.
  Program blast(const ServerProcess& server) const {
    return Program({program::kBlast, "-p", std::to_string(server.port()), "--service", "lookup",
                    "--data", questions_, "--size", "128", "--count", "1000000000", "-l", "300",
                    "-q", "64", "--json"});
  }
  // Its report.
  static nlohmann::json stop(Program& blast) {
    blast.signal(SIGINT);
    EXPECT_TRUE(blast.wait(kPatience));
    return nlohmann::json::parse(blast.output());
  }
  // How many number data a process maps.
  static int mapped_data(pid_t process) {
    std::ifstream maps(fmt::format("/proc/{}/maps", process));
    int found = 0;
    for (std::string line; std::getline(maps, line);)
      found += line.find("/memfd:cpss-numbers") != std::string::npos;
    return found;
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
  const std::string questions_ = folder_.write("questions", lasting_questions());
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
  EXPECT_EQ(shown.at("source"), numbers_.substr(0, 63)) << "what an image has room for";
  EXPECT_EQ(shown.at("failed_reloads"), 0);
  server.expect_clean_end();
}

TEST_F(Reload, ManyTimesUnderLoadNothingIsLostAndEachReplyIsOfOneGeneration) {
  ServerProcess server(program::kServer, settings());
  Program load = blast(server);
  UdpClient client(server.address());
  for (int i = 0; i < 20; ++i) {
    const std::string next = fmt::format("gw{}", i);
    replace(data(next));
    server.process().signal(SIGHUP);
    ASSERT_TRUE(says(server, "reload: lookup: 1000 prefixes", i + 1)) << server.process().errors();
    EXPECT_EQ(gateway(client), next);
  }
  EXPECT_TRUE(load.running());
  const nlohmann::json report = stop(load);
  EXPECT_GT(report.at("replied"), 1'000);
  EXPECT_EQ(report.at("wrong"), 0);
  EXPECT_EQ(report.at("lost"), 0);
  // Whatever lanes have read is freed.
  EXPECT_TRUE(eventually([&] { return server.stats().at("data").at("older") == 0; }));
  EXPECT_EQ(mapped_data(server.process().pid()), 1);
  server.expect_clean_end();
}

TEST_F(Reload, TakesDataOfEveryKindInTurn) {
  ServerProcess server(program::kServer, settings());
  UdpClient client(server.address());
  const std::string image = folder_.file("image");
  const std::string csv = folder_.write("image.csv", data("image"));
  ASSERT_EQ(run_program({program::kNumbers, "build", csv, "-o", image, "--serial", "17"}).code, 0);
  std::rename(image.c_str(), numbers_.c_str());
  server.process().signal(SIGHUP);
  EXPECT_TRUE(says(server, "generation 2, 1,000 rows, 2 values, "));
  EXPECT_TRUE(says(server, ", serial 17"));
  EXPECT_EQ(gateway(client), "image");
  replace(data("packed"));
  ASSERT_EQ(
      run_program({"/bin/sh", "-c", "gzip -c \"$0\" >\"$0.gz\" && mv \"$0.gz\" \"$0\"", numbers_})
          .code,
      0);
  server.process().signal(SIGHUP);
  EXPECT_TRUE(says(server, "generation 3, "));
  EXPECT_EQ(gateway(client), "packed");
  // What is served does not lie in the file: nobody can cut it.
  std::filesystem::resize_file(numbers_, 0);
  EXPECT_EQ(gateway(client), "packed");
  server.process().signal(SIGHUP);
  EXPECT_TRUE(says(server, numbers_ + ": is empty"));
  EXPECT_EQ(gateway(client), "packed");
  server.expect_clean_end();
}

// A shell may have it ignored; then the kernel does not tell how a child ended.
TEST_F(Reload, ToldWhyItFailedWhereSigchldWasIgnored) {
  ServerProcess server({"/usr/bin/env", "--ignore-signal=CHLD", program::kServer}, settings());
  make_endless();
  server.process().signal(SIGHUP);
  const FileDescriptor writer = wait_until_it_is_read();
  kill(children_of(server.process().pid()).begin()->first, SIGKILL);
  EXPECT_TRUE(says(server, "did not finish: it was ended by 'Killed'"));
  server.expect_clean_end();
}

// The process that loads is the first to go if memory runs out, and the last to get a CPU.
TEST_F(Reload, IsOfAProcessThatNeedsLittle) {
  ServerProcess server(program::kServer, settings());
  make_endless();
  server.process().signal(SIGHUP);
  const FileDescriptor writer = wait_until_it_is_read();
  const pid_t child = children_of(server.process().pid()).begin()->first;
  EXPECT_EQ(read_file(fmt::format("/proc/{}/oom_score_adj", child)), "1000\n");
  EXPECT_EQ(getpriority(PRIO_PROCESS, static_cast<id_t>(child)), 19);
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
  Program load = blast(server);
  constexpr std::uint64_t kReloads = 20;
  for (std::uint64_t i = 1; i <= kReloads; ++i) {
    const std::string next = fmt::format("gw{}", i);
    replace(data(next));
    server.process().signal(SIGHUP);
    std::this_thread::sleep_for(std::chrono::milliseconds(13 * i % 200));
    const auto children = children_of(server.process().pid());
    const auto one = std::ranges::find_if(
        children, [](const auto& child) { return child.second.starts_with("proc-"); });
    ASSERT_NE(one, children.end());
    kill(one->first, SIGKILL);
    ASSERT_TRUE(all_have(server, i + 1)) << server.stats().at("data");
    expect_all_answer(server, next);
    // A process that has been started meanwhile has the newest data, and no others.
    EXPECT_EQ(mapped_data(server.process().pid()), 1) << i;
    for (const auto& [child, name] : children_of(server.process().pid())) {
      if (!name.starts_with("proc-")) continue;
      EXPECT_EQ(mapped_data(child), 1) << i << " " << name;
    }
  }
  EXPECT_EQ(stop(load).at("wrong"), 0);
  EXPECT_GE(server.stats().at("processes").at("lost"), kReloads);
  server.expect_clean_end();
}

class ReloadOfModels : public Reload, public testing::WithParamInterface<ModelUnderTest> {};

TEST_P(ReloadOfModels, AnswersFromTheNewData) {
  if (kSanitized && GetParam().name == "mp_prefork")
    GTEST_SKIP() << "sanitizers and threads of a fork do not go together";
  ServerProcess server(program::kServer, under(GetParam(), settings()));
  UdpClient client(server.address());
  EXPECT_EQ(gateway(client), "old");
  for (std::uint64_t generation = 2; generation < 4; ++generation) {
    const std::string next = fmt::format("gw{}", generation);
    replace(data(next));
    server.process().signal(SIGHUP);
    ASSERT_TRUE(eventually([&] {
      const nlohmann::json shown = server.stats().at("data");
      return shown.at("generation") == generation && shown.at("older") == 0;
    })) << server.stats().at("data");
    EXPECT_EQ(gateway(client), next);
  }
  server.expect_clean_end();
}

std::vector<ModelUnderTest> models_and_workers() {
  std::vector<ModelUnderTest> models = every_model();
  models.push_back({"deferred", {{"CPSS_DEFER", "all"}, {"CPSS_WORKER_THREADS", "2"}}});
  return models;
}
INSTANTIATE_TEST_SUITE_P(Models, ReloadOfModels, testing::ValuesIn(models_and_workers()),
                         model_name);

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
