// Number data that are changed at random: they are loaded, or refused with a reason, and whatever
// is loaded answers and can be listed. (AddressSanitizer sees what leaves its memory.)
//
// SEED in the environment asks for other changes, MUTATIONS for more of them.
#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "numbers/image_rows.h"
#include "tests/numbers/made_numbers.h"
#include "tests/numbers/packed.h"
#include "tests/support/from_environment.h"
#include "tests/support/sanitizers.h"

namespace cpss {
namespace {

using test::from_environment;
using test::numbers_of;
using test::packed;
using test::rows_of_all_kinds;

// One thread: ThreadSanitizer sees nothing here, and takes long.
constexpr unsigned kDefaultMutations = kThreadSanitizer ? 100 : 2'000;
constexpr const char* kSource = "mutant";

std::string image_of(const std::string& text) {
  const NumberData data = numbers_of(text);
  return {reinterpret_cast<const char*>(data.image().data()), data.image().size()};
}

class NumberMutation : public testing::Test {
 protected:
  std::size_t below(std::size_t end) { return random_() % end; }

  void change(std::string& text) {
    constexpr std::string_view kWithMeaning = ",;\t\"\n\r+0 9=";
    if (text.empty()) text = "1";
    // The beginning says how the rest is meant.
    const std::size_t at =
        below(below(3) == 0 ? std::min<std::size_t>(text.size(), 40) : text.size());
    switch (below(6)) {
      case 0:
        text[at] = static_cast<char>(below(256));
        break;
      case 1:
        text[at] = kWithMeaning[below(kWithMeaning.size())];
        break;
      case 2:
        text.insert(at, 1, kWithMeaning[below(kWithMeaning.size())]);
        break;
      case 3:
        text.erase(at, 1 + below(20));
        break;
      case 4:  // a piece repeated
        text.insert(below(text.size()), text.substr(at, 1 + below(200)));
        break;
      case 5:  // cut
        if (below(10) == 0) text.resize(at);
        break;
    }
  }
  std::string changed(std::string text) {
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) change(text);
    return text;
  }

  // Words of an image, any of them, and checksums that fit all the same: as somebody would make
  // one who means harm.
  std::string harmful(std::string image) {
    image::Header header;
    std::memcpy(&header, image.data(), sizeof header);
    for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
      const image::Part& part = header.parts[below(image::kParts)];
      if (part.bytes < sizeof(std::uint32_t)) continue;
      const std::size_t at = part.offset + below(part.bytes - sizeof(std::uint32_t) + 1);
      const auto word = static_cast<std::uint32_t>(random_() >> below(64));
      std::memcpy(image.data() + at, &word, sizeof word);
    }
    const auto bytes = std::as_bytes(std::span(image));
    for (image::Part& part : header.parts)
      part.checksum = image::checksum(bytes.subspan(part.offset, part.bytes));
    if (below(4) == 0) header.values = random_() >> below(64);
    header.checksum = image::checksum(
        std::as_bytes(std::span(&header, 1)).first(offsetof(image::Header, checksum)));
    std::memcpy(image.data(), &header, sizeof header);
    return image;
  }

  // Loads it, and asks it all that can be asked.
  void try_out(const std::string& bytes) try {
    const NumberData data = numbers_of(bytes, Rows::may_be_none, {}, kSource);
    std::string reply(400, ' ');
    std::array<std::string_view, image::kMaxRoutes> texts;
    const auto ask = [&](E164 number) {
      if (const NumberMatch match = data.table().find(number); match.value != image::kNoValue)
        write_row(data, match, number, reply);
    };
    const GrowingArray<NumberRow> rows = rows_of_image(data.image());
    for (const NumberRow& row : rows.items()) {
      data.table().values().texts(row.value, texts);
      ask(row.prefix());
    }
    for (int i = 0; i < 100; ++i)
      ask(test::number(fmt::format("{}{}", below(2) == 0 ? "120155" : "", below(1'000'000))));
    ++loaded_;
  } catch (const NumberDataError& error) {
    EXPECT_THAT(error.what(), testing::StartsWith(kSource));
    ++refused_;
  }

  unsigned count_ = from_environment("MUTATIONS", kDefaultMutations);
  std::mt19937_64 random_{from_environment("SEED", 20261201)};
  unsigned loaded_ = 0;
  unsigned refused_ = 0;
};

TEST_F(NumberMutation, OfCsvIsLoadedOrRefusedWithAReason) {
  const std::string text = rows_of_all_kinds();
  for (unsigned i = 0; i < count_ && !HasFailure(); ++i) {
    const std::string mutant = changed(text);
    try_out(i % 8 == 0 ? packed(mutant) : mutant);
  }
  EXPECT_GT(loaded_, count_ / 20);
  EXPECT_GT(refused_, count_ / 20);
}

TEST_F(NumberMutation, OfPackedDataIsLoadedOrRefusedWithAReason) {
  const std::string text = packed(rows_of_all_kinds());
  for (unsigned i = 0; i < count_ && !HasFailure(); ++i) try_out(changed(text));
  EXPECT_GT(refused_, count_ / 2);
}

TEST_F(NumberMutation, OfAnImageIsRefusedOrHarmless) {
  const std::string image = image_of(rows_of_all_kinds());
  for (unsigned i = 0; i < count_ && !HasFailure(); ++i)
    try_out(i % 4 == 0 ? changed(image) : harmful(image));
  EXPECT_GT(refused_, count_ / 6);
  EXPECT_GT(loaded_, count_ / 50);
}

}  // namespace
}  // namespace cpss
