// What a child that parses hostile input can still do after the input has taken it over.
#include "config/sandbox.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config/limited_child.h"
#include "tests/support/sanitizers.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

constexpr ChildLimits kSandboxed{.address_space_bytes = std::size_t{256} << 20,
                                 .cpu_seconds = 20,
                                 .wall_clock = 20s,
                                 .answer_bytes = std::size_t{4} << 20};

std::string failure(const std::function<void()>& work) {
  return run_in_limited_child(
             [&] {
               work();
               return std::string("done");
             },
             kSandboxed)
      .failure;
}

TEST(Sandbox, WhatAParserDoesIsAllowed) {
  const ChildOutcome outcome = run_in_limited_child(
      [] {
        std::vector<std::string> texts;
        for (std::size_t i = 0; i < 10'000; ++i) texts.emplace_back(i % 500, 'x');
        const std::string large(std::size_t{50} << 20, 'x');
        std::ostringstream out;
        try {
          throw std::runtime_error("caught");
        } catch (const std::runtime_error& error) {
          out << error.what() << ' ';
        }
        out << texts.size() << ' ' << large.size() << ' ' << 1.5;
        return out.str();
      },
      kSandboxed);
  EXPECT_EQ(outcome.answer, "caught 10000 52428800 1.5") << outcome.failure;
}

TEST(Sandbox, EverythingElseIsFatal) {
  if (kSanitized) GTEST_SKIP() << "sanitizers need more system calls";
  const pid_t parent = getpid();
  const std::vector<std::pair<const char*, std::function<void()>>> attempts{
      {"open", [] { open("/dev/null", O_RDONLY | O_CLOEXEC); }},
      {"socket", [] { socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); }},
      {"fork", [] { fork(); }},
      {"exec", [] { execl("/bin/true", "true", nullptr); }},
      {"kill", [&] { kill(parent, 0); }},
      {"signal to another", [&] { syscall(SYS_tgkill, parent, parent, 0); }},
      {"another descriptor", [] { write(STDERR_FILENO, "x", 1); }},
      {"ptrace", [] { syscall(SYS_ptrace, 0, 0, 0, 0); }},
      {"code",
       [] {
         std::ignore =
             mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
       }},
      {"code, later", [] {
         void* const page =
             mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
         mprotect(page, 4096, PROT_READ | PROT_EXEC);
       }}};
  for (const auto& [name, attempt] : attempts)
    EXPECT_EQ(failure(attempt), "made a system call that it may not make") << name;
}

// For the calling thread and its children, as a container's policy may have it.
void let_no_filter_be_loaded() {
  const auto fail = static_cast<unsigned>(SECCOMP_RET_ERRNO) | unsigned{EPERM};
  const std::array<sock_filter, 7> steps{
      {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
       BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 3, 0),
       BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
       BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
       BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_SECCOMP, 0, 1), BPF_STMT(BPF_RET | BPF_K, fail),
       BPF_STMT(BPF_RET | BPF_K, static_cast<unsigned>(SECCOMP_RET_ALLOW))}};
  const sock_fprog program{static_cast<unsigned short>(steps.size()),
                           const_cast<sock_filter*>(steps.data())};
  ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

TEST(Sandbox, WhereItIsRefusedTheChildSaysSo) {
  if (kSanitized) GTEST_SKIP() << "sanitizers need more system calls";
  std::thread([] {
    let_no_filter_be_loaded();
    EXPECT_THAT(failure([] {}), AllOf(HasSubstr("could not be confined"), HasSubstr("seccomp")));
  }).join();
}

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// The test looks at the child from outside: the child may not even ask for its limits.
TEST(Sandbox, TheChildHasNoDescriptorsAndNoFilesToGain) {
  if (kSanitized) GTEST_SKIP() << "sanitizers need more system calls";
  const std::string caller = std::to_string(getpid());
  std::string limits;
  std::string status;
  std::jthread observer([&] {
    for (int i = 0; i < 2'000 && limits.empty(); ++i) {
      std::this_thread::sleep_for(5ms);
      std::istringstream children(text_of("/proc/" + caller + "/task/" + caller + "/children"));
      pid_t child = 0;
      if (!(children >> child)) continue;
      const std::filesystem::path of_child = "/proc/" + std::to_string(child);
      const std::string now = text_of(of_child / "status");
      if (now.find("Seccomp:\t2") == std::string::npos) continue;
      status = now;
      limits = text_of(of_child / "limits");
      kill(child, SIGKILL);
    }
  });
  EXPECT_EQ(failure([] {
              for (volatile bool go_on = true; go_on;) {
              }
            }),
            "crashed (Killed)");
  observer.join();
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_THAT(limits, testing::ContainsRegex("Max open files +0 +0 "));
  EXPECT_THAT(limits, testing::ContainsRegex("Max file size +0 +0 "));
  EXPECT_THAT(limits, testing::ContainsRegex("Max core file size +0 +0 "));
}

}  // namespace
}  // namespace cpss
