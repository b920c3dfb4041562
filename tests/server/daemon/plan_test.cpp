#include "server/daemon/plan.h"

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "base/exit_codes.h"
#include "config/choices.h"
#include "config/table.h"
#include "config/values.h"
#include "server/daemon/settings_checks.h"
#include "services/echo.h"
#include "services/service_settings.h"
#include "tests/support/threads.h"

namespace cpss {
namespace {

LoadResult load(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "cpssd");
  const std::array<const char*, 1> environment = {nullptr};
  LoadResult loaded =
      load_settings(static_cast<int>(arguments.size()), arguments.data(), environment.data());
  EXPECT_TRUE(loaded.ok()) << loaded.errors.front();
  return loaded;
}

// The service `wide` needs windows of 4,096 bytes, and reflects.
ServiceRegistry services() {
  class Wide final : public Service {
   public:
    void process(std::span<Message>, LaneState*) override {}
    std::size_t min_window() const override { return 4096; }
    bool reflects() const override { return true; }
  };
  ServiceRegistry registry = built_in_services();
  registry.add(
      {"wide", "needs room", [](const ServiceSettings&) { return std::make_unique<Wide>(); }});
  return registry;
}

Plan plan(LoadResult& loaded, const Machine& machine = this_machine()) {
  return make_plan(loaded, services(), machine, [](const std::string&) {});
}

TEST(Plan, TakesWhatTheSettingsSay) {
  const unsigned cpu = test::first_allowed_cpu();
  const std::string cpus = "--service-cpus=" + std::to_string(cpu);
  LoadResult loaded =
      load({"--service=echo", "--qslots=77", "--msgsize=600", "--batch=9", "--recv-threads=2",
            "--service-threads=3", "--resp-threads=4", cpus.c_str()});
  const Plan made = plan(loaded);
  ASSERT_TRUE(loaded.ok());
  EXPECT_NE(dynamic_cast<EchoService*>(made.service.get()), nullptr);
  EXPECT_EQ(made.pipeline.slots, 77u);
  EXPECT_EQ(made.pipeline.window_bytes, 600u);
  EXPECT_EQ(made.pipeline.batch, 9u);
  EXPECT_EQ(made.pipeline.receive.lanes, 2u);
  EXPECT_EQ(made.pipeline.service.lanes, 3u);
  EXPECT_EQ(made.pipeline.response.lanes, 4u);
  EXPECT_EQ(made.pipeline.service.cpus, std::vector<unsigned>{cpu});
}

// A control group's quota of CPU time limits the number of lanes: lanes that cannot run at once
// only take time from each other.
TEST(Plan, ACpuQuotaLimitsLanesAndSpinning) {
  Machine machine;
  machine.cpus = this_machine().cpus;
  for (unsigned more = 0; machine.cpus.size() < 8; ++more) machine.cpus.push_back(1000 + more);
  const auto of = [&machine](const char* model, double quota) {
    machine.cpu_quota = quota;
    LoadResult loaded = load({model, "--spin-us=50"});
    return plan(loaded, machine).pipeline;
  };
  for (const char* model : {"--model=symped", "--model=mp"}) {
    EXPECT_EQ(of(model, 3.7).lanes, 3u);
    EXPECT_EQ(of(model, 3.7).cpus, 3u);
    EXPECT_EQ(of(model, 3.7).spin, std::chrono::microseconds(50));
    EXPECT_EQ(of(model, 100).lanes, 8u);
    EXPECT_EQ(of(model, 1).lanes, 1u);
    EXPECT_EQ(of(model, 1).spin, std::chrono::microseconds(50));
    EXPECT_EQ(of(model, 0.5).lanes, 1u);
    EXPECT_EQ(of(model, 0.5).cpus, 1u);
    EXPECT_EQ(of(model, 0.5).spin.count(), 0) << "it would be throttled for it";
  }
  EXPECT_EQ(of("--model=seda", 0.5).spin.count(), 0);
  EXPECT_EQ(of("--model=seda", 2.5).cpus, 2u);
  // A number of lanes that is set is kept.
  LoadResult loaded = load({"--model=symped", "--lanes=5"});
  EXPECT_EQ(plan(loaded, machine).pipeline.lanes, 5u);
}

TEST(Plan, AnUnknownServiceIsToldTogetherWithThoseThereAre) {
  LoadResult loaded = load({"--service=lokup"});
  plan(loaded);
  ASSERT_EQ(loaded.errors.size(), 1u);
  EXPECT_EQ(loaded.exit_code, kExitConfig);
  for (const char* part : {"lokup", "lookup", "echo", "wide"})
    EXPECT_NE(loaded.errors[0].find(part), std::string::npos) << loaded.errors[0];
}

TEST(Plan, CpusThatMayNotBeUsedAreAnErrorOfEachList) {
  LoadResult loaded = load({"--recv-cpus=1022", "--resp-cpus=1021-1023", "--service=lokup"});
  plan(loaded);
  EXPECT_EQ(loaded.exit_code, kExitConfig);
  ASSERT_EQ(loaded.errors.size(), 3u) << "all that is wrong is told at once";
  EXPECT_NE(loaded.errors[0].find("may not use (1022)"), std::string::npos) << loaded.errors[0];
  EXPECT_NE(loaded.errors[1].find("may not use (1021-1023)"), std::string::npos)
      << loaded.errors[1];
}

TEST(Plan, AServiceRaisesAWindowThatNobodySet) {
  LoadResult loaded = load({"--service=wide"});
  EXPECT_EQ(plan(loaded).pipeline.window_bytes, 4096u);
  EXPECT_TRUE(loaded.ok());
  EXPECT_EQ(loaded.settings.message_size, 4096u);
}

TEST(Plan, AWindowSetTooSmallForTheServiceIsAnError) {
  LoadResult loaded = load({"--service=wide", "--msgsize=4095"});
  plan(loaded);
  ASSERT_EQ(loaded.errors.size(), 1u);
  EXPECT_EQ(loaded.exit_code, kExitConfig);
  EXPECT_NE(loaded.errors[0].find("4096"), std::string::npos) << loaded.errors[0];
}

TEST(Plan, AWindowSetLargeEnoughStays) {
  LoadResult loaded = load({"--service=wide", "--msgsize=4096"});
  EXPECT_EQ(plan(loaded).pipeline.window_bytes, 4096u);
  EXPECT_TRUE(loaded.ok());
}

TEST(Plan, ABadWorkIsAnErrorWhicheverServiceRuns) {
  for (const char* service : {"--service=work", "--service=echo"}) {
    LoadResult loaded = load({service, "--work=fixed:1;brun"});
    plan(loaded);
    ASSERT_EQ(loaded.errors.size(), 1u) << service;
    EXPECT_EQ(loaded.exit_code, kExitConfig);
    for (const char* part : {"--work: 'fixed:1;brun' has ", "part 2", "; allowed: fixed:US"})
      EXPECT_NE(loaded.errors[0].find(part), std::string::npos) << loaded.errors[0];
  }
}

TEST(Plan, TheWorkServiceGetsItsProfile) {
  LoadResult loaded = load({"--service=work", "--work=fixed:1;defer=0.5"});
  const Plan made = plan(loaded);
  ASSERT_TRUE(loaded.ok());
  std::vector<std::byte> request(16);
  const SocketAddress peer;
  Message message(request, request.data(), request.size(), peer, false);
  made.service->process(std::span(&message, 1), nullptr);
  EXPECT_EQ(message.verdict(), Verdict::defer);
}

TEST(Plan, UnreadableDataIsAnErrorOfItsOwn) {
  LoadResult loaded = load({"--numbers=/nowhere/numbers.csv"});
  EXPECT_THROW(plan(loaded), ServiceDataError);
}

TEST(Plan, AccessControlKnowsAllowedTrustedOwnAndWhetherTheServiceReflects) {
  LoadResult loaded = load({"--service=wide", "--allow=192.0.2.0/24,2001:db8::/32"});
  const Plan made = plan(loaded);
  const SocketAddress own(IpAddress::parse("0.0.0.0").value(), 7700);
  const AccessControl access_control(
      access_options(loaded.settings, *made.service, {own}, LocalAddressSet::of_this_host()));
  const HostAddressCopy host(access_control.host());
  const auto refusal = [&](const char* ip, std::uint16_t port) {
    Arrival arrival;
    arrival.peer = {IpAddress::parse(ip).value(), port};
    arrival.length = 1;
    return access_control.refusal(arrival, host);
  };
  EXPECT_EQ(refusal("192.0.2.1", 4000), std::nullopt);
  EXPECT_EQ(refusal("2001:db8::1", 4000), std::nullopt);
  EXPECT_EQ(refusal("198.51.100.1", 4000), Reason::refused_not_allowed);
  EXPECT_EQ(refusal("127.0.0.1", 7700), Reason::refused_own_address);
  EXPECT_EQ(refusal("192.0.2.1", 53), Reason::refused_service_port);
  EXPECT_TRUE(access_control.trusted({IpAddress::parse("127.0.0.1").value(), 1}));
  EXPECT_FALSE(access_control.trusted({IpAddress::parse("192.0.2.1").value(), 1}));
}

TEST(Plan, TakesWhatTheSettingsSayOfWorkers) {
  const std::string cpu = "--worker-cpus=" + std::to_string(test::first_allowed_cpu());
  LoadResult loaded = load({"--worker-threads=3", "--ondemand-threads=5", "--worker-queue=7",
                            "--defer=all", "--overload=shed", "--busy-rate=9", cpu.c_str()});
  const Plan made = plan(loaded);
  ASSERT_TRUE(loaded.ok()) << loaded.errors[0];
  EXPECT_EQ(made.pipeline.worker.lanes, 3u);
  EXPECT_EQ(made.pipeline.worker.cpus, std::vector<unsigned>{test::first_allowed_cpu()});
  EXPECT_EQ(made.pipeline.on_demand_threads, 5u);
  EXPECT_EQ(made.pipeline.worker_queue, 7u);
  EXPECT_TRUE(made.pipeline.defer_all);
  EXPECT_TRUE(made.pipeline.shed);
  EXPECT_EQ(made.pipeline.busy_rate, 9u);
}

TEST(Plan, WithoutSettingsThereAreNoWorkers) {
  LoadResult loaded = load({});
  const Plan made = plan(loaded);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(made.pipeline.worker.lanes, 0u);
  EXPECT_EQ(made.pipeline.on_demand_threads, 0u);
  EXPECT_FALSE(made.pipeline.defer_all);
  EXPECT_FALSE(made.pipeline.shed);
}

TEST(Plan, TheWorkerQueueHasRoomForHalfTheSlotsOfPoolsUnlessSet) {
  for (const auto& [slots, places] :
       std::vector<std::pair<const char*, unsigned>>{{"--qslots=1", 1},
                                                     {"--qslots=2", 1},
                                                     {"--qslots=9", 4},
                                                     {"--qslots=8192", 4096},
                                                     {"--qslots=131068", 65'534},
                                                     {"--qslots=131070", 65'534},
                                                     {"--qslots=1000000", 65'534}}) {
    LoadResult loaded = load({"--worker-threads=1", "--recv-threads=1", slots});
    EXPECT_EQ(plan(loaded).pipeline.worker_queue, places) << slots;
    EXPECT_TRUE(loaded.ok());
  }
}

// Settings of workers that say no more than what holds without workers are no mistake.
TEST(Plan, DefaultsOfWorkersMayBeSpelledOutWithoutThem) {
  LoadResult loaded = load({"--worker-threads=0", "--defer=service"});
  plan(loaded);
  EXPECT_TRUE(loaded.ok());
}

// Expects one error only, which names the setting and contains `text`.
void expect_refused(std::vector<const char*> arguments, const std::string& setting,
                    const std::string& text) {
  LoadResult loaded = load(std::move(arguments));
  plan(loaded);
  ASSERT_EQ(loaded.errors.size(), 1u) << text;
  EXPECT_EQ(loaded.exit_code, kExitConfig);
  for (const std::string& part : {setting, text})
    EXPECT_NE(loaded.errors[0].find(part), std::string::npos) << loaded.errors[0];
}

TEST(Plan, WhatNeedsWorkersIsRefusedWithoutThem) {
  const std::string cpus = "--worker-cpus=" + std::to_string(test::first_allowed_cpu());
  const std::pair<const char*, const char*> cases[] = {
      {"--ondemand-threads=1", "--ondemand-threads"},
      {"--defer=all", "--defer"},
      {"--worker-queue=5", "--worker-queue"},
      {cpus.c_str(), "--worker-cpus"}};
  for (const auto& [argument, setting] : cases)
    expect_refused({argument}, setting, "set CPSS_WORKER_THREADS");
}

TEST(Plan, TheRealTimeClassIsRefusedOnFewCpusUnlessThatIsWanted) {
  if (test::allowed_cpus().size() <= 2) {
    expect_refused({"--recv-threads-rt=5"}, "--recv-threads-rt", "CPSS_RT_ALLOW_SMALL=1");
    expect_refused({"--resp-threads-rt=5"}, "--resp-threads-rt", "CPSS_RT_ALLOW_SMALL=1");
  }
  LoadResult loaded = load({"--recv-threads-rt=5", "--resp-threads-rt=99", "--rt-allow-small=1"});
  const Plan made = plan(loaded);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(made.pipeline.receive.real_time_priority, 5u);
  EXPECT_EQ(made.pipeline.response.real_time_priority, 99u);
  EXPECT_EQ(made.pipeline.service.real_time_priority, std::nullopt);
  EXPECT_EQ(made.pipeline.worker.real_time_priority, std::nullopt);
}

TEST(Plan, SharingAndStatisticsAreThoseOfTheSettings) {
  LoadResult plain = load({});
  EXPECT_EQ(plan(plain).pipeline.sharing, Sharing::process_private);
  LoadResult loaded = load({"--synch-process=1", "--recv-stats=0"});
  const Plan made = plan(loaded);
  EXPECT_EQ(made.pipeline.sharing, Sharing::process_shared);
  EXPECT_EQ(made.pipeline.receive.detail, Detail::essential);
  EXPECT_EQ(made.pipeline.response.detail, Detail::histograms);
}

// The interface may be there at another start.
TEST(Plan, AnInterfaceThatIsNotThereIsSaid) {
  for (const std::string option : {"--allow", "--trusted"}) {
    const std::string argument = option + "=fe80::%no-such/64";
    LoadResult loaded = load({argument.c_str()});
    plan(loaded);
    ASSERT_EQ(loaded.errors.size(), 1U);
    EXPECT_NE(loaded.errors.front().find(option), std::string::npos);
    EXPECT_NE(loaded.errors.front().find("names the interface no-such"), std::string::npos);
    EXPECT_EQ(loaded.exit_code, kExitUnavailable);
  }
  LoadResult loaded = load({"--allow=fe80::%lo/64", "--trusted=fe80::1%lo"});
  plan(loaded);
  EXPECT_TRUE(loaded.ok());
  LoadResult reply = load({"--resp-addr=[fe80::1%no-such]:4000"});
  EXPECT_THROW(plan(reply), SocketError);
}

TEST(Plan, AnAddressToListenOnIsNoAddressForReplies) {
  expect_refused({"--resp-addr=0.0.0.0:4000"}, "--resp-addr", "not one to send to");
  expect_refused({"--resp-addr=[::]:4000"}, "--resp-addr", "not one to send to");
}

// The errors about a fixed address for replies, given the bound addresses.
std::vector<std::string> reply_errors(const char* argument, const std::vector<const char*>& own) {
  LoadResult loaded = load({argument});
  std::vector<SocketAddress> addresses;
  for (const char* ip : own) addresses.emplace_back(IpAddress::parse(ip).value(), 7700);
  check_reply_address(loaded, addresses, LocalAddressSet::of_this_host());
  EXPECT_EQ(loaded.exit_code, loaded.errors.empty() ? 0 : kExitConfig);
  return loaded.errors;
}

TEST(Plan, RepliesGoElsewhereAndInTheSameAddressFamily) {
  EXPECT_TRUE(reply_errors("--resp-addr=source", {"127.0.0.1"}).empty());
  EXPECT_TRUE(reply_errors("--resp-addr=127.0.0.1:7701", {"127.0.0.1", "0.0.0.0"}).empty());
  EXPECT_TRUE(reply_errors("--resp-addr=127.0.0.2:7700", {"127.0.0.1"}).empty());
  EXPECT_TRUE(reply_errors("--resp-addr=192.0.2.1:7700", {"0.0.0.0"}).empty());
  for (const auto& [argument, own, text] :
       {std::tuple{"--resp-addr=127.0.0.1:7700", "127.0.0.1", "our own address"},
        std::tuple{"--resp-addr=127.0.0.9:7700", "0.0.0.0", "our own address"},
        std::tuple{"--resp-addr=[::1]:7700", "::", "our own address"},
        std::tuple{"--resp-addr=127.0.0.1:7700", "::", "our own address"},
        std::tuple{"--resp-addr=[::1]:7701", "127.0.0.1", "another address family"},
        std::tuple{"--resp-addr=[::1]:7700", "0.0.0.0", "another address family"},
        std::tuple{"--resp-addr=192.0.2.1:7701", "::1", "another address family"}}) {
    const std::vector<std::string> errors = reply_errors(argument, {own});
    ASSERT_EQ(errors.size(), 1u) << argument << " " << own;
    EXPECT_NE(errors[0].find(text), std::string::npos) << errors[0];
  }
}

// --- server models ---

PipelineOptions pipeline_of(std::vector<const char*> arguments) {
  LoadResult loaded = load(std::move(arguments));
  PipelineOptions pipeline = plan(loaded).pipeline;
  EXPECT_TRUE(loaded.ok()) << loaded.errors.front();
  return pipeline;
}

// A valid value of the setting that is not its default.
std::string another_value(const SettingInfo& row) {
  const auto not_default = [&row](const auto& words) {
    for (const auto& word : words)
      if (word != row.default_text) return std::string(word);
    return std::string();
  };
  const auto choice = [&]<class T>(T Settings::*) {
    std::vector<std::string_view> words;
    for (const auto& [word, value] : kChoices<T>) words.push_back(word);
    return not_default(words);
  };
  return std::visit(
      [&]<class T>(T Settings::*member) -> std::string {
        if constexpr (Choice<T>)
          return choice(member);
        else if constexpr (std::is_same_v<T, bool>)
          return row.default_text == "true" ? "0" : "1";
        else if constexpr (std::is_same_v<T, unsigned> ||
                           std::is_same_v<T, std::optional<unsigned>>)
          return not_default(
              std::array{std::to_string(row.range.min), std::to_string(row.range.min + 1)});
        else if constexpr (std::is_same_v<T, std::vector<unsigned>>)
          return std::to_string(test::first_allowed_cpu());
        else
          return {};
      },
      row.member);
}

TEST(PlanOfModels, EachRefusesEverySettingThatIsNotItsOwnOnceAndSaysWhose) {
  for (const auto& [name, model] : kChoices<ServerModel>) {
    const std::string chosen = "--model=" + std::string(name);
    unsigned refused = 0;
    for (const SettingInfo& row : kSettingTable) {
      if (row.models.contains(model)) continue;
      const std::string value = another_value(row);
      ASSERT_FALSE(value.empty()) << row.option;
      const std::string argument = "--" + std::string(row.option) + "=" + value;
      // Else a machine with few CPUs refuses the real-time class, too.
      LoadResult loaded = load({chosen.c_str(), argument.c_str(), "--rt-allow-small=1"});
      plan(loaded);
      ASSERT_EQ(loaded.errors.size(), 1u) << chosen << " " << argument;
      EXPECT_EQ(loaded.exit_code, kExitConfig);
      for (const std::string& part :
           {"--" + std::string(row.option) + ":", "means nothing to the model " + std::string(name),
            "only to: " + used_by_text(row)})
        EXPECT_NE(loaded.errors[0].find(part), std::string::npos) << loaded.errors[0];
      ++refused;
    }
    EXPECT_GT(refused, 0u) << name;
  }
}

// A setting that is given its default value counts as set: the user believes that it matters.
TEST(PlanOfModels, ADefaultSpelledOutIsSet) {
  expect_refused({"--model=sped", "--recv-threads=1"}, "--recv-threads", "means nothing");
}

TEST(PlanOfModels, EachTakesWhatIsItsOwn) {
  EXPECT_EQ(pipeline_of({"--model=sped"}).model, ServerModel::sped);
  const PipelineOptions symped =
      pipeline_of({"--model=symped", "--lanes=3", "--sockets=handoff", "--handoff-limit=9"});
  EXPECT_EQ(symped.model, ServerModel::symped);
  EXPECT_EQ(symped.lanes, 3u);
  EXPECT_EQ(symped.sockets, SocketSharing::handoff);
  EXPECT_EQ(symped.handoff_limit, 9u);
  EXPECT_FALSE(pipeline_of({"--model=symped", "--epollexclusive=0"}).exclusive_wake);
  EXPECT_EQ(pipeline_of({"--model=mp", "--mp=fork"}).process_use, ProcessUse::fork);
  EXPECT_EQ(pipeline_of({"--model=amped", "--worker-threads=3"}).worker.lanes, 3u);
}

TEST(PlanOfModels, WhatIsNotSetIsSensible) {
  const auto cpus = static_cast<unsigned>(test::allowed_cpus().size());
  for (const char* model : {"--model=symped", "--model=mp"}) {
    EXPECT_EQ(pipeline_of({model}).lanes, cpus) << model;
    EXPECT_TRUE(pipeline_of({model}).exclusive_wake);
    EXPECT_EQ(pipeline_of({model}).sockets, SocketSharing::shared);
  }
  EXPECT_EQ(pipeline_of({"--model=mp"}).process_use, ProcessUse::prefork);
  const PipelineOptions handoff = pipeline_of({"--model=symped", "--sockets=handoff"});
  EXPECT_EQ(handoff.handoff_limit, 5u);
  EXPECT_EQ(handoff.max_lanes, 2 * cpus);
  EXPECT_EQ(handoff.idle_lane_end, std::chrono::seconds(10));
  EXPECT_EQ(handoff.coalesce, std::chrono::nanoseconds(0));
  EXPECT_GT(pipeline_of({"--model=symped"}).coalesce, std::chrono::nanoseconds(0));
  EXPECT_EQ(pipeline_of({}).send_wait, std::chrono::milliseconds(50));
  EXPECT_EQ(pipeline_of({"--send-wait-ms=7"}).send_wait, std::chrono::milliseconds(7));
}

TEST(PlanOfModels, WithHandoffThereMayBeTwiceTheCpusOrWhatIsSet) {
  const auto cpus = static_cast<unsigned>(test::allowed_cpus().size());
  const std::string lanes = "--lanes=" + std::to_string(2 * cpus + 1);
  EXPECT_EQ(pipeline_of({"--model=symped", "--sockets=handoff", lanes.c_str()}).max_lanes,
            2 * cpus + 1);
  EXPECT_EQ(pipeline_of({"--model=symped", "--sockets=handoff", "--lanes=1"}).max_lanes, 2 * cpus);
}

TEST(PlanOfModels, OnlyLanesThatThereAreCountForTheCpusOfTheServer) {
  const std::string cpu = "--recv-cpus=" + std::to_string(test::first_allowed_cpu());
  EXPECT_EQ(pipeline_of({"--model=sped", cpu.c_str()}).cpus, 1u);
  EXPECT_EQ(pipeline_of({"--model=amped", cpu.c_str()}).cpus, test::allowed_cpus().size())
      << "its worker may use all";
}

TEST(PlanOfModels, AmpedHasAWorker) {
  EXPECT_EQ(pipeline_of({"--model=amped"}).worker.lanes, 1u);
  expect_refused({"--model=amped", "--worker-threads=0"}, "--worker-threads",
                 "leaves the model amped without workers");
}

TEST(PlanOfModels, TheLoopOfAmpedNeverWaitsForRoomInTheWorkerQueue) {
  for (const auto& [slots, places] : std::vector<std::pair<const char*, unsigned>>{
           {"--qslots=1", 1}, {"--qslots=77", 77}, {"--qslots=65534", 65'534}})
    EXPECT_EQ(pipeline_of({"--model=amped", slots}).worker_queue, places) << slots;
  expect_refused({"--model=amped", "--qslots=65535"}, "--qslots",
                 "more than the worker queue can hold, 65534");
  expect_refused({"--model=amped", "--worker-queue=10"}, "--worker-queue",
                 "choose CPSS_OVERLOAD=shed");
}

TEST(PlanOfModels, AmpedThatShedsHasTheWorkerQueueThatIsSet) {
  EXPECT_EQ(pipeline_of({"--model=amped", "--overload=shed", "--worker-queue=10"}).worker_queue,
            10u);
  EXPECT_EQ(pipeline_of({"--model=amped", "--overload=shed", "--qslots=8"}).worker_queue, 4u);
  EXPECT_EQ(pipeline_of({"--model=amped", "--overload=shed", "--qslots=65535"}).slots, 65'535u)
      << "it has not to hold all of them";
}

TEST(PlanOfModels, SlotsOfProcesses) {
  EXPECT_EQ(pipeline_of({"--model=mp", "--lanes=4", "--qslots=10"}).slots, 10u);
  EXPECT_EQ(pipeline_of({"--model=mp", "--lanes=4", "--qslots=2"}).slots, 4u)
      << "each process has one at least";
  EXPECT_EQ(pipeline_of({"--model=mp", "--mp=fork", "--lanes=4", "--qslots=1000"}).slots, 32u)
      << "a process for each, and no more than 8 for each of the lanes";
  EXPECT_EQ(pipeline_of({"--model=mp", "--mp=fork", "--lanes=4", "--qslots=5"}).slots, 5u);
}

struct ModelRefusal {
  std::vector<const char*> arguments;
  const char* setting;
  const char* text;
};

TEST(PlanOfModels, WhatAModelAsItIsSetUpDoesNotUseIsRefused) {
  const char* one_receives = "means nothing with CPSS_MP=fork: there is one that receives";
  const char* shared_only = "has a meaning with CPSS_SOCKETS=shared only";
  const char* reuseport_only = "has a meaning with CPSS_SOCKETS=reuseport only";
  const char* handoff_only = "has a meaning with CPSS_SOCKETS=handoff only";
  const ModelRefusal cases[] = {
      {{"--sockets=handoff"}, "--sockets", "is for the model symped only"},
      {{"--model=mp", "--sockets=handoff"}, "--sockets", "is for the model symped only"},
      {{"--model=mp", "--mp=fork", "--sockets=reuseport"}, "--sockets", one_receives},
      {{"--model=mp", "--mp=fork", "--epollexclusive=0"}, "--epollexclusive", one_receives},
      {{"--sockets=reuseport", "--epollexclusive=1"}, "--epollexclusive", shared_only},
      {{"--model=symped", "--sockets=handoff", "--epollexclusive=1"},
       "--epollexclusive",
       shared_only},
      {{"--steering=cpu"}, "--steering", reuseport_only},
      {{"--model=symped", "--steering=random"}, "--steering", reuseport_only},
      {{"--model=mp", "--mp=fork", "--steering=hash"}, "--steering", reuseport_only},
      {{"--model=symped", "--handoff-limit=3"}, "--handoff-limit", handoff_only},
      {{"--model=symped", "--sockets=reuseport", "--handoff-limit=3"},
       "--handoff-limit",
       handoff_only},
      {{"--model=symped", "--sockets=handoff", "--gro=1"},
       "--gro",
       "has no meaning with CPSS_SOCKETS=handoff"},
      {{"--model=symped", "--sockets=handoff", "--coalesce-us=5"},
       "--coalesce-us",
       "has no meaning with CPSS_SOCKETS=handoff"},
  };
  for (const ModelRefusal& refusal : cases)
    expect_refused(refusal.arguments, refusal.setting, refusal.text);
}

TEST(PlanOfModels, AllThatIsWrongIsToldAtOnce) {
  LoadResult loaded =
      load({"--model=sped", "--lanes=2", "--worker-threads=1", "--sockets=reuseport"});
  plan(loaded);
  EXPECT_EQ(loaded.errors.size(), 3u);
}

// --- sockets ---

ListenerOptions listener_options_of(std::vector<const char*> arguments, unsigned groups = 1) {
  LoadResult loaded = load(std::move(arguments));
  ListenerOptions options = listener_options(loaded, groups, {});
  EXPECT_TRUE(loaded.ok()) << loaded.errors.front();
  return options;
}

TEST(PlanOfSockets, AreThoseOfTheSettingsAndOfTheModel) {
  const ListenerOptions options =
      listener_options_of({"--listen=127.0.0.1:7701", "--socket-buffer=64KiB", "--gro=0",
                           "--sockets=reuseport", "--recv-threads=3", "--steering=round_robin"},
                          3);
  EXPECT_EQ(options.listen, (std::vector<ListenAddress>{{"127.0.0.1", 7701}}));
  EXPECT_EQ(options.buffer_bytes, 64u * 1024);
  EXPECT_FALSE(options.gro);
  EXPECT_TRUE(options.gso);
  EXPECT_EQ(options.per_address, 3u);
  EXPECT_EQ(options.steering, Steering::round_robin);
  EXPECT_TRUE(listener_options_of({}).gro);
  EXPECT_FALSE(listener_options_of({}).freebind);
  EXPECT_TRUE(listener_options_of({"--freebind=1"}).freebind);
  EXPECT_EQ(listener_options_of({}).dscp, std::nullopt);
  EXPECT_EQ(listener_options_of({"--dscp=46"}).dscp, 46u);
}

TEST(PlanOfSockets, EachSteeringIsTheOneAskedFor) {
  for (const auto& [name, steering] :
       {std::pair{"hash", Steering::hash}, std::pair{"random", Steering::random},
        std::pair{"cpu", Steering::cpu}, std::pair{"round_robin", Steering::round_robin}}) {
    const std::string argument = "--steering=" + std::string(name);
    EXPECT_EQ(listener_options_of({"--sockets=reuseport", argument.c_str()}).steering, steering);
  }
}

// A leader receives at most so many datagrams, and a merged arrival could hold more.
TEST(PlanOfSockets, WithHandoffDatagramsComeOneByOne) {
  EXPECT_FALSE(listener_options_of({"--model=symped", "--sockets=handoff"}).gro);
  EXPECT_TRUE(listener_options_of({"--model=symped"}).gro);
}

TEST(PlanOfSockets, WhatSpeaksAgainstSocketsOfAServiceManagerIsRefused) {
  for (const auto& [argument, setting] : {std::pair{"--listen=127.0.0.1:7701", "--listen"},
                                          std::pair{"--sockets=reuseport", "--sockets"}}) {
    LoadResult loaded = load({argument});
    listener_options(loaded, 1, {3});
    ASSERT_EQ(loaded.errors.size(), 1u) << argument;
    EXPECT_EQ(loaded.exit_code, kExitConfig);
    for (const char* part : {setting, "LISTEN_FDS", "take one of the two away"})
      EXPECT_NE(loaded.errors[0].find(part), std::string::npos) << loaded.errors[0];
  }
  LoadResult free = load({"--freebind=1"});
  listener_options(free, 1, {3});
  ASSERT_EQ(free.errors.size(), 1u);
  EXPECT_NE(free.errors[0].find("(FreeBind=)"), std::string::npos) << free.errors[0];
  LoadResult loaded = load({});
  EXPECT_EQ(listener_options(loaded, 1, {3, 4}).inherited, (std::vector<int>{3, 4}));
  EXPECT_TRUE(loaded.ok());
}

TEST(PlanOfSockets, ThereAreNoMoreThanASlotCanName) {
  LoadResult loaded = load({"--listen=127.0.0.1:7701,127.0.0.1:7702,127.0.0.1:7703"});
  listener_options(loaded, 21'845, {});
  EXPECT_TRUE(loaded.ok());
  listener_options(loaded, 21'846, {});
  ASSERT_EQ(loaded.errors.size(), 1u);
  for (const char* part : {"--listen", "3 addresses with 21846 sockets each", "65536 sockets"})
    EXPECT_NE(loaded.errors[0].find(part), std::string::npos) << loaded.errors[0];
}

TEST(PlanOfSockets, OneThatMergesIsNotForHandoff) {
  for (const bool leader_followers : {true, false}) {
    LoadResult loaded =
        load({"--model=symped", leader_followers ? "--sockets=handoff" : "--sockets=shared"});
    check_merging(loaded, false);
    EXPECT_TRUE(loaded.ok());
    check_merging(loaded, true);
    ASSERT_EQ(loaded.errors.size(), leader_followers ? 1u : 0u);
    if (!leader_followers) continue;
    EXPECT_EQ(loaded.exit_code, kExitConfig);
    for (const char* part : {"--sockets", "UDP_GRO", "restart the manager's socket"})
      EXPECT_NE(loaded.errors[0].find(part), std::string::npos) << loaded.errors[0];
  }
}

TEST(PlanOfSockets, ServersWithoutAServiceManagerDoNotEndInSilence) {
  LoadResult loaded = load({"--idle-exit=5"});
  listener_options(loaded, 1, {});
  ASSERT_EQ(loaded.errors.size(), 1u);
  for (const char* part : {"--idle-exit", "service manager (LISTEN_FDS)"})
    EXPECT_NE(loaded.errors[0].find(part), std::string::npos) << loaded.errors[0];
  LoadResult managed = load({"--idle-exit=5"});
  listener_options(managed, 1, {3});
  EXPECT_TRUE(managed.ok());
}

}  // namespace
}  // namespace cpss
