#include "services/registry.h"

#include <gtest/gtest.h>

#include "services/echo.h"
#include "services/lookup.h"
#include "services/work.h"

namespace cpss {
namespace {

TEST(Registry, FindsByName) {
  const ServiceRegistry registry = built_in_services();
  ASSERT_NE(registry.find("lookup"), nullptr);
  ASSERT_NE(registry.find("echo"), nullptr);
  ASSERT_NE(registry.find("work"), nullptr);
  for (const char* other : {"", "Echo", "ech", "echo "}) EXPECT_EQ(registry.find(other), nullptr);
}

TEST(Registry, MakesWhatTheNameSays) {
  const ServiceRegistry registry = built_in_services();
  const auto lookup = registry.find("lookup")->make({});
  EXPECT_NE(dynamic_cast<LookupService*>(lookup.get()), nullptr);
  const auto echo = registry.find("echo")->make({});
  EXPECT_NE(dynamic_cast<EchoService*>(echo.get()), nullptr);
  const auto work = registry.find("work")->make({});
  EXPECT_NE(dynamic_cast<WorkService*>(work.get()), nullptr);
}

TEST(Registry, DescribesEachService) {
  const ServiceRegistry registry = built_in_services();
  for (const ServiceEntry& entry : registry.entries()) {
    EXPECT_FALSE(entry.summary.empty()) << entry.name;
    EXPECT_EQ(entry.summary.find('\n'), std::string::npos) << entry.name;
    EXPECT_GE(entry.make({})->min_window(), 1U) << entry.name;
  }
}

}  // namespace
}  // namespace cpss
