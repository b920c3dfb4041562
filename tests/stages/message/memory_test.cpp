// Private memory and memory shared with child processes, seen from parent and child.
#include "stages/message/memory.h"

#include <csignal>
#include <cstdint>
#include <limits>
#include <new>
#include <string>
#include <system_error>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/stages/open_descriptors.h"
#include "tests/stages/run_in_child.h"
#include "tests/support/forked_process.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using test::open_descriptors;

constexpr std::size_t kBytes = 100'000;

// The line of /proc/self/maps for the mapping that begins at `memory`.
std::string mapping_of(const Memory& memory) {
  char begin[32];
  std::snprintf(begin, sizeof begin, "\n%zx-", reinterpret_cast<std::size_t>(memory.data()));
  const std::string maps = "\n" + read_file("/proc/self/maps");
  const std::size_t at = maps.find(begin);
  return at == std::string::npos ? "" : maps.substr(at + 1, maps.find('\n', at + 1) - at - 1);
}

class MemoryTest : public testing::TestWithParam<Sharing> {};

TEST_P(MemoryTest, IsZeroedAndBeginsAtAPage) {
  const Memory memory(kBytes, GetParam());
  EXPECT_EQ(reinterpret_cast<std::size_t>(memory.data()) % 4096, 0u);
  for (std::size_t i = 0; i < kBytes; ++i) ASSERT_EQ(memory.data()[i], std::byte{0}) << i;
  memory.data()[kBytes - 1] = std::byte{1};
}

TEST_P(MemoryTest, KeepsNoDescriptor) {
  const std::size_t before = open_descriptors();
  const Memory memory(kBytes, GetParam());
  EXPECT_EQ(open_descriptors(), before);
}

// A server may have 16 million slots with large windows, and use few of them.
TEST_P(MemoryTest, CostsNothingUntilItIsTouched) {
  constexpr std::size_t kMuch = std::size_t{1} << 36;
  const Memory memory(kMuch, GetParam());
  memory.data()[kMuch - 1] = std::byte{1};
  EXPECT_EQ(memory.data()[kMuch - 1], std::byte{1});
}

INSTANTIATE_TEST_SUITE_P(Both, MemoryTest,
                         testing::Values(Sharing::process_private, Sharing::process_shared));

TEST(Memory, SharedMemoryHasItsNameInTheMap) {
  const Memory shared(kBytes, Sharing::process_shared, "cpss-some-name");
  EXPECT_NE(mapping_of(shared).find(" rw-s "), std::string::npos) << mapping_of(shared);
  EXPECT_NE(mapping_of(shared).find("/memfd:cpss-some-name "), std::string::npos)
      << mapping_of(shared);
  const Memory own(kBytes, Sharing::process_private, "cpss-other-name");
  EXPECT_EQ(read_file("/proc/self/maps").find("cpss-other-name"), std::string::npos);
}

// A child writes after the fork; the parent sees it only if the memory is shared.
std::byte what_a_child_wrote(const Memory& memory) {
  ForkedProcess child([&] {
    if (memory.data()[1] != std::byte{7}) return 1;  // it sees what the parent wrote before
    memory.data()[0] = std::byte{42};
    return 0;
  });
  EXPECT_EQ(child.exit_code(), 0);
  return memory.data()[0];
}

TEST(Memory, AChildAndItsParentSeeTheSameSharedMemory) {
  const Memory memory(kBytes, Sharing::process_shared);
  memory.data()[1] = std::byte{7};
  EXPECT_EQ(what_a_child_wrote(memory), std::byte{42});
}

TEST(Memory, PrivateMemoryIsEachOnesOwn) {
  const Memory memory(kBytes);
  memory.data()[1] = std::byte{7};
  EXPECT_EQ(what_a_child_wrote(memory), std::byte{0});
}

TEST(Memory, SizesThatCannotBeHadThrowAndLeakNothing) {
  const std::size_t before = open_descriptors();
  for (const std::size_t bytes :
       {std::size_t{1} << 50, std::numeric_limits<std::size_t>::max() / 4}) {
    EXPECT_THROW(Memory(bytes, Sharing::process_private), std::bad_alloc);
    EXPECT_THROW(Memory(bytes, Sharing::process_shared), std::bad_alloc);
  }
  EXPECT_THROW(Memory(std::numeric_limits<std::size_t>::max(), Sharing::process_private),
               std::bad_alloc);
  EXPECT_THROW(Memory(std::numeric_limits<std::size_t>::max(), Sharing::process_shared),
               std::system_error);
  EXPECT_EQ(open_descriptors(), before);
}

// RLIMIT_FSIZE, the limit of a process on the size of files, counts for shared memory.
TEST(Memory, NoRoomForSharedMemoryIsAnErrorThatNamesIt) {
  test::run_in_child([] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{kBytes / 2, kBytes / 2};
    setrlimit(RLIMIT_FSIZE, &small);
    try {
      const Memory memory(kBytes, Sharing::process_shared, "cpss-some-name");
      ADD_FAILURE() << "there was room";
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code().value(), EFBIG);
      EXPECT_NE(std::string(error.what()).find("cpss-some-name"), std::string::npos)
          << error.what();
    }
    const Memory own(kBytes);
  });
}

}  // namespace
}  // namespace cpss
