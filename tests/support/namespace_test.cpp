#include "tests/support/namespace.h"

#include <csignal>
#include <stdexcept>

#include <gtest/gtest.h>
#include <net/if.h>
#include <unistd.h>

namespace cpss {
namespace {

using namespace std::chrono_literals;

void expect_status(const std::function<int()>& function, int status,
                   std::chrono::seconds limit = 60s) {
  const NamespaceRun run = run_in_namespace(function, limit);
  if (!run.exit_status) GTEST_SKIP() << run.not_possible;
  EXPECT_EQ(*run.exit_status, status);
}

TEST(RunInNamespace, ReturnsWhatTheFunctionReturned) {
  expect_status([] { return 7; }, 7);
}

TEST(RunInNamespace, TellsAnException) {
  expect_status([]() -> int { throw std::runtime_error("meant to be seen"); }, 125);
}

TEST(RunInNamespace, TellsASignal) {
  expect_status([] { return ::raise(SIGKILL); }, 128 + SIGKILL);
}

TEST(RunInNamespace, EndsWhatHangs) {
  expect_status([] { return ::pause(); }, 128 + SIGALRM, 1s);
}

TEST(RunInNamespace, HasANetworkOfItsOwn) {
  if (!why_no_ip_command().empty()) GTEST_SKIP() << why_no_ip_command();
  expect_status(
      [] {
        ip_command("link add cpss0 type veth peer name cpss1");
        return ::if_nametoindex("cpss0") != 0 ? 0 : 1;
      },
      0);
  EXPECT_EQ(::if_nametoindex("cpss0"), 0U);
}

TEST(IpCommand, ThrowsWithTheCommandThatFailed) {
  if (!why_no_ip_command().empty()) GTEST_SKIP() << why_no_ip_command();
  EXPECT_THROW(ip_command("link show dev none0 2>/dev/null"), std::runtime_error);
}

TEST(OtherNamespace, IsLeftAgainEvenByAnException) {
  if (!why_no_ip_command().empty()) GTEST_SKIP() << why_no_ip_command();
  expect_status(
      [] {
        const OtherNamespace other;
        other.connect("here0", "there0");
        try {
          other.inside([] {
            if (::if_nametoindex("there0") != 0) throw 0;
          });
        } catch (int) {
          return ::if_nametoindex("here0") != 0 && ::if_nametoindex("there0") == 0 ? 0 : 1;
        }
        return 2;
      },
      0);
}

}  // namespace
}  // namespace cpss
