#include "config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/table.h"
#include "config/values.h"
#include "tests/config/load_support.h"

namespace cpss {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;
using namespace std::chrono_literals;

TEST(Load, YieldsTheDefaultsWithoutAnything) {
  const LoadResult result = load({});
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.action, Action::run);
  EXPECT_EQ(result.settings, default_settings());
  for (const SettingInfo& row : kSettingTable) {
    EXPECT_FALSE(result.is_set(row.id)) << row.variable;
    EXPECT_EQ(result.origin(row.id).text(), "default");
  }
  EXPECT_TRUE(load_settings(0, nullptr, nullptr).ok());
}

// The design's numbers. A default that the table refuses would show here.
TEST(Load, HasTheseDefaults) {
  const Settings settings = default_settings();
  EXPECT_EQ(settings.config_file, std::nullopt);
  EXPECT_THAT(settings.listen, ElementsAre(ListenAddress{"127.0.0.1", 7700}));
  EXPECT_EQ(settings.socket_buffer_bytes, 4U << 20);
  EXPECT_THAT(settings.allow, IsEmpty());
  EXPECT_THAT(settings.trusted,
              ElementsAre(AddressPrefix{"127.0.0.0", 8}, AddressPrefix{"::1", 128}));
  EXPECT_EQ(settings.model, ServerModel::seda);
  EXPECT_EQ(settings.lanes, std::nullopt);
  EXPECT_EQ(settings.sockets, SocketSharing::shared);
  EXPECT_EQ(settings.steering, Steering::hash);
  EXPECT_EQ(settings.handoff_limit, 5U);
  EXPECT_TRUE(settings.exclusive_wake);
  EXPECT_EQ(settings.multi_process, ProcessUse::prefork);
  EXPECT_EQ(settings.service, "lookup");
  EXPECT_EQ(settings.numbers_file, std::nullopt);
  EXPECT_FALSE(settings.allow_empty);
  EXPECT_EQ(settings.receive_threads, 1U);
  EXPECT_EQ(settings.service_threads, 1U);
  EXPECT_EQ(settings.response_threads, 1U);
  EXPECT_THAT(settings.receive_cpus, IsEmpty());
  EXPECT_THAT(settings.service_cpus, IsEmpty());
  EXPECT_THAT(settings.response_cpus, IsEmpty());
  EXPECT_EQ(settings.slots, 8192U);
  EXPECT_EQ(settings.message_size, 1024U);
  EXPECT_EQ(settings.batch, 64U);
  EXPECT_TRUE(settings.gro);
  EXPECT_TRUE(settings.gso);
  EXPECT_FALSE(settings.freebind);
  EXPECT_EQ(settings.dscp, std::nullopt);
  EXPECT_EQ(settings.dispatch, Dispatch::run_inline);
  EXPECT_EQ(settings.inline_max_us, 200U);
  EXPECT_EQ(settings.spin_us, 100U);
  EXPECT_EQ(settings.coalesce_us, 30U);
  EXPECT_EQ(settings.send_wait_ms, 50U);
  EXPECT_EQ(settings.stats_file, std::nullopt);
  EXPECT_TRUE(settings.histograms);
  EXPECT_EQ(settings.drain_timeout, 5s);
  EXPECT_EQ(settings.idle_exit, 0s);
}

TEST(Load, PutsTheCommandLineBeforeTheEnvironmentBeforeTheFile) {
  const std::string yaml = "queue:\n  slots: 1\n  batch: 2\n  message_size: 600\n";
  const LoadResult result =
      load_yaml(yaml, {"--qslots", "11"}, {"CPSS_QSLOTS=21", "CPSS_BATCH=22"});
  EXPECT_THAT(result.errors, IsEmpty());
  EXPECT_EQ(result.settings.slots, 11U);
  EXPECT_EQ(result.settings.batch, 22U);
  EXPECT_EQ(result.settings.message_size, 600U);
  EXPECT_EQ(result.origin(Setting::slots).text(), "--qslots");
  EXPECT_EQ(result.origin(Setting::batch).text(), "CPSS_BATCH");
  EXPECT_THAT(result.origin(Setting::message_size).text(), testing::EndsWith("cpssd.yaml:4"));
  EXPECT_EQ(result.origin(Setting::message_size).column, 3U);
  EXPECT_EQ(result.origin(Setting::listen).text(), "default");
  EXPECT_TRUE(result.is_set(Setting::message_size));
}

// For every setting but CPSS_CONFIG a value that differs from the default: it arrives from each
// source, and changes nothing else.
TEST(Load, TakesEverySettingFromEverySource) {
  const std::vector<std::pair<Setting, std::string>> values{
      {Setting::listen, "0.0.0.0:1"},
      {Setting::socket_buffer, "1M"},
      {Setting::gro, "false"},
      {Setting::gso, "false"},
      {Setting::freebind, "true"},
      {Setting::dscp, "46"},
      {Setting::allow, "10.0.0.0/8"},
      {Setting::trusted, "::/0"},
      {Setting::model, "symped"},
      {Setting::lanes, "3"},
      {Setting::sockets, "reuseport"},
      {Setting::steering, "random"},
      {Setting::handoff_limit, "7"},
      {Setting::exclusive_wake, "false"},
      {Setting::multi_process, "fork"},
      {Setting::service, "echo"},
      {Setting::service_threads, "2"},
      {Setting::service_cpus, "0-1"},
      {Setting::defer, "all"},
      {Setting::work, "exp:5;burn"},
      {Setting::numbers_file, "/n.csv"},
      {Setting::allow_empty, "true"},
      {Setting::receive_threads, "3"},
      {Setting::receive_cpus, "2"},
      {Setting::receive_priority, "50"},
      {Setting::receive_stats, "false"},
      {Setting::worker_threads, "2"},
      {Setting::worker_cpus, "1"},
      {Setting::worker_queue, "9"},
      {Setting::on_demand_threads, "8"},
      {Setting::response_threads, "4"},
      {Setting::response_cpus, "3"},
      {Setting::response_priority, "1"},
      {Setting::response_stats, "false"},
      {Setting::reply_address, "[::1]:9"},
      {Setting::send_wait, "20"},
      {Setting::real_time_on_few_cpus, "true"},
      {Setting::slots, "16"},
      {Setting::message_size, "2048"},
      {Setting::batch, "32"},
      {Setting::process_shared, "true"},
      {Setting::memory_check, "warn"},
      {Setting::dispatch, "queued"},
      {Setting::inline_max_us, "60"},
      {Setting::spin_us, "70"},
      {Setting::coalesce_us, "80"},
      {Setting::overload, "shed"},
      {Setting::busy_rate, "7"},
      {Setting::stats_file, "/tmp/stats"},
      {Setting::histograms, "false"},
      {Setting::drain_timeout, "0.5"},
      {Setting::idle_exit, "60"},
      {Setting::user, "nobody"},
  };
  ASSERT_EQ(values.size() + 1, kSettingTable.size());
  for (const auto& [id, value] : values) {
    const SettingInfo& row = info(id);
    const std::vector<std::string> pieces{value};
    Settings expected = default_settings();
    ASSERT_THAT(set_value(row, pieces, Notation::yaml, expected), IsEmpty());
    ASSERT_NE(expected, default_settings()) << row.variable;

    const LoadResult from_line = load({"--" + std::string(row.option), value});
    EXPECT_EQ(from_line.settings, expected) << row.option;
    EXPECT_EQ(from_line.origin(row.id).source, Source::command_line);

    const LoadResult from_variable = load({}, {std::string(row.variable) + "=" + value});
    EXPECT_EQ(from_variable.settings, expected) << row.variable;
    EXPECT_EQ(from_variable.origin(row.id).source, Source::environment);

    const std::string path(row.yaml_path);
    const std::size_t dot = path.find('.');
    const std::string scalar = "'" + value + "'";
    LoadResult from_file =
        load_yaml(dot == std::string::npos
                      ? path + ": " + scalar
                      : path.substr(0, dot) + ":\n  " + path.substr(dot + 1) + ": " + scalar);
    EXPECT_THAT(from_file.errors, IsEmpty());
    EXPECT_EQ(from_file.origin(row.id).source, Source::file);
    from_file.settings.config_file.reset();
    EXPECT_EQ(from_file.settings, expected) << row.yaml_path;
  }
}

TEST(Load, TakesTheFileFromTheEnvironmentToo) {
  const TemporaryFolder folder;
  const std::string one = folder.write("one.yaml", "queue: {slots: 1}");
  const std::string two = folder.write("two.yaml", "queue: {slots: 2}");
  EXPECT_EQ(load({}, {"CPSS_CONFIG=" + one}).settings.slots, 1U);
  EXPECT_EQ(load({"--config", two}, {"CPSS_CONFIG=" + one}).settings.slots, 2U);
  const LoadResult none = load({"--config="}, {"CPSS_CONFIG=" + one});
  EXPECT_EQ(none.settings.slots, 8192U) << "empty: no file";
  EXPECT_EQ(none.settings.config_file, std::nullopt);
}

TEST(Load, AnEmptyValueReplacesAnEarlierSourceWhereItHasAMeaning) {
  const std::string yaml =
      "access: {allow: 10.0.0.0/8, trusted: 10.0.0.0/8}\nnumbers: {file: a}\nservice: {cpus: 1}\n";
  const LoadResult result =
      load_yaml(yaml, {"--allow=", "--trusted", "", "--service-cpus="}, {"CPSS_NUMBERS="});
  EXPECT_THAT(result.errors, IsEmpty());
  EXPECT_THAT(result.settings.allow, IsEmpty());
  EXPECT_THAT(result.settings.trusted, IsEmpty());
  EXPECT_THAT(result.settings.service_cpus, IsEmpty());
  EXPECT_EQ(result.settings.numbers_file, std::nullopt);
  EXPECT_EQ(result.origin(Setting::numbers_file).text(), "CPSS_NUMBERS");
}

TEST(Load, AnEmptyValueIsAnErrorWhereItHasNone) {
  EXPECT_THAT(load({"--batch="}, {"CPSS_SERVICE=", "CPSS_LISTEN="}).errors,
              ElementsAre("CPSS_SERVICE: is empty; allowed: a name",
                          "CPSS_LISTEN: is empty; allowed: a.b.c.d:port and [IPv6]:port, "
                          "ports 0 to 65535, separated by commas",
                          "--batch: is empty; allowed: 1 to 1024 messages"));
}

TEST(Load, NamesThePlaceTheValueAndWhatIsAllowed) {
  const std::string range = "'0' is out of range; allowed: 1 to 1024 messages";
  const LoadResult result = load_yaml("queue:\n  batch: 0\n", {"--batch", "0"}, {"CPSS_BATCH=0"});
  EXPECT_THAT(result.errors, ElementsAre("FILE:2:10: queue.batch: " + range, "CPSS_BATCH: " + range,
                                         "--batch: " + range));
  EXPECT_EQ(result.exit_code, 78);
}

TEST(Load, ReportsAnOverriddenBadValue) {
  const LoadResult result = load({"--batch", "3"}, {"CPSS_BATCH=x"});
  EXPECT_THAT(result.errors, ElementsAre("CPSS_BATCH: 'x' is not a whole number; allowed: 1 to "
                                         "1024 messages"));
}

TEST(Load, ReportsAllErrorsAtOnce) {
  const LoadResult result =
      load_yaml("qeue: {slots: 1}\nqueue: {slots: x}\n", {"--lisen", "a", "--drain-timeout", "x"},
                {"CPSS_BACH=1", "CPSS_HISTOGRAMS=maybe"});
  EXPECT_THAT(
      result.errors,
      ElementsAre(
          "'--lisen': unknown option; did you mean --listen?",
          "'CPSS_BACH': unknown variable; did you mean CPSS_BATCH?",
          "FILE:1:1: unknown key 'qeue'; did you mean queue?",
          "FILE:2:16: queue.slots: 'x' is not a whole number; allowed: 1 to 16000000 messages",
          "CPSS_HISTOGRAMS: 'maybe' is neither true nor false; allowed: 0, 1, true or false",
          "--drain-timeout: 'x' is not a number of seconds; allowed: 0 to 3600 seconds, also with "
          "a fraction such as 0.5"));
  EXPECT_EQ(result.exit_code, 64) << "usage goes first";
}

TEST(Load, TellsUsageFromBadValues) {
  EXPECT_EQ(load({"--frobnicate"}).exit_code, 64);
  EXPECT_EQ(load({"--batch"}).exit_code, 64);
  EXPECT_EQ(load({"stray"}).exit_code, 64);
  EXPECT_EQ(load({"--batch", "0"}).exit_code, 78);
  EXPECT_EQ(load({}, {"CPSS_FROBNICATE=1"}).exit_code, 78);
  EXPECT_EQ(load({"--config", "/nonexistent/cpssd.yaml"}).exit_code, 78);
  EXPECT_EQ(load_yaml("frobnicate: 1").exit_code, 78);
  EXPECT_EQ(load_yaml("queue: {slots: 1, slots: 1}").exit_code, 78);
}

TEST(Load, HelpWorksWhateverElseIsWrong) {
  for (const char* option : {"--help", "-h", "--version", "-V", "--sample-config"}) {
    const LoadResult result =
        load({"--config", "/nonexistent", option}, {"CPSS_BATCH=x", "CPSS_BACH=1"});
    EXPECT_TRUE(result.ok()) << option;
    EXPECT_NE(result.action, Action::run);
  }
  EXPECT_EQ(load({"--help", "--lisen"}).exit_code, 64);
}

TEST(Load, CheckConfigAndPrintConfigReadEverything) {
  EXPECT_EQ(load({"--check-config", "--batch", "0"}).exit_code, 78);
  EXPECT_EQ(load({"--print-config"}, {"CPSS_BATCH=7"}).settings.batch, 7U);
  EXPECT_EQ(load({"--check-config"}).action, Action::check_config);
}

struct FileCase {
  std::string yaml;
  std::string error;
};

TEST(LoadFile, ExplainsKeysAndShapes) {
  const std::vector<FileCase> table{
      {"slots: 1", "FILE:1:1: unknown key 'slots'; did you mean queue.slots?"},
      {"qslots: 1", "FILE:1:1: unknown key 'qslots'; did you mean queue.slots?"},
      {"recv_threads: 1", "FILE:1:1: unknown key 'recv_threads'; did you mean receive.threads?"},
      {"queue: {slotz: 1}", "FILE:1:9: unknown key 'queue.slotz'; did you mean queue.slots?"},
      {"Listen: 1", "FILE:1:1: unknown key 'Listen'; did you mean listen?"},
      {"config: x", "FILE:1:1: unknown key 'config'; --sample-config prints all keys"},
      {"threads: 1",
       "FILE:1:1: unknown key 'threads'; did you mean service.threads, receive.threads or "
       "worker.threads?"},
      {"frobnicate: {a: 1, b: {c: 2}}",
       "FILE:1:1: unknown key 'frobnicate'; --sample-config prints all keys"},
      {"'a\\nb\x7e': 1", "FILE:1:1: unknown key 'a\\\\nb~'; --sample-config prints all keys"},
      {"queue: 5",
       "FILE:1:1: queue is a section, not a value; its keys are slots, message_size, batch, "
       "process_shared, memory_check"},
      {"queue: [slots]",
       "FILE:1:1: queue is a section, not a value; its keys are slots, message_size, batch, "
       "process_shared, memory_check"},
      {"queue: {slots: {most: 1}}",
       "FILE:1:9: queue.slots is not a section; it takes a value; allowed: 1 to 16000000 messages"},
      {"queue: {slots: [1]}",
       "FILE:1:9: queue.slots takes one value, not a list; allowed: 1 to 16000000 messages"},
      {"queue:\n  slots:\n",
       "FILE:2:3: queue.slots has no value; remove the key, or give one; allowed: 1 to 16000000 "
       "messages"},
      {"stats: {histograms: 1}",
       "FILE:1:21: stats.histograms: '1' is neither true nor false; allowed: true or false"},
      {"stats: {histograms: yes}",
       "FILE:1:21: stats.histograms: 'yes' is neither true nor false; allowed: true or false"},
      {"queue: {slots: 0x50}",
       "FILE:1:16: queue.slots: '0x50' is not a whole number; allowed: 1 to 16000000 messages"},
      {"queue: {slots: ''}", "FILE:1:16: queue.slots: is empty; allowed: 1 to 16000000 messages"},
      {"listen: [127.0.0.1:1,\n  nonsense]",
       "FILE:2:3: listen: 'nonsense' is not an IP address with a port; allowed: a.b.c.d:port and "
       "[IPv6]:port, ports 0 to 65535, separated by commas"},
      {"listen: []",
       "FILE:1:1: listen: is empty; allowed: a.b.c.d:port and [IPv6]:port, ports 0 to "
       "65535, separated by commas"},
      {"queue:\n\tslots: 1\n", "FILE:2:1: a tab in the indentation; indent with spaces"},
      {"queue: {slots: !!int 5}", "FILE:1:16: a tag ('!'); write the value without, or quote it"},
      {"queue: {slots: &a 5}", "FILE:1:16: an anchor ('&'); write the value without, or quote it"},
  };
  for (const auto& [yaml, error] : table)
    EXPECT_THAT(load_yaml(yaml).errors, ElementsAre(error)) << yaml;
}

TEST(LoadFile, SaysWhyItCannotBeRead) {
  EXPECT_THAT(load({"--config", "/nonexistent/cpssd.yaml"}).errors,
              ElementsAre("/nonexistent/cpssd.yaml: cannot be read: No such file or directory"));
  EXPECT_THAT(load({}, {"CPSS_CONFIG=/dev/zero"}).errors,
              ElementsAre("/dev/zero: is larger than 1048576 bytes, so it is not a file of "
                          "settings"));
}

TEST(LoadFile, TakesListsInEitherForm) {
  const std::vector<ListenAddress> expected{{"127.0.0.1", 1}, {"::1", 2}, {"0.0.0.0", 3}};
  for (const char* yaml :
       {"listen: 127.0.0.1:1,[::1]:2,0.0.0.0:3", "listen: [127.0.0.1:1, '[::1]:2', 0.0.0.0:3]",
        "listen:\n  - 127.0.0.1:1\n  - \"[::1]:2,0.0.0.0:3\"\n"}) {
    const LoadResult result = load_yaml(yaml);
    EXPECT_THAT(result.errors, IsEmpty()) << yaml;
    EXPECT_EQ(result.settings.listen, expected) << yaml;
  }
  EXPECT_THAT(load_yaml("service: {cpus: [0, 2-3]}").settings.service_cpus, ElementsAre(0, 2, 3));
  EXPECT_THAT(load_yaml("access: {trusted: []}").settings.trusted, IsEmpty());
  EXPECT_THAT(load_yaml("access: {trusted: ''}").settings.trusted, IsEmpty());
}

TEST(LoadFile, MayBeEmptyOrHaveEmptySections) {
  for (const char* yaml :
       {"", "---\n", "queue:\n", "queue: {}\nstats:\n", "\xEF\xBB\xBFqueue:\n"}) {
    LoadResult result = load_yaml(yaml);
    EXPECT_THAT(result.errors, IsEmpty()) << yaml;
    result.settings.config_file.reset();
    EXPECT_EQ(result.settings, default_settings());
  }
}

TEST(LoadFile, OfRubbishDoesNotFillTheTerminal) {
  std::string yaml;
  for (int i = 0; i < 1000; ++i) yaml += "key" + std::to_string(i) + ": 1\n";
  const LoadResult result = load_yaml(yaml);
  ASSERT_EQ(result.errors.size(), 101U);
  EXPECT_THAT(result.errors[99], StartsWith("FILE:100:1: unknown key 'key99'"));
  EXPECT_EQ(result.errors[100], "FILE: 900 more errors");
}

TEST(ErrorAbout, NamesThePlaceOfTheValue) {
  const std::string problem = "is not a service";
  EXPECT_EQ(error_about(load({}), Setting::service, problem),
            "default of CPSS_SERVICE: 'lookup' is not a service");
  EXPECT_EQ(error_about(load({}, {"CPSS_SERVICE=x"}), Setting::service, problem),
            "CPSS_SERVICE: 'x' is not a service");
  EXPECT_EQ(error_about(load({"--service=x"}), Setting::service, problem),
            "--service: 'x' is not a service");
  const TemporaryFolder folder;
  const std::string path = folder.write("a.yaml", "service:\n  name: x\n");
  EXPECT_EQ(error_about(load({"--config", path}), Setting::service, problem),
            path + ":2:3: service.name: 'x' is not a service");
}

}  // namespace
}  // namespace cpss
