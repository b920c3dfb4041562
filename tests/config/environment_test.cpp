#include "config/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/table.h"

namespace cpss {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

RawSettings environment_of(const std::vector<std::string>& variables) {
  std::vector<const char*> environment;
  for (const std::string& variable : variables) environment.push_back(variable.c_str());
  environment.push_back(nullptr);
  return read_environment(environment.data());
}

TEST(Environment, KnowsEverySettingOfTheTable) {
  for (const SettingInfo& row : kSettingTable) {
    const RawSettings raw = environment_of({std::string(row.variable) + "=a=b"});
    ASSERT_EQ(raw.settings.size(), 1U) << row.variable;
    EXPECT_EQ(raw.settings[0].setting, row.id);
    EXPECT_EQ(raw.settings[0].origin.text(), row.variable);
    EXPECT_EQ(raw.settings[0].pieces.at(0).text, "a=b");
    EXPECT_THAT(raw.errors, IsEmpty());
  }
}

TEST(Environment, LeavesOthersAlone) {
  const RawSettings raw = environment_of({"PATH=/bin", "cpss_batch=1", "CPSSBATCH=1",
                                          "XCPSS_BATCH=1", "CPSS_BATCH", "", "=", "CPSS=1"});
  EXPECT_THAT(raw.settings, IsEmpty());
  EXPECT_THAT(raw.errors, IsEmpty());
  EXPECT_THAT(read_environment(nullptr).settings, IsEmpty());
}

TEST(Environment, NamesWhatIsUnknown) {
  EXPECT_THAT(environment_of({"CPSS_BACH=1"}).errors,
              ElementsAre("'CPSS_BACH': unknown variable; did you mean CPSS_BATCH?"));
  EXPECT_THAT(environment_of({"CPSS_THREADS=1", "CPSS_=1"}).errors,
              ElementsAre("'CPSS_THREADS': unknown variable; unset it, or see --help for all names",
                          "'CPSS_': unknown variable; unset it, or see --help for all names"));
  EXPECT_THAT(environment_of({"CPSS_RECV_THREAD=1"}).errors,
              ElementsAre("'CPSS_RECV_THREAD': unknown variable; did you mean CPSS_RECV_THREADS or "
                          "CPSS_RECV_THREADS_RT?"));
}

TEST(Environment, NamesWhatIsThereTwice) {
  EXPECT_THAT(environment_of({"CPSS_BATCH=1", "CPSS_BATCH=2"}).errors,
              ElementsAre("CPSS_BATCH: is in the environment twice"));
}

TEST(Environment, IgnoresWhatContainerPlatformsInject) {
  const RawSettings raw = environment_of({
      "CPSS_SERVICE_HOST=10.96.0.7",
      "CPSS_SERVICE_PORT=7700",
      "CPSS_SERVICE_PORT_LOOKUP=7700",
      "CPSS_PORT=udp://10.96.0.7:7700",
      "CPSS_PORT_7700_UDP=udp://10.96.0.7:7700",
      "CPSS_PORT_7700_UDP_ADDR=10.96.0.7",
      "CPSS_PORT_7700_UDP_PORT=7700",
      "CPSS_PORT_7700_UDP_PROTO=udp",
      "CPSS_PORT_7700_TCP=tcp://10.96.0.7:7700",
      "CPSS_PORT_7700_UDP_PORT_START=7700",
      "CPSS_PORT_7700_UDP_PORT_END=7701",
      "CPSS_STATS_SERVICE_HOST=10.96.0.8",
      "CPSS_STATS_PORT=tcp://10.96.0.8:80",
      "CPSS_STATS_PORT_80_TCP_ADDR=10.96.0.8",
      "CPSS_SERVICE_SERVICE_PORT=7700",
      "CPSS_NAME=/web/cpss",
      "CPSS_ENV_PATH=/usr/bin",
  });
  EXPECT_THAT(raw.errors, IsEmpty());
  EXPECT_THAT(raw.settings, IsEmpty());
}

TEST(Environment, TakesNothingElseForInjected) {
  for (const char* variable :
       {"CPSS_PORT=7700", "CPSS_NAME=echo", "CPSS_SERVICE_HOSTS=1", "CPSS_PORT_7700=1",
        "CPSS_PORT_X_UDP=1", "CPSS_PORT_7700_UDP_FOO=1", "CPSS_PORT_7700_XYZ=1", "CPSS_HOST=1"})
    EXPECT_EQ(environment_of({variable}).errors.size(), 1U) << variable;
  EXPECT_EQ(environment_of({"CPSS_SERVICE=echo"}).settings.size(), 1U) << "this one is ours";
}

TEST(Environment, SurvivesVeryLongNamesAndValues) {
  const std::string much(1 << 20, 'A');
  EXPECT_EQ(environment_of({"CPSS_" + much + "=1"}).errors.size(), 1U);
  EXPECT_EQ(environment_of({"CPSS_PORT=" + much}).errors.size(), 1U);
  EXPECT_THAT(environment_of({"CPSS_" + much + "_PORT=udp://"}).errors, IsEmpty());
  EXPECT_THAT(environment_of({"CPSS_SERVICE_HOST=" + much}).errors, IsEmpty());
}

}  // namespace
}  // namespace cpss
