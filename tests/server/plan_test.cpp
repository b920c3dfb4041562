#include "server/plan.h"

#include <array>
#include <memory>
#include <string>
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

}  // namespace
}  // namespace cpss
