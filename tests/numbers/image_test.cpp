#include "numbers/image.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/numbers/made_numbers.h"
#include "tests/support/sanitizers.h"

namespace cpss {
namespace {

using image::PartId;
using test::numbers_of;
using test::row_of;
using testing::StartsWith;

// Blocks, groups of both kinds, with a palette and without, routes, and numbers of odd lengths.
std::string csv() {
  std::string text = "prefix,priority,rn\n1,0,a\n1,3,b\n44,0,c\n1201555,0,d\n12015553,0,e\n";
  for (int i = 0; i < 10'000; i += 3) text += fmt::format("1201555{:04},0,{}\n", i, i % 50);
  for (int i = 0; i < 10'000; i += 5) text += fmt::format("1201556{:04},0,{}\n", i, i);
  for (int i = 0; i < 10'000; i += 99) text += fmt::format("1201557{:04},0,{}\n", i, i % 3);
  for (int i = 0; i < 100; ++i) text += fmt::format("4930{:05},0,f\n", i * 997);
  return text;
}

// An image that can be changed, at an address as images have it.
class Copy {
 public:
  explicit Copy(std::span<const std::byte> image)
      : memory_(static_cast<std::byte*>(std::aligned_alloc(
            image::kAlignment,
            (image.size() + image::kAlignment - 1) / image::kAlignment * image::kAlignment))),
        size_(image.size()) {
    std::ranges::copy(image, memory_.get());
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
  const NumberData data_ = numbers_of(csv(), Rows::needed, {}, "numbers.csv");
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
  for (std::size_t size = 0; size < copy_.bytes().size(); size += size < 1'024 ? 1 : 1 + size / 7)
    EXPECT_THAT(complaint(copy_.bytes().first(size)), StartsWith("header: ")) << size;
}

TEST_F(Image, WithABitThatIsWrongIsRefusedWithItsPartNamed) {
  const auto name_of = [this](std::size_t at) -> std::string {
    for (std::size_t i = 0; i < image::kParts; ++i) {
      const image::Part part = image::header_of(data_.image()).parts[i];
      if (at >= part.offset && at < part.offset + part.bytes) return image::kPartNames[i];
    }
    return "header";
  };
  for (std::size_t at = 0; at < copy_.bytes().size(); at += at < 1'024 ? 1 : 997) {
    // Between parts there are bytes that mean nothing.
    if (at >= sizeof(image::Header) && name_of(at) == "header") continue;
    for (const unsigned bit : {0U, 7U}) {
      copy_.bytes()[at] ^= std::byte{1} << bit;
      EXPECT_THAT(complaint(copy_.bytes()), StartsWith(name_of(at) + ": ")) << at;
      copy_.bytes()[at] ^= std::byte{1} << bit;
    }
  }
}

TEST_F(Image, OfAnotherVersionHasToBeBuiltAnew) {
  copy_.header().version = 2;
  EXPECT_EQ(complaint(copy_.bytes()),
            "header: version 2, and this cpss reads version 1: build it anew");
}

// Checksums tell what became wrong, not what somebody made so: whatever the bytes are, a search in
// an image that is accepted stays within it. (AddressSanitizer and the end of the memory see it.)
TEST_F(Image, WithWrongPlacesAndRightChecksumsIsRefusedOrHarmless) {
  // One thread: ThreadSanitizer sees nothing here, and takes 40 times as long.
  constexpr int kTrials = kThreadSanitizer ? 200 : 3'000;
  std::mt19937_64 random(5);
  int refused = 0;
  for (int i = 0; i < kTrials; ++i) {
    const Copy copy(data_.image());
    const auto id = static_cast<PartId>(random() % image::kParts);
    const std::span<std::byte> part = copy.part(id);
    for (std::uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
      std::size_t at = random() % part.size();
      // Most of the root is empty.
      if (id == PartId::root) at = (0x2000 + random() % 0x4000) * sizeof(image::RootEntry) / 2;
      const auto word = static_cast<std::uint32_t>(random() >> (random() % 64));
      std::memcpy(part.data() + at, &word, std::min(sizeof word, part.size() - at));
    }
    copy.make_checksums_right();
    if (!complaint(copy.bytes()).empty()) {
      ++refused;
      continue;
    }
    const NumberTable table(copy.bytes());
    std::array<std::string_view, image::kMaxRoutes> texts;
    for (int question = 0; question < 200; ++question) {
      const std::string digits =
          fmt::format("{}{}", random() % 2 == 0 ? "120155" : "", random() % 1'000'000);
      const NumberMatch match = table.find(test::number(digits));
      if (match.value != image::kNoValue) table.values().texts(match.value, texts);
    }
  }
  EXPECT_GT(refused, kTrials / 6);
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

TEST_F(ImageFile, InMemoryCannotBeChanged) {
  const NumberData data = numbers_of("prefix\n44\n");
  const char byte = 0;
  EXPECT_EQ(pwrite(data.descriptor(), &byte, 1, 0), -1);
  EXPECT_EQ(ftruncate(data.descriptor(), 0), -1);
}

}  // namespace
}  // namespace cpss
