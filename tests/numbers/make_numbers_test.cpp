// scripts/make-numbers: what it writes can be loaded, and its questions are what it says.
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/numbers/made_numbers.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

class MakeNumbers : public testing::TestWithParam<const char*> {
 protected:
  int make(const std::string& folder, const std::string& options) const {
    return std::system(
        fmt::format("'{}/scripts/make-numbers' --kind {} --out-dir '{}' {} >'{}' 2>&1",
                    CPSS_SOURCE_DIR, GetParam(), folder_.file(folder), options,
                    folder_.file("output"))
            .c_str());
  }
  std::string output() const { return read_file(folder_.file("output")); }
  std::vector<E164> questions(const std::string& path) const {
    std::vector<E164> numbers;
    std::ifstream file(folder_.file(path));
    for (std::string line; std::getline(file, line);) numbers.push_back(test::number(line));
    return numbers;
  }
  const TemporaryFolder folder_;
};

TEST_P(MakeNumbers, AreRowsAndQuestionsAboutThem) {
  ASSERT_EQ(make("a", "--rows 60000 --questions 500 --seed 3"), 0) << output();
  const NumberData data = NumberData::load_file(folder_.file("a/numbers.csv"));
  EXPECT_NEAR(static_cast<double>(data.about().rows), 60'000, 12'000);
  EXPECT_EQ(data.about().rows, data.about().prefixes);
  EXPECT_GT(data.about().values, 1'000u);
  const std::vector<E164> hits = questions("a/questions-hits.txt");
  ASSERT_EQ(hits.size(), 500u);
  for (const E164 number : hits)
    ASSERT_EQ(data.table().find(number).digits, number.size()) << number.to_string();
  EXPECT_EQ(questions("a/questions-neighbours.txt").size(), 500u);
  EXPECT_EQ(questions("a/questions-misses.txt").size(), 500u);
}

TEST_P(MakeNumbers, AreTheSameForTheSameSeedOnly) {
  ASSERT_EQ(make("a", "--rows 5000 --seed 3"), 0) << output();
  ASSERT_EQ(make("b", "--rows 5000 --seed 3 --gzip"), 0) << output();
  ASSERT_EQ(make("c", "--rows 5000 --seed 4"), 0) << output();
  const NumberData a = NumberData::load_file(folder_.file("a/numbers.csv"));
  const NumberData b = NumberData::load_file(folder_.file("b/numbers.csv.gz"));
  EXPECT_EQ(a.about().rows, b.about().rows);
  EXPECT_EQ(a.about().parts.back().checksum, b.about().parts.back().checksum);
  EXPECT_NE(read_file(folder_.file("a/numbers.csv")), read_file(folder_.file("c/numbers.csv")));
}

INSTANTIATE_TEST_SUITE_P(Kinds, MakeNumbers, testing::Values("dense", "sparse", "mixed"),
                         [](const auto& kind) { return std::string(kind.param); });

}  // namespace
}  // namespace cpss
