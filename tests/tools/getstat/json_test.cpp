#include "tools/getstat/json.h"

#include <array>
#include <csignal>
#include <functional>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "stats/machine_clock.h"
#include "tests/stats/region_bytes.h"
#include "tests/stats/sample_server.h"
#include "tests/support/temporary_folder.h"

namespace cpss::getstat {
namespace {

using nlohmann::json;

std::set<std::string> keys_of(const json& object) {
  std::set<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.insert(key);
  return keys;
}

const std::set<std::string> kKeys = {
    "state",    "troubles",        "pid_is_foreign", "pid",       "model",  "service",
    "uptime_s", "heartbeat_age_s", "listen",         "slots",     "stages", "server",
    "data",     "receivers",       "imbalance",      "processes", "ledger", "reasons"};

// The keys of everything that a block of the region holds.
std::set<std::string> metric_keys() {
  std::set<std::string> keys = {"gauges"};
  for (const CounterInfo& counter : kCounters) keys.emplace(counter.info.name);
  for (const HistogramInfo& histogram : kHistograms) keys.emplace(histogram.info.name);
  return keys;
}

class JsonTest : public testing::Test {
 protected:
  json read() const { return json::parse(format_json(RegionReader(path_).read())); }

  TemporaryFolder folder_;
  std::string path_ = folder_.file("stats");
};

TEST(JsonPage, SaysWhatEachKeyIs) {
  const std::string page = read_file(CPSS_GETSTAT_PAGE);
  std::set<std::string> keys = kKeys;
  keys.insert({"gauges",         "threads",      "threads_max",
               "measured",       "queue_depth",  "queue_high_water",
               "busy",           "for_s",        "generation",
               "rows",           "values",       "bytes",
               "serial",         "source",       "load_s",
               "age_s",          "older",        "keeper",
               "failed_reloads", "last_failure", "why",
               "in_flight",      "residual",     "lane",
               "share"});
  for (const std::string& key : keys) EXPECT_THAT(page, testing::HasSubstr("`" + key + "`"));
}

TEST_F(JsonTest, ALiveServerKeyByKey) {
  test::SampleServer server(path_);
  server.region.set_live();
  server.answered(10);
  server.take_in(3);
  server.invalid(Reason::invalid_too_short, 2);
  server.receive.raise(Gauge::queue_high_water, 7);
  server.service.raise(Gauge::queue_high_water, 5);
  server.receive.add(Counter::syscalls, 11);
  server.receive.add(Counter::syscall_ns, 12);
  server.service.add(Counter::sem_waits, 13);
  server.service.add(Counter::sem_wait_ns, 14);
  server.service.add(Counter::futex_wakes, 15);
  server.receive.add(Counter::slot_wait_ns, 16);
  server.main.add(Counter::kernel_dropped, 17);

  const json root = read();
  EXPECT_EQ(keys_of(root), kKeys);
  EXPECT_EQ(root["state"], "live");
  EXPECT_EQ(root["pid"], ::getpid());
  EXPECT_EQ(root["pid_is_foreign"], false);
  EXPECT_EQ(root["model"], "seda");
  EXPECT_EQ(root["service"], "lookup");
  EXPECT_GT(root["uptime_s"].get<double>(), 0);
  EXPECT_LT(root["uptime_s"].get<double>(), 60);
  EXPECT_EQ(root["slots"], 8192);
  EXPECT_EQ(root["listen"], json::parse(R"(["127.0.0.1:40001", "[::1]:40002"])"));

  const json& stages = root["stages"];
  ASSERT_EQ(stages.size(), 3u) << "the main thread is no stage";
  std::set<std::string> stage_keys = metric_keys();
  stage_keys.insert(
      {"name", "threads", "threads_max", "measured", "queue_depth", "queue_high_water", "busy"});
  for (const json& stage : stages) {
    EXPECT_EQ(keys_of(stage), stage_keys);
    EXPECT_EQ(stage["threads"], 1);
    EXPECT_EQ(stage["threads_max"], 1);
    EXPECT_EQ(stage["measured"], true);
    for (const char* histogram : {"wait_ns", "service_ns", "cost_ns", "batch"})
      EXPECT_EQ(keys_of(stage[histogram]),
                (std::set<std::string>{"count", "p50", "p99", "p999", "max"}));
  }
  EXPECT_EQ(stages[0]["name"], "receive");
  EXPECT_EQ(stages[1]["name"], "service");
  EXPECT_EQ(stages[2]["name"], "response");
  EXPECT_EQ(stages[0]["entered"], 15);
  EXPECT_EQ(stages[0]["forwarded"], 13);
  EXPECT_EQ(stages[0]["completed"], 2);
  EXPECT_EQ(stages[0]["queue_depth"], 0);
  EXPECT_EQ(stages[0]["queue_high_water"], 0);
  EXPECT_EQ(stages[1]["queue_depth"], 3);
  EXPECT_EQ(stages[1]["queue_high_water"], 7) << "written by receive, shown at the stage fed";
  EXPECT_EQ(stages[2]["queue_depth"], 0);
  EXPECT_EQ(stages[2]["queue_high_water"], 5);
  EXPECT_EQ(stages[0]["syscalls"], 11);
  EXPECT_EQ(stages[0]["syscall_ns"], 12);
  EXPECT_EQ(stages[1]["sem_waits"], 13);
  EXPECT_EQ(stages[1]["sem_wait_ns"], 14);
  EXPECT_EQ(stages[1]["futex_wakes"], 15);
  EXPECT_EQ(stages[0]["slot_wait_ns"], 16);
  EXPECT_EQ(stages[1]["wait_ns"]["count"], 10);
  EXPECT_EQ(stages[1]["wait_ns"]["max"], 1500);
  EXPECT_EQ(stages[1]["wait_ns"]["p50"], 1500);
  EXPECT_EQ(stages[0]["wait_ns"]["count"], 0);

  EXPECT_EQ(root["receivers"], json::parse(R"([{"lane": "recv-0", "received": 15, "share": 1.0,
                                               "lost_races": 0, "handoffs": 0}])"));
  EXPECT_EQ(root["imbalance"], 1.0);
  EXPECT_EQ(root["processes"], json::parse(R"({"started": 0, "lost": 0})"));

  const json& ledger = root["ledger"];
  const json expected = {{"received", 15}, {"answered", 10},       {"no_answer", 0},
                         {"invalid", 2},   {"refused", 0},         {"shed", 0},
                         {"failed", 0},    {"in_flight", 3},       {"residual", 0},
                         {"sent", 10},     {"kernel_dropped", 17}, {"kernel_dropped_exact", true}};
  EXPECT_EQ(ledger, expected);

  EXPECT_EQ(root["reasons"].size(), kReasons.size());
  EXPECT_EQ(root["reasons"]["answered"], 10);
  EXPECT_EQ(root["reasons"]["no_answer"], 0);
  EXPECT_EQ(root["reasons"]["invalid.too_short"], 2);
  EXPECT_EQ(root["reasons"]["failed.send_too_large"], 0);
}

// A counter that no program shows may as well not be counted.
TEST_F(JsonTest, WhateverIsMeasuredIsThere) {
  test::SampleServer server(path_);
  std::uint64_t next = 1000;
  const auto stage_of = [](const json& root, std::size_t block) -> const json& {
    return block == 3 ? root["server"] : root["stages"][block];
  };
  const auto expect = [&](const std::function<void(StatsWriter&)>& write,
                          const std::function<json(const json&)>& shown, std::string_view name) {
    for (std::size_t block = 0; block < 4; ++block) {
      StatsWriter writer = server.region.writer(block);
      write(writer);
      EXPECT_EQ(shown(stage_of(read(), block)), next) << name << " of block " << block;
      ++next;
    }
  };
  for (const CounterInfo& counter : kCounters)
    expect([&](StatsWriter& writer) { writer.add(counter.id, next); },
           [&](const json& stage) { return stage[std::string(counter.info.name)]; },
           counter.info.name);
  for (const GaugeInfo& gauge : kGauges)
    expect([&](StatsWriter& writer) { writer.set(gauge.id, next); },
           [&](const json& stage) { return stage["gauges"][std::string(gauge.info.name)]; },
           gauge.info.name);
  for (const HistogramInfo& histogram : kHistograms)
    expect([&](StatsWriter& writer) { writer.record(histogram.id, next); },
           [&](const json& stage) { return stage[std::string(histogram.info.name)]["max"]; },
           histogram.info.name);
  for (const ReasonInfo& reason : kReasons) {
    server.receive.book(reason.id, ++next);
    const ReasonCount named{std::string(name_of(reason.outcome)), std::string(reason.name), "", 0};
    EXPECT_EQ(read()["reasons"][named.full_name()], next) << reason.name;
  }
  EXPECT_EQ(keys_of(read()["server"]), metric_keys());
}

TEST_F(JsonTest, NoKeyComesTwiceInOneObject) {
  const test::SampleServer server(path_);
  std::vector<std::set<std::string>> open;
  const auto look = [&](int, json::parse_event_t event, const json& parsed) {
    if (event == json::parse_event_t::object_start) open.emplace_back();
    if (event == json::parse_event_t::object_end) open.pop_back();
    if (event == json::parse_event_t::key) {
      EXPECT_TRUE(open.back().insert(parsed.get<std::string>()).second) << parsed;
    }
    return true;
  };
  EXPECT_FALSE(json::parse(format_json(RegionReader(path_).read()), look).empty());
}

TEST_F(JsonTest, AServerInTroubleIsDegradedForThoseReasons) {
  test::SampleServer server(path_);
  server.region.set_live();
  EXPECT_EQ(read()["state"], "live");
  EXPECT_EQ(read()["troubles"], json::array());
  server.region.set_trouble(Trouble::process_death, 2, SIGSEGV);
  server.region.set_trouble(Trouble::cpus, 1, 0);
  json root = read();
  EXPECT_EQ(root["state"], "degraded");
  ASSERT_EQ(root["troubles"].size(), 2u);
  EXPECT_GE(root["troubles"][0]["for_s"], 0.0);
  for (json& trouble : root["troubles"]) trouble.erase("for_s");
  EXPECT_EQ(root["troubles"][0], (json{{"name", "process_death"},
                                       {"help", info(Trouble::process_death).help},
                                       {"reason", "Segmentation fault"},
                                       {"lanes", 2}}));
  EXPECT_EQ(root["troubles"][1]["name"], "cpus");
  EXPECT_EQ(root["troubles"][1]["reason"], "");
}

TEST_F(JsonTest, TheDataOfTheServiceKeyByKey) {
  test::SampleServer server(path_);
  server.region.set_live();
  EXPECT_EQ(read()["data"], json()) << "it has none";
  DataState state;
  state.generation = 3;
  state.rows = 10'017'362;
  state.values = 20'000;
  state.bytes = 49'000'000;
  state.serial = 1'796'080'878;
  state.load_ns = 1'300'000'000;
  state.loaded_ns = machine_ns();
  state.source = "numbers.csv";
  server.region.set_data(state);
  json data = read()["data"];
  EXPECT_GE(data["age_s"], 0.0);
  EXPECT_LT(data["age_s"], 60.0);
  data.erase("age_s");
  EXPECT_EQ(data, (json{{"generation", 3},
                        {"rows", 10'017'362},
                        {"values", 20'000},
                        {"bytes", 49'000'000},
                        {"serial", 1'796'080'878},
                        {"source", "numbers.csv"},
                        {"load_s", 1.3},
                        {"older", 0},
                        {"keeper", nullptr},
                        {"failed_reloads", 0},
                        {"last_failure", nullptr}}));
  state.older = 2;
  state.keeper = "svc-1";
  state.failures = 4;
  state.failed_ns = machine_ns() - 5'000'000'000;
  state.error = "numbers.csv:3: no";
  server.region.set_data(state);
  data = read()["data"];
  EXPECT_EQ(data["keeper"], "svc-1");
  EXPECT_EQ(data["failed_reloads"], 4);
  EXPECT_EQ(data["last_failure"]["why"], "numbers.csv:3: no");
  EXPECT_GE(data["last_failure"]["age_s"], 5.0);
}

TEST_F(JsonTest, AStageWithoutThreadsOfItsOwnHasNoBusyShare) {
  RegionOptions options = test::sample_options(path_);
  options.blocks[1].runs_inline = true;
  test::SampleServer server(options);
  server.region.set_live();
  server.answered(10);
  EXPECT_EQ(read()["stages"][1]["busy"], json());
  EXPECT_EQ(read()["stages"][0]["busy"], 0.0);
}

// The region names its metrics.
TEST_F(JsonTest, WhatOnlyAnotherBuildMeasuresIsThereToo) {
  test::RegionBytes region;
  const std::size_t entry = region.metric(static_cast<std::size_t>(Counter::entered));
  region.put(entry + offsetof(layout::MetricEntry, name), std::array<char, 8>{"newname"});
  write_file(path_, region.bytes);
  const json root = read();
  EXPECT_EQ(root["stages"][1]["newname"], 5);
  EXPECT_EQ(root["stages"][1]["entered"], 0) << "that build does not count it";
}

TEST_F(JsonTest, EachReceivingLaneHasItsShare) {
  RegionOptions options = test::sample_options(path_);
  options.blocks.push_back({"recv-1", StageId::receive});
  test::SampleServer server(options);
  EXPECT_TRUE(read()["imbalance"].is_null()) << "nothing received";
  server.answered(3);
  server.receive.add(Counter::lost_races, 4);
  StatsWriter other = server.region.writer(4);
  other.add(Counter::received, 1);
  other.add(Counter::handoffs, 5);
  server.main.add(Counter::processes_started, 6);
  server.main.add(Counter::processes_lost, 2);
  server.response.add(Counter::threads_ended, 7);
  const json root = read();
  EXPECT_EQ(root["receivers"], json::parse(R"([
      {"lane": "recv-0", "received": 3, "share": 0.75, "lost_races": 4, "handoffs": 0},
      {"lane": "recv-1", "received": 1, "share": 0.25, "lost_races": 0, "handoffs": 5}])"));
  EXPECT_EQ(root["imbalance"], 1.5);
  EXPECT_EQ(root["stages"][0]["lost_races"], 4);
  EXPECT_EQ(root["stages"][0]["handoffs"], 5);
  EXPECT_EQ(root["stages"][2]["threads_ended"], 7);
  EXPECT_EQ(root["processes"], json::parse(R"({"started": 6, "lost": 2})"));
}

TEST_F(JsonTest, WithoutHistogramsTheirKeysAreThereWithNothingInThem) {
  RegionOptions options = test::sample_options(path_);
  options.histograms = false;
  test::SampleServer server(options);
  server.answered(3);
  const json root = read();
  EXPECT_EQ(root["ledger"]["answered"], 3);
  EXPECT_EQ(root["stages"][1]["entered"], 3);
  EXPECT_EQ(root["stages"][1]["wait_ns"],
            json::parse(R"({"count": 0, "p50": null, "p99": null, "p999": null, "max": null})"));
}

TEST_F(JsonTest, ABrokenLedgerHasNegativeNumbersToo) {
  test::SampleServer server(path_);
  server.response.book(Reason::answered, 3);
  server.response.add(Counter::given_back, 2);
  const json root = read();
  EXPECT_EQ(root["state"], "starting");
  EXPECT_EQ(root["ledger"]["in_flight"], -2);
  EXPECT_EQ(root["ledger"]["residual"], -1);
}

TEST_F(JsonTest, TheFinalValuesOfAStoppedServerAreKnown) {
  {
    test::SampleServer server(path_);
    server.region.set_live();
    server.answered(10);
    server.region.mark_clean_end();
  }
  const json root = read();
  EXPECT_EQ(root["state"], "stopped");
  EXPECT_EQ(root["ledger"]["answered"], 10);
}

TEST_F(JsonTest, WithoutARegionAllKeysAreThereAndUnknown) {
  for (const char* state : {"missing", "incompatible"}) {
    const json root = read();
    EXPECT_EQ(keys_of(root), kKeys);
    EXPECT_EQ(root["state"], state);
    for (const auto& [key, value] : root.items()) EXPECT_EQ(value.is_null(), key != "state") << key;
    write_file(path_, "something else");
  }
}

TEST_F(JsonTest, TellsTheAgeOfTheLastSignOfLife) {
  test::SampleServer server(path_);
  Reading reading{RegionState::live, "", server.region.snapshot()};
  reading.snapshot->heartbeat_ns = reading.snapshot->taken_ns - 2'500'000'000;
  EXPECT_DOUBLE_EQ(json::parse(format_json(reading))["heartbeat_age_s"].get<double>(), 2.5);
}

// The sample's reading, with times set by the test.
TEST_F(JsonTest, BusyIsTheShareOfLanesTimesElapsed) {
  RegionOptions options = test::sample_options(path_);
  options.blocks.push_back({"svc-1", StageId::service});
  test::SampleServer server(options);
  server.service.add(Counter::busy_ns, 500);
  Reading reading{RegionState::live, "", server.region.snapshot()};
  reading.snapshot->live_ns = 10'000;
  reading.snapshot->taken_ns = 11'000;
  EXPECT_DOUBLE_EQ(json::parse(format_json(reading))["stages"][1]["busy"].get<double>(), 0.25);
  reading.state = RegionState::stopped;
  reading.snapshot->ended_ns = 10'250;
  EXPECT_DOUBLE_EQ(json::parse(format_json(reading))["stages"][1]["busy"].get<double>(), 1);
  reading.state = RegionState::starting;
  reading.snapshot->live_ns = 0;
  EXPECT_DOUBLE_EQ(json::parse(format_json(reading))["stages"][1]["busy"].get<double>(), 0);
}

// The texts of a damaged region can hold anything.
TEST_F(JsonTest, WhatIsNotUtf8IsReplacedAndTheRestIsAsItWas) {
  test::SampleServer server(path_);
  Reading reading{RegionState::live, "", server.region.snapshot()};
  reading.snapshot->facts.service = "a\xff\"b\\ \n \x01 \xc3\xa9";
  EXPECT_EQ(json::parse(format_json(reading))["service"], "a\xef\xbf\xbd\"b\\ \n \x01 \xc3\xa9");
}

}  // namespace
}  // namespace cpss::getstat
