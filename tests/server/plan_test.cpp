#include "server/plan.h"

#include <array>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

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

// `wide` needs windows of 4,096 bytes and reflects.
ServiceRegistry services() {
  class Wide final : public Service {
   public:
    void process(std::span<Message>, LaneState*) override {}
    std::size_t least_window() const override { return 4096; }
    bool reflects() const override { return true; }
  };
  ServiceRegistry registry = built_in_services();
  registry.add(
      {"wide", "needs room", [](const ServiceSettings&) { return std::make_unique<Wide>(); }});
  return registry;
}

Plan plan(LoadResult& loaded) {
  return make_plan(loaded, services(), [](const std::string&) {});
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

TEST(Plan, AdmissionKnowsAllowedTrustedOwnAndWhetherTheServiceReflects) {
  LoadResult loaded = load({"--service=wide", "--allow=192.0.2.0/24,2001:db8::/32"});
  const Plan made = plan(loaded);
  const SocketAddress own(IpAddress::parse("0.0.0.0").value(), 7700);
  const Admission admission(admission_options(loaded.settings, *made.service, {own}));
  const auto refusal = [&](const char* ip, std::uint16_t port) {
    Arrival arrival;
    arrival.peer = {IpAddress::parse(ip).value(), port};
    arrival.length = 1;
    return admission.refusal(arrival);
  };
  EXPECT_EQ(refusal("192.0.2.1", 4000), std::nullopt);
  EXPECT_EQ(refusal("2001:db8::1", 4000), std::nullopt);
  EXPECT_EQ(refusal("198.51.100.1", 4000), Reason::refused_not_allowed);
  EXPECT_EQ(refusal("127.0.0.1", 7700), Reason::refused_own_address);
  EXPECT_EQ(refusal("192.0.2.1", 53), Reason::refused_service_port);
  EXPECT_TRUE(admission.trusted({IpAddress::parse("127.0.0.1").value(), 1}));
  EXPECT_FALSE(admission.trusted({IpAddress::parse("192.0.2.1").value(), 1}));
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

TEST(Plan, TheWorkerQueueHasRoomForHalfTheSlotsUnlessSet) {
  for (const auto& [slots, places] :
       std::vector<std::pair<const char*, unsigned>>{{"--qslots=1", 1},
                                                     {"--qslots=2", 1},
                                                     {"--qslots=9", 4},
                                                     {"--qslots=8192", 4096},
                                                     {"--qslots=131068", 65'534},
                                                     {"--qslots=131070", 65'534},
                                                     {"--qslots=1000000", 65'534}}) {
    LoadResult loaded = load({"--worker-threads=1", slots});
    EXPECT_EQ(plan(loaded).pipeline.worker_queue, places) << slots;
    EXPECT_TRUE(loaded.ok());
  }
}

// What is said of workers is the same as what they are without: not a mistake.
TEST(Plan, DefaultsOfWorkersMayBeSpelledOutWithoutThem) {
  LoadResult loaded = load({"--worker-threads=0", "--defer=service"});
  plan(loaded);
  EXPECT_TRUE(loaded.ok());
}

// One error that names the setting and says this; nothing else.
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
  EXPECT_EQ(made.pipeline.receive.detail, Detail::books);
  EXPECT_EQ(made.pipeline.response.detail, Detail::histograms);
}

TEST(Plan, AnAddressToListenOnIsNoAddressForReplies) {
  expect_refused({"--resp-addr=0.0.0.0:4000"}, "--resp-addr", "not one to send to");
  expect_refused({"--resp-addr=[::]:4000"}, "--resp-addr", "not one to send to");
}

// What is wrong with a fixed address for replies, given the bound ones.
std::vector<std::string> reply_errors(const char* argument, const std::vector<const char*>& own) {
  LoadResult loaded = load({argument});
  std::vector<SocketAddress> addresses;
  for (const char* ip : own) addresses.emplace_back(IpAddress::parse(ip).value(), 7700);
  check_reply_address(loaded, addresses);
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

}  // namespace
}  // namespace cpss
