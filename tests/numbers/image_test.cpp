#include "numbers/image.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/numbers/made_numbers.h"
#include "tests/support/sanitizers.h"

namespace cpss {
namespace {

using image::PartId;
using test::numbers_of;
using test::row_of;
using test::rows_of_all_kinds;
using testing::StartsWith;

// An image that can be changed, at an address as images have it.
class Copy {
 public:
  // With `more` zeros behind it.
  explicit Copy(std::span<const std::byte> image, std::size_t more = 0)
      : memory_(static_cast<std::byte*>(std::aligned_alloc(
            image::kAlignment, image::aligned(image.size() + more, image::kAlignment)))),
        size_(image.size() + more) {
    std::ranges::fill(std::ranges::copy(image, memory_.get()).out, memory_.get() + size_,
                      std::byte{0});
  }
  std::span<std::byte> bytes() const { return {memory_.get(), size_}; }
  image::Header& header() const { return *reinterpret_cast<image::Header*>(memory_.get()); }
  std::span<std::byte> part(PartId id) const {
    const image::Part& part = header().parts[static_cast<std::size_t>(id)];
    return bytes().subspan(part.offset, part.bytes);
  }
  void make_checksums_right() const {
    for (std::size_t i = 0; i < image::kParts; ++i)
      header().parts[i].checksum = image::checksum(part(static_cast<PartId>(i)));
    header().checksum = image::checksum(bytes().first(offsetof(image::Header, checksum)));
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_;
};

std::string complaint(std::span<const std::byte> image) {
  try {
    check_image(image);
    return "";
  } catch (const ImageError& error) {
    return error.what();
  }
}

class Image : public testing::Test {
 protected:
  const NumberData data_ = numbers_of(rows_of_all_kinds(), Rows::needed, {}, "numbers.csv");
  const Copy copy_{data_.image()};
};

TEST_F(Image, IsRightAndSaysWhatItIs) {
  EXPECT_EQ(complaint(copy_.bytes()), "");
  EXPECT_EQ(image::source_of(copy_.bytes()), "numbers.csv");
  EXPECT_THAT(image::columns_of(copy_.bytes()), testing::ElementsAre("prefix", "priority", "rn"));
  EXPECT_EQ(data_.about().rows, data_.about().prefixes + 1);
  EXPECT_EQ(data_.about().serial, data_.about().built_s);
}

TEST_F(Image, ThatIsCutIsRefusedWhereverItIsCut) {
  for (std::size_t size = 0; size < copy_.bytes().size(); ++size)
    ASSERT_THAT(complaint(copy_.bytes().first(size)), StartsWith("header: ")) << size;
}

TEST_F(Image, WithABitThatIsWrongIsRefusedWithItsPartNamed) {
  // What is between two parts belongs to the one behind it.
  const auto name_of = [this](std::size_t at) -> std::string {
    if (at < sizeof(image::Header)) return "header";
    for (std::size_t i = 0; i < image::kParts; ++i) {
      const image::Part part = image::header_of(data_.image()).parts[i];
      if (at < part.offset + part.bytes) return image::kPartNames[i];
    }
    return "none";
  };
  for (std::size_t at = 0; at < copy_.bytes().size(); at += at < 2'048 ? 1 : 97) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      copy_.bytes()[at] ^= std::byte{1} << bit;
      ASSERT_THAT(complaint(copy_.bytes()), StartsWith(name_of(at) + ": ")) << at << " " << bit;
      copy_.bytes()[at] ^= std::byte{1} << bit;
    }
  }
}

TEST_F(Image, HasNothingBetweenItsPartsNorBehindThem) {
  const image::Part values = copy_.header().parts[static_cast<std::size_t>(PartId::values)];
  const image::Part columns = copy_.header().parts[static_cast<std::size_t>(PartId::columns)];
  const std::size_t between = columns.offset + columns.bytes;
  ASSERT_LT(between, values.offset);
  copy_.bytes()[between] = std::byte{1};
  EXPECT_EQ(complaint(copy_.bytes()), "values: there is something before it");
  const std::size_t size = copy_.bytes().size();
  const Copy longer(data_.image(), image::kAlignment);
  longer.header().image_bytes = size + image::kAlignment;
  longer.make_checksums_right();
  EXPECT_EQ(complaint(longer.bytes()), "header: there is something behind the last part");
}

// Without it there would be no place for the prefix in a reply, nor in CSV.
TEST_F(Image, HasAColumnOfThePrefix) {
  copy_.part(PartId::columns)[0] = std::byte{'P'};
  copy_.make_checksums_right();
  EXPECT_EQ(complaint(copy_.bytes()), "") << "in any case of letters";
  copy_.part(PartId::columns)[0] = std::byte{'x'};
  copy_.make_checksums_right();
  EXPECT_EQ(complaint(copy_.bytes()), "columns: none is that of the prefix");
}

// Whoever makes an image could have it say that a million nodes share one group.
TEST(ImageOfGroups, HasNoneWithinAnotherOne) {
  std::string text = "prefix\n";
  for (int i = 0; i < 20; ++i) text += fmt::format("1201555{:04}\n", i * 7);
  for (int i = 0; i < 5; ++i) text += fmt::format("2201555{0:04}\n3201555{0:04}\n", i * 7);
  const Copy copy(numbers_of(text).image());
  const std::span<std::byte> part = copy.part(PartId::nodes);
  const std::span nodes(reinterpret_cast<image::Node*>(part.data()),
                        part.size() / sizeof(image::Node));
  std::vector<image::Node*> grouped;
  for (image::Node& node : nodes)
    if ((node.path & image::kHasGroup) != 0) grouped.push_back(&node);
  ASSERT_EQ(grouped.size(), 3u);
  // The first one, three times.
  for (image::Node* node : grouped) node->first_child = grouped[0]->first_child;
  copy.make_checksums_right();
  EXPECT_EQ(complaint(copy.bytes()), "groups: a group lies within another one");
}

TEST_F(Image, OfAnotherVersionHasToBeBuiltAnew) {
  copy_.header().version = 2;
  EXPECT_EQ(complaint(copy_.bytes()),
            "header: version 2, and this cpss reads version 1: build it anew");
}

class ImageFile : public testing::Test {
 protected:
  static std::string_view text_of(std::span<const std::byte> image) {
    return {reinterpret_cast<const char*>(image.data()), image.size()};
  }
};

TEST_F(ImageFile, IsTakenAsItIs) {
  const NumberData made = numbers_of("prefix,a\n44,x\n", Rows::needed, {}, "a.csv");
  const NumberData read = numbers_of(text_of(made.image()), Rows::needed, {}, "a.image");
  EXPECT_EQ(row_of(read, "441"), "prefix=44;a=x");
  EXPECT_TRUE(std::ranges::equal(read.image(), made.image()));
}

TEST_F(ImageFile, ThatIsDamagedIsNamed) {
  const NumberData made = numbers_of("prefix,a\n44,x\n");
  std::string text(text_of(made.image()));
  text.back() ^= 1;
  text.resize(text.size() - 1);
  try {
    numbers_of(text, Rows::needed, {}, "a.image");
    FAIL() << "no error";
  } catch (const NumberDataError& error) {
    EXPECT_THAT(error.what(), StartsWith("a.image: the image is damaged: header: the image has "));
  }
}

// What does not begin as an image is taken for CSV, unless it cannot be any.
TEST_F(ImageFile, WhoseBeginningIsDamagedIsTakenForAnImageAllTheSame) {
  const NumberData made = numbers_of("prefix,a\n44,x\n");
  const std::string image(text_of(made.image()));
  const auto complaint_of = [](const std::string& text) -> std::string {
    try {
      numbers_of(text, Rows::needed, {}, "a.image");
      return "";
    } catch (const NumberDataError& error) {
      return error.what();
    }
  };
  for (std::size_t size = 1; size < image.size(); size += size < 1'024 ? 1 : 9'973)
    EXPECT_THAT(complaint_of(image.substr(0, size)),
                StartsWith("a.image: the image is damaged: header: "))
        << size;
  for (std::size_t at = 0; at < image::kMagic.size(); ++at) {
    std::string changed = image;
    changed[at] ^= 1;
    EXPECT_THAT(complaint_of(changed), StartsWith("a.image: the image is damaged: header: ")) << at;
  }
  EXPECT_EQ(complaint_of(image + "x"),
            fmt::format("a.image: the image is damaged: header: the image has {} bytes, and more "
                        "are there; nothing was loaded",
                        image.size()));
}

// Of a limit of memory only what is mapped counts: so the room is looked for before a memfd is
// filled, which nothing else would stop.
TEST_F(ImageFile, TakesNoMoreMemoryThanItMayMap) {
  if (kAddressSanitizer || kThreadSanitizer) GTEST_SKIP() << "sanitizers map terabytes";
  const NumberData made = numbers_of("prefix,a\n44,x\n");
  std::string image(text_of(made.image()));
  image::Header header = made.about();
  header.image_bytes = std::uint64_t{1} << 40;
  header.checksum = image::checksum(
      std::as_bytes(std::span(&header, 1)).first(offsetof(image::Header, checksum)));
  std::memcpy(image.data(), &header, sizeof header);
  EXPECT_EXIT(
      {
        rlimit limit{};
        limit.rlim_cur = limit.rlim_max = std::uint64_t{1} << 32;
        setrlimit(RLIMIT_AS, &limit);
        try {
          numbers_of(image);
        } catch (const std::bad_alloc&) {
          _exit(0);
        } catch (const std::exception& error) {
          std::fprintf(stderr, "%s\n", error.what());
        }
        _exit(1);
      },
      testing::ExitedWithCode(0), "");
}

// Look-ups in megabytes would miss the TLB else.
TEST_F(ImageFile, InMemoryHasHugePagesWhereThereAreAny) {
  std::string text = "prefix,a\n";
  for (int i = 0; i < 1'000'000; ++i) text += fmt::format("{},x\n", 12010000000 + i * 3);
  const NumberData made = numbers_of(text);
  ASSERT_GT(made.image().size(), std::size_t{4} << 20);
  const auto huge_kib = [](const NumberData& data) {
    std::ifstream smaps("/proc/self/smaps");
    const std::string begin =
        fmt::format("{:x}-", reinterpret_cast<std::uintptr_t>(data.image().data()));
    long kib = -1;
    bool ours = false;
    for (std::string line; std::getline(smaps, line);) {
      if (line.find("-") < line.find(' ')) ours = line.starts_with(begin);
      if (ours && line.starts_with("ShmemPmdMapped:")) std::sscanf(line.c_str(), "%*s %ld", &kib);
    }
    return kib;
  };
  if (huge_kib(made) == 0) GTEST_SKIP() << "there are no huge pages";
  const long whole = static_cast<long>(made.image().size() >> 21) * 2048;
  EXPECT_EQ(huge_kib(made), whole);
  // As a server maps what the process that loads has made.
  const NumberData again =
      NumberData::of_prepared(FileDescriptor(fcntl(made.descriptor(), F_DUPFD_CLOEXEC, 0)));
  EXPECT_EQ(huge_kib(again), whole);
}

// The kernel may forbid their execution as well (vm.memfd_noexec).
TEST_F(ImageFile, InMemoryIsPreparedWithWhateverSealsThereAreBesides) {
  NumberData made = numbers_of("prefix,a\n44,x\n");
  const std::string image(text_of(made.image()));
  constexpr int kSealExec = 0x20;  // F_SEAL_EXEC, since Linux 6.3
  const FileDescriptor file(memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(write(file.get(), image.data(), image.size()), static_cast<ssize_t>(image.size()));
  if (fcntl(file.get(), F_ADD_SEALS, kSealExec) != 0) GTEST_SKIP() << "no F_SEAL_EXEC";
  ASSERT_EQ(
      fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL), 0);
  const NumberData read =
      NumberData::of_prepared(FileDescriptor(fcntl(file.get(), F_DUPFD_CLOEXEC, 0)));
  EXPECT_EQ(row_of(read, "441"), "prefix=44;a=x");
}

TEST_F(ImageFile, InMemoryCannotBeChanged) {
  const NumberData data = numbers_of("prefix\n44\n");
  const char byte = 0;
  EXPECT_EQ(pwrite(data.descriptor(), &byte, 1, 0), -1);
  EXPECT_EQ(ftruncate(data.descriptor(), 0), -1);
}

}  // namespace
}  // namespace cpss
