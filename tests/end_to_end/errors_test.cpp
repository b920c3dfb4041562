// What the server reports, and with which exit code, if it cannot start or its settings are wrong.
// No process may be left running, and no region left behind that claims to be alive.
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/udp_socket.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/namespace.h"
#include "tests/support/sanitizers.h"

namespace cpss {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// From now on this thread and the processes it starts get no socket of the family.
bool deny_sockets_of(unsigned family) {
  std::array<sock_filter, 6> program{{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, SYS_socket},
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, args)},  // its low half
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, family},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EAFNOSUPPORT},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  }};
  const sock_fprog filter{program.size(), program.data()};
  const bool denied = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
  EXPECT_TRUE(denied) << std::strerror(errno);
  return denied;
}

class Errors : public testing::Test {
 protected:
  // Runs a server that must refuse to start.
  Finished refused(Environment environment, std::vector<std::string> options = {}) {
    options.insert(options.begin(), program::kServer);
    return refused_command(std::move(options), std::move(environment));
  }
  // The same with a limit as the shell's ulimit takes it: "-n 20". Closes the descriptors that the
  // caller of the tests has left open, since they count, too.
  Finished refused_under(const std::string& limit, Environment environment) {
    return refused_command(
        {"/bin/sh", "-c",
         "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; ulimit " + limit + "; exec \"$0\"",
         program::kServer},
        std::move(environment));
  }
  void expect_no_region() const { EXPECT_NE(access(folder_.file("stats").c_str(), F_OK), 0); }

  TemporaryFolder folder_;

 private:
  Finished refused_command(std::vector<std::string> command, Environment environment) {
    return run_refused(std::move(command), std::move(environment), folder_.file("stats"));
  }
};

TEST_F(Errors, UnknownOptionIs64) {
  const Finished result = refused({}, {"--qslotz", "5"});
  EXPECT_EQ(result.code, 64);
  EXPECT_THAT(result.errors, AllOf(HasSubstr("--qslotz"), HasSubstr("--qslots")));
  expect_no_region();
}

TEST_F(Errors, MissingArgumentIs64) {
  EXPECT_EQ(refused({}, {"--qslots"}).code, 64);
}

TEST_F(Errors, BadValueIs78WhateverItsSource) {
  const Finished variable = refused({{"CPSS_QSLOTS", "0"}});
  EXPECT_EQ(variable.code, 78);
  EXPECT_THAT(variable.errors, AllOf(HasSubstr("CPSS_QSLOTS"), HasSubstr("1 to 16000000")));

  const Finished option = refused({}, {"--batch", "many"});
  EXPECT_EQ(option.code, 78);
  EXPECT_THAT(option.errors, AllOf(HasSubstr("--batch"), HasSubstr("many")));

  write_file(folder_.file("bad.yaml"), "queue:\n  slots: -4\n");
  const Finished file = refused({{"CPSS_CONFIG", folder_.file("bad.yaml")}});
  EXPECT_EQ(file.code, 78);
  EXPECT_THAT(file.errors, HasSubstr("bad.yaml:2:10"));
  expect_no_region();
}

TEST_F(Errors, AllErrorsAtOnce) {
  const Finished result = refused({{"CPSS_QSLOTS", "0"}, {"CPSS_BATCH", "x"}, {"CPSS_SLOTS", "1"}});
  EXPECT_EQ(result.code, 78);
  EXPECT_THAT(result.errors,
              AllOf(HasSubstr("CPSS_QSLOTS"), HasSubstr("CPSS_BATCH"), HasSubstr("CPSS_SLOTS")));
}

TEST_F(Errors, UnknownServiceIs78AndNamesThoseThereAre) {
  const Finished result = refused({{"CPSS_SERVICE", "lokup"}});
  EXPECT_EQ(result.code, 78);
  EXPECT_THAT(result.errors,
              AllOf(HasSubstr("CPSS_SERVICE"), HasSubstr("lokup"), HasSubstr("lookup, echo")));
}

TEST_F(Errors, BadWorkIs78AndSaysWhichPart) {
  for (const std::vector<std::string>& options :
       {std::vector<std::string>{}, std::vector<std::string>{"--check-config"}}) {
    const Finished result =
        refused({{"CPSS_SERVICE", "work"}, {"CPSS_WORK", "bimodal:1,many,0.5"}}, options);
    EXPECT_EQ(result.code, 78);
    EXPECT_THAT(result.errors,
                AllOf(HasSubstr("CPSS_WORK: 'bimodal:1,many,0.5' has no number of microseconds"),
                      HasSubstr("second time behind 'bimodal:'"), HasSubstr("allowed: fixed:US")));
    EXPECT_EQ(result.errors.find('\n'), result.errors.size() - 1) << result.errors;
  }
  expect_no_region();
}

TEST_F(Errors, CpuThatIsNotOursIs78) {
  const Finished result = refused({{"CPSS_RECV_CPUS", "1023"}});
  EXPECT_EQ(result.code, 78);
  EXPECT_THAT(result.errors, AllOf(HasSubstr("CPSS_RECV_CPUS"), HasSubstr("may use")));
}

TEST_F(Errors, AListOfCpusIsOneError) {
  const Finished result = refused({{"CPSS_RECV_CPUS", "0-1023"}});
  EXPECT_EQ(result.code, 78);
  EXPECT_THAT(result.errors, HasSubstr("-1023)"));
  EXPECT_EQ(result.errors.find("error:"), result.errors.rfind("error:")) << result.errors;
}

TEST_F(Errors, ALimitOfTheProcessIsNamed) {
  if (kUndefinedBehaviorSanitizer)
    GTEST_SKIP() << "UndefinedBehaviorSanitizer needs descriptors to look at memory";
  const Finished result = refused_under("-n 20", {{"CPSS_RECV_THREADS", "16"}});
  EXPECT_EQ(result.code, 70);
  EXPECT_THAT(result.errors, HasSubstr("ulimit -n"));
}

// The last ledger may tell why the server had to be restarted.
TEST_F(Errors, ARestartThatFailsLeavesTheLastLedgerOfTheServerBefore) {
  if (kUndefinedBehaviorSanitizer)
    GTEST_SKIP() << "UndefinedBehaviorSanitizer needs descriptors to look at memory";
  const std::string file = folder_.file("stats");
  {
    ServerProcess server(program::kServer, {{"CPSS_STATS_FILE", file}});
    EXPECT_TRUE(UdpClient(server.address()).ask(lookup_request("447700900123")));
    server.expect_clean_end();
  }
  const nlohmann::json before = program::stats_of(file);
  EXPECT_EQ(refused_under("-n 20", {{"CPSS_RECV_THREADS", "16"}}).code, 70);
  const nlohmann::json after = program::stats_of(file);
  EXPECT_EQ(after.at("state"), "stopped");
  EXPECT_EQ(after.at("ledger"), before.at("ledger"));
}

// At whichever step the descriptors run out: the file of settings, its parser, the data, the
// region, the stages.
TEST_F(Errors, TooFewDescriptorsAre70) {
  if (kUndefinedBehaviorSanitizer)
    GTEST_SKIP() << "UndefinedBehaviorSanitizer needs descriptors to look at memory";
  write_file(folder_.file("good.yaml"), "listen: 127.0.0.1:0\n");
  write_file(folder_.file("good.csv"), "prefix,gateway\n1,a\n");
  const Environment files{{"CPSS_CONFIG", folder_.file("good.yaml")},
                          {"CPSS_NUMBERS", folder_.file("good.csv")}};
  for (const std::string limit : {"-n 4", "-n 5", "-n 6", "-n 7", "-n 8"})
    for (const Environment& environment : {Environment{}, files}) {
      SCOPED_TRACE(limit + (environment.empty() ? "" : ", files"));
      const Finished result = refused_under(limit, environment);
      EXPECT_EQ(result.code, 70);
      EXPECT_THAT(result.errors, HasSubstr("ulimit -n"));
      expect_no_region();
    }
  // The service manager's socket takes the last descriptor.
  const Finished data = refused_under("-n 4", {{"CPSS_NUMBERS", folder_.file("good.csv")},
                                               {"NOTIFY_SOCKET", folder_.file("nobody")}});
  EXPECT_EQ(data.code, 70);
  EXPECT_THAT(data.errors, AllOf(HasSubstr("good.csv"), HasSubstr("ulimit -n")));
}

// As in a kernel without IPv6, or under a service manager's RestrictAddressFamilies=.
TEST_F(Errors, AnAddressFamilyThatIsSwitchedOffIs78) {
  Finished result;
  std::jthread([&] {  // for this thread and the processes it starts
    if (!deny_sockets_of(AF_INET6)) return;
    result = refused({{"CPSS_LISTEN", "[::1]:0"}});
  })
      .join();
  EXPECT_EQ(result.code, 78);
  EXPECT_THAT(result.errors, AllOf(HasSubstr("[::1]:0"), HasSubstr("switched off")));
  expect_no_region();
}

TEST_F(Errors, ThatTheHostsAddressesMayNotBeListedIs78) {
  Finished result;
  std::jthread([&] {
    if (!deny_sockets_of(AF_NETLINK)) return;
    result = refused({});
    EXPECT_EQ(refused({}, {"--check-config"}).code, 78);
  }).join();
  EXPECT_EQ(result.code, 78);
  EXPECT_THAT(result.errors, HasSubstr("allow AF_NETLINK"));
}

TEST_F(Errors, BadDataDoNotHideBadSettings) {
  const Finished result =
      refused({{"CPSS_NUMBERS", folder_.file("nowhere.csv")}, {"CPSS_ONDEMAND_THREADS", "2"}});
  EXPECT_EQ(result.code, 66);
  EXPECT_THAT(result.errors, AllOf(HasSubstr("CPSS_ONDEMAND_THREADS"), HasSubstr("nowhere.csv")));
  expect_no_region();
}

TEST_F(Errors, MissingDataFileIs66) {
  const Finished result = refused({{"CPSS_NUMBERS", folder_.file("nowhere.csv")}});
  EXPECT_EQ(result.code, 66);
  EXPECT_THAT(result.errors, HasSubstr("nowhere.csv"));
  expect_no_region();
}

TEST_F(Errors, DataWithoutARowAre66UnlessTheyAreWanted) {
  const std::string numbers = folder_.write("none.csv", "Prefix;Gateway\n");
  const Finished result = refused({{"CPSS_NUMBERS", numbers}});
  EXPECT_EQ(result.code, 66);
  EXPECT_THAT(result.errors, HasSubstr(numbers + ": has no rows, only the columns 'Prefix', "
                                                 "'Gateway'; give it some, or set "
                                                 "CPSS_ALLOW_EMPTY=1"));
  ServerProcess server(program::kServer, {{"CPSS_NUMBERS", numbers}, {"CPSS_ALLOW_EMPTY", "1"}});
  UdpClient client(server.address());
  EXPECT_TRUE(client.ask(lookup_request("447700900123"))) << "not found";
  server.expect_clean_end();
}

TEST_F(Errors, BadDataFileIs66WithFileAndLineOfEachError) {
  write_file(folder_.file("bad.csv"), "prefix,gateway\n1202,gw1\n12x,gw2\n1202,gw3\n1203,a;b\n");
  const Finished result = refused({{"CPSS_NUMBERS", folder_.file("bad.csv")}});
  EXPECT_EQ(result.code, 66);
  EXPECT_THAT(result.errors,
              AllOf(HasSubstr("bad.csv:3"), HasSubstr("bad.csv:4"), HasSubstr("bad.csv:5")));
}

TEST_F(Errors, AddressInUseIs69) {
  const UdpSocket other(SocketAddress(*IpAddress::parse("127.0.0.1"), 0), {});
  const Finished result = refused({{"CPSS_LISTEN", other.local_address().to_string()}});
  EXPECT_EQ(result.code, 69);
  EXPECT_THAT(result.errors, HasSubstr(other.local_address().to_string()));
  expect_no_region();
}

// The address may be there at another start.
TEST_F(Errors, AddressThatIsNotThereIs69) {
  const Finished result = refused({{"CPSS_LISTEN", "192.0.2.1:0"}});
  EXPECT_EQ(result.code, 69);
  EXPECT_THAT(result.errors, HasSubstr("192.0.2.1"));
}

// Port 80 of a network namespace in which the server may not have it.
TEST_F(Errors, NoPermissionForThePortIs77) {
  if (geteuid() != 0) {
    const Finished result = refused({{"CPSS_LISTEN", "127.0.0.1:80"}});
    EXPECT_EQ(result.code, 77);
    return;
  }
  const NamespaceRun run = run_in_namespace([] {
    // In some namespaces it cannot be written, but there it has this value, as in every new
    // namespace.
    std::ofstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") << "1024";
    // Not even root gets the capability back when it executes the server.
    if (prctl(PR_CAPBSET_DROP, CAP_NET_BIND_SERVICE) != 0) return 99;
    TemporaryFolder own;
    const Finished result =
        run_program({program::kServer},
                    {{"CPSS_LISTEN", "127.0.0.1:80"}, {"CPSS_STATS_FILE", own.file("stats")}});
    EXPECT_THAT(result.errors, HasSubstr("127.0.0.1:80"));
    return result.code;
  });
  if (!run.exit_status) GTEST_SKIP() << run.not_possible;
  EXPECT_EQ(*run.exit_status, 77);
}

TEST_F(Errors, RegionThatCannotBeMadeIs73) {
  const Finished result = refused({{"CPSS_STATS_FILE", "/proc/nowhere/stats"}});
  EXPECT_EQ(result.code, 73);
  EXPECT_THAT(result.errors, HasSubstr("/proc/nowhere"));
}

TEST_F(Errors, RegionOfALivingServerIs73AndNamesIt) {
  ServerProcess first(program::kServer, {});
  const Finished second = refused({{"CPSS_STATS_FILE", first.stats_file()}});
  EXPECT_EQ(second.code, 73);
  EXPECT_THAT(second.errors, HasSubstr(std::to_string(first.process().pid())));
  first.expect_clean_end();
}

TEST_F(Errors, RegionOfAKilledServerIsStaleAndThenTakenOver) {
  const std::string stats_file = folder_.file("stats");
  {
    ServerProcess first(program::kServer, {{"CPSS_STATS_FILE", stats_file}});
    first.process().signal(SIGKILL);
    EXPECT_EQ(first.process().wait(std::chrono::seconds(10)), 128 + SIGKILL);
    const Finished stale = run_program({program::kGetstat, "--file", stats_file});
    EXPECT_EQ(stale.code, 3) << stale.output << stale.errors;
    EXPECT_EQ(program::stats_of(stats_file).at("state"), "stale");
  }
  ServerProcess second(program::kServer, {{"CPSS_STATS_FILE", stats_file}});
  second.expect_clean_end();
}

TEST_F(Errors, MoreMemoryThanThereIsAddressSpaceForIsSaid) {
  if (kSanitized) GTEST_SKIP() << "sanitizers need the address space that this test takes away";
  const Finished result =
      refused_under("-v 2000000", {{"CPSS_QSLOTS", "16000000"}, {"CPSS_MEMORY_CHECK", "warn"}});
  EXPECT_EQ(result.code, 70);
  EXPECT_THAT(result.errors, HasSubstr("CPSS_QSLOTS"));
  expect_no_region();
}

// The same, and with a limit on files, where slots and queues are in shared memory (G11).
TEST_F(Errors, NoRoomForSharedMemoryIsSaid) {
  if (kSanitized) GTEST_SKIP() << "sanitizers need the address space that this test takes away";
  for (const char* limit : {"-v 2000000", "-f 8192"}) {
    SCOPED_TRACE(limit);
    const Finished result = refused_under(
        limit,
        {{"CPSS_SYNCH_PROCESS", "1"}, {"CPSS_QSLOTS", "16000000"}, {"CPSS_MEMORY_CHECK", "warn"}});
    EXPECT_EQ(result.code, 70);
    EXPECT_THAT(result.errors, AllOf(HasSubstr("CPSS_QSLOTS"), HasSubstr("ulimit -")));
    EXPECT_EQ(result.errors.find("error:"), result.errors.rfind("error:")) << result.errors;
    expect_no_region();
  }
}

struct RefusedStart {
  Environment environment;
  int code;
  std::string names;  // the text that names the mistake
};

TEST_F(Errors, CheckConfigRefusesWhatAStartRefuses) {
  const std::string folder = folder_.file("folder");
  std::filesystem::create_directory(folder);
  const std::string text = folder_.file("text");
  write_file(text, "this is no stats region, but somebody's text, and longer than the magic\n");
  const std::string nowhere = folder_.file("nowhere/stats");
  const std::vector<RefusedStart> starts{
      {{{"CPSS_LISTEN", "192.0.2.1:7700"}}, 69, "192.0.2.1:7700"},
      {{{"CPSS_LISTEN", "127.0.0.1:0,192.0.2.1:7701"}}, 69, "192.0.2.1:7701"},
      {{{"CPSS_LISTEN", "224.0.0.1:7700"}}, 78, "224.0.0.1:7700"},
      {{{"CPSS_LISTEN", "127.0.0.1:7999"}, {"CPSS_RESP_ADDR", "127.0.0.1:7999"}},
       78,
       "CPSS_RESP_ADDR: '127.0.0.1:7999' is our own address (127.0.0.1:7999)"},
      {{{"CPSS_LISTEN", "0.0.0.0:7999"}, {"CPSS_RESP_ADDR", "127.0.0.2:7999"}},
       78,
       "CPSS_RESP_ADDR: '127.0.0.2:7999' is our own address (0.0.0.0:7999)"},
      {{{"CPSS_RESP_ADDR", "[::1]:7999"}}, 78, "which is of another address family"},
      {{{"CPSS_STATS_FILE", folder}}, 73, "stats region " + folder},
      {{{"CPSS_STATS_FILE", text}}, 73, "stats region " + text},
      {{{"CPSS_STATS_FILE", nowhere}}, 73, nowhere},
      {{{"NOTIFY_SOCKET", folder_.file("notify")}, {"WATCHDOG_USEC", "soon"}}, 78, "WATCHDOG_USEC"},
  };
  for (const RefusedStart& start : starts)
    for (const std::vector<std::string>& options :
         {std::vector<std::string>{}, std::vector<std::string>{"--check-config"}}) {
      const Finished result = refused(start.environment, options);
      EXPECT_EQ(result.code, start.code) << start.names << options.size() << result.errors;
      EXPECT_THAT(result.errors, HasSubstr(start.names)) << options.size();
      expect_no_region();
    }
}

// For root without that capability, and for a user who never had it.
TEST_F(Errors, CheckConfigLooksForTheRightToALowPort) {
  int first = 1024;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> first;
  if (first <= 80) GTEST_SKIP() << "low ports are open to everybody here";
  Finished check;
  std::jthread([&] {
    if (geteuid() == 0) prctl(PR_CAPBSET_DROP, CAP_NET_BIND_SERVICE);
    check = run_program({program::kServer, "--check-config"}, {{"CPSS_LISTEN", "127.0.0.1:80"}});
  }).join();
  EXPECT_EQ(check.code, 77) << check.output << check.errors;
  EXPECT_THAT(check.errors, HasSubstr("127.0.0.1:80"));
}

TEST_F(Errors, CheckConfigLooksForTheRightToTheRealTimeClass) {
  Finished check;
  std::jthread([&] {
    if (geteuid() == 0) prctl(PR_CAPBSET_DROP, CAP_SYS_NICE);
    check =
        run_program({"/bin/sh", "-c", "ulimit -r 0; exec \"$0\" --check-config", program::kServer},
                    {{"CPSS_RECV_THREADS_RT", "5"}, {"CPSS_RT_ALLOW_SMALL", "1"}});
  }).join();
  EXPECT_EQ(check.code, 77) << check.output << check.errors;
  EXPECT_THAT(check.errors, AllOf(HasSubstr("CPSS_RECV_THREADS_RT"), HasSubstr("ulimit -r"),
                                  HasSubstr("CAP_SYS_NICE"), HasSubstr("LimitRTPRIO=")));
}

// --check-config takes nothing: neither the port nor the region of the running server.
TEST_F(Errors, CheckConfigSaysWhatOnlyAStartCanTell) {
  ServerProcess running(program::kServer, {});
  const Finished same = run_program(
      {program::kServer, "--check-config"},
      {{"CPSS_LISTEN", running.address().to_string()}, {"CPSS_STATS_FILE", running.stats_file()}});
  EXPECT_EQ(same.code, 0) << same.errors;
  EXPECT_THAT(same.output, AllOf(testing::StartsWith("settings are good\n"),
                                 HasSubstr("not checked: whether the ports are free\n"),
                                 HasSubstr("not checked: whether another server has the stats")));
  running.expect_clean_end();
  const Finished activated =
      run_program({program::kServer, "--check-config"}, {{"CPSS_IDLE_EXIT", "600"}});
  EXPECT_EQ(activated.code, 0) << activated.errors;
  EXPECT_THAT(activated.output, HasSubstr("not checked: the sockets that the service manager"));
}

TEST_F(Errors, CheckConfigSaysGoodOrBad) {
  const Finished good = run_program({program::kServer, "--check-config"});
  EXPECT_EQ(good.code, 0) << good.errors;
  const Finished bad = refused({{"CPSS_SERVICE", "nothing"}}, {"--check-config"});
  EXPECT_EQ(bad.code, 78);
}

}  // namespace
}  // namespace cpss
