// scripts/import-numbers against the server's own reading and searching: two programs that share
// only the documented formats have to agree.
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "numbers/e164.h"
#include "tests/numbers/made_numbers.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

class ImportNumbers : public testing::Test {
 protected:
  static constexpr int kCount = 100'000;

  // Returns the script's exit status; output() has its text.
  int import(const std::string& folder, const std::string& options) const {
    return std::system(fmt::format("'{}/scripts/import-numbers' --out-dir '{}' {} >'{}' 2>&1",
                                   CPSS_SOURCE_DIR, folder_.file(folder), options,
                                   folder_.file("output"))
                           .c_str());
  }
  std::string content(const std::string& name) const { return read_file(folder_.file(name)); }
  std::string output() const { return content("output"); }

  TemporaryFolder folder_;
};

struct Query {
  std::string number;
  std::string body;
};

std::vector<Query> queries_in(const std::string& text) {
  std::vector<Query> queries;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t tab = line.find('\t');
    queries.push_back({line.substr(0, tab), line.substr(tab + 1)});
  }
  return queries;
}

// Whether a number that `body` answers has a shorter prefix too; if none had, that the longest wins
// would not be tested.
bool has_shorter_match(const NumberData& numbers, E164 number, std::string_view body) {
  constexpr std::string_view kBegin = "prefix=";
  if (!body.starts_with(kBegin)) return false;
  const std::size_t digits = body.substr(0, body.find(';')).size() - kBegin.size();
  const auto shorter = E164::parse_digits(number.to_string().substr(0, digits - 1));
  return shorter && !test::row_of(numbers, *shorter).empty();
}

TEST_F(ImportNumbers, ExpectsWhatTheTableAnswers) {
  ASSERT_EQ(import("a", fmt::format("--count {} --seed 5", kCount)), 0) << output();
  const NumberData numbers = NumberData::load_file(folder_.file("a/numbers.csv"));
  EXPECT_GT(numbers.about().prefixes, 250'000U);

  const std::vector<Query> queries = queries_in(content("a/queries.tsv"));
  ASSERT_EQ(queries.size(), static_cast<std::size_t>(kCount));
  int without_match = 0;
  int with_plus = 0;
  int nested = 0;
  for (const Query& query : queries) {
    const auto number = E164::parse_number(query.number);
    ASSERT_TRUE(number) << query.number;
    ASSERT_EQ(test::row_of(numbers, *number), query.body) << query.number;
    ASSERT_LE(query.body.size(), 240U) << query.number;
    if (query.body.empty()) ++without_match;
    if (query.number.starts_with('+')) ++with_plus;
    if (has_shorter_match(numbers, *number, query.body)) ++nested;
  }
  // The documented shares, within a tolerance.
  EXPECT_NEAR(without_match, 0.02 * kCount, 0.005 * kCount);
  EXPECT_NEAR(with_plus, 0.5 * kCount, 0.01 * kCount);
  EXPECT_GT(nested, kCount / 100);
}

TEST_F(ImportNumbers, RepeatsItselfForTheSameSeedOnly) {
  ASSERT_EQ(import("a", "--count 500 --seed 5"), 0) << output();
  ASSERT_EQ(import("b", "--count 500 --seed 5"), 0) << output();
  ASSERT_EQ(import("c", "--count 500 --seed 6"), 0) << output();
  EXPECT_EQ(content("a/numbers.csv"), content("b/numbers.csv"));
  EXPECT_EQ(content("a/queries.tsv"), content("b/queries.tsv"));
  EXPECT_NE(content("a/queries.tsv"), content("c/queries.tsv"));
}

TEST_F(ImportNumbers, SaysWhatIsWrong) {
  EXPECT_NE(import("a", "--count 0"), 0);
  EXPECT_NE(output().find("0 is not 1 or more"), std::string::npos) << output();
  EXPECT_NE(import("output", "--count 1"), 0);  // a file
  EXPECT_NE(output().find("import-numbers: cannot make"), std::string::npos) << output();
}

}  // namespace
}  // namespace cpss
