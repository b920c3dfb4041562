#include "numbers/number_table.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/numbers/made_numbers.h"
#include "tests/support/from_environment.h"

namespace cpss {
namespace {

using test::from_environment;
using test::number;
using test::numbers_of;
using test::row_of;

// A plain model of the table: what each prefix says, searched from the longest.
using Oracle = std::map<std::string, std::string>;

struct Expected {
  std::string text;  // of the row, without the prefix
  std::size_t digits = 0;
  bool longer = false;

  bool operator==(const Expected&) const = default;
  friend void PrintTo(const Expected& e, std::ostream* out) {
    *out << e.text << " by " << e.digits << (e.longer ? ", longer ones" : "");
  }
};

Expected expected(const Oracle& oracle, const std::string& number) {
  Expected result;
  for (std::size_t digits = number.size(); digits > 0 && result.digits == 0; --digits)
    if (const auto row = oracle.find(number.substr(0, digits)); row != oracle.end())
      result = {row->second, digits};
  const auto next = oracle.upper_bound(number);
  result.longer = next != oracle.end() && next->first.starts_with(number);
  return result;
}

NumberData data_of(const Oracle& oracle) {
  std::string csv = "prefix,v\n";
  for (const auto& [prefix, text] : oracle) csv += fmt::format("{},{}\n", prefix, text);
  return numbers_of(csv, Rows::may_be_none);
}

Oracle with_texts(std::initializer_list<const char*> prefixes) {
  Oracle oracle;
  for (const char* prefix : prefixes) oracle[prefix] = prefix;
  return oracle;
}

Expected found(const NumberData& data, const NumberMatch& match) {
  if (match.value == image::kNoValue) return {"", match.digits, match.longer};
  const std::string_view text = data.table().values().text(match.value);
  return {std::string(text.substr(std::string_view(";v=").size())), match.digits, match.longer};
}

// Numbers around the rows: the rows themselves, shorter, longer, with one digit changed, and
// others.
std::vector<std::string> numbers_around(const Oracle& oracle, std::mt19937_64& random,
                                        unsigned digits) {
  const auto digit = [&] { return static_cast<char>('0' + random() % digits); };
  std::vector<std::string> numbers;
  for (const auto& [prefix, text] : oracle) {
    numbers.push_back(prefix);
    numbers.push_back(prefix.substr(0, 1 + random() % prefix.size()));
    std::string longer = prefix;
    while (longer.size() < 1 + random() % 15) longer += digit();
    numbers.push_back(longer);
    longer[random() % longer.size()] = digit();
    numbers.push_back(longer);
    std::string any(1 + random() % 15, '0');
    for (char& c : any) c = digit();
    numbers.push_back(any);
  }
  std::ranges::shuffle(numbers, random);
  return numbers;
}

void compare(const NumberData& data, const Oracle& oracle,
             const std::vector<std::string>& numbers) {
  std::vector<E164> packed;
  for (const std::string& text : numbers) packed.push_back(number(text));
  std::vector<NumberMatch> matches(numbers.size(), NumberMatch{1, 1, true});
  data.table().find(packed, matches);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    ASSERT_EQ(found(data, matches[i]), expected(oracle, numbers[i])) << numbers[i];
    ASSERT_EQ(data.table().find(packed[i]), matches[i]) << numbers[i];
  }
}

// `count` prefixes that begin with `stem`; of `length` digits, or, with 0, of any.
void add_random(Oracle& oracle, std::mt19937_64& random, const std::string& stem,
                std::size_t length, std::size_t count, unsigned digits, unsigned values) {
  for (std::size_t i = 0; i < count; ++i) {
    std::string prefix = stem;
    const std::size_t size = length > 0 ? length : stem.size() + 1 + random() % (15 - stem.size());
    while (prefix.size() < size) prefix += static_cast<char>('0' + random() % digits);
    oracle[prefix] = std::to_string(random() % values);
  }
}

// `count` different numbers of four digits behind `stem`.
void add_group(Oracle& oracle, std::mt19937_64& random, const std::string& stem, std::size_t count,
               unsigned values) {
  std::vector<unsigned> positions(10'000);
  std::iota(positions.begin(), positions.end(), 0U);
  std::ranges::shuffle(positions, random);
  for (const unsigned position : std::span(positions).first(count))
    oracle[fmt::format("{}{:04}", stem, position)] = std::to_string(random() % values);
}

TEST(NumberTable, AnswersLikeAMapForRandomTables) {
  std::mt19937_64 random(7);
  // Few digits make crowded tries with many nested prefixes, ten make bushy and chained ones.
  for (const unsigned digits : {1U, 2U, 3U, 10U}) {
    for (const std::size_t rows : {0U, 1U, 2U, 10U, 300U, 20'000U}) {
      Oracle oracle;
      add_random(oracle, random, "", 0, rows, digits, 5'000);
      const NumberData data = data_of(oracle);
      EXPECT_EQ(data.about().prefixes, oracle.size());
      compare(data, oracle, numbers_around(oracle, random, digits));
    }
  }
}

// As a file may be: from few rows to many, of all lengths, below any number of stems. scripts/check
// asks for a thousand tables with TABLES.
TEST(NumberTable, AnswersLikeAMapForTablesOfAnyKind) {
  std::mt19937_64 random(from_environment("SEED", 21));
  const unsigned tables = from_environment("TABLES", 60);
  for (unsigned i = 0; i < tables && !testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE(i);
    Oracle oracle;
    const auto rows = static_cast<std::size_t>(random() % 2'001);
    const auto values = static_cast<unsigned>(1 + random() % 3'000);
    const auto digits = static_cast<unsigned>(1 + random() % 10);
    while (oracle.size() < rows) {
      const std::size_t before = oracle.size();
      std::string stem;
      for (std::uint64_t length = random() % 11; length > 0; --length)
        stem += static_cast<char>('0' + random() % digits);
      const std::size_t length =
          random() % 2 == 0 ? 0 : stem.size() + 1 + random() % (15 - stem.size());
      add_random(oracle, random, stem, length, 1 + random() % (rows - before), digits, values);
      if (oracle.size() < before + 2) break;  // few digits make few different prefixes
    }
    compare(data_of(oracle), oracle, numbers_around(oracle, random, digits));
  }
}

// Whole numbers lie in groups of positions or, from 836 on, in bitmaps; blocks above and below
// them, and numbers of other lengths, are beside them.
TEST(NumberTable, AnswersLikeAMapForNumbersInGroups) {
  std::mt19937_64 random(8);
  for (const std::size_t in_group : {2U, 3U, 20U, 835U, 836U, 3'000U, 9'000U}) {
    for (const unsigned values : {1U, 200U, 5'000U}) {
      for (const bool others : {false, true}) {
        Oracle oracle;
        for (const char* stem : {"1201555", "1201556", "4930"})
          add_group(oracle, random, stem, in_group, values);
        if (others) {
          add_random(oracle, random, "120155", 0, 300, 10, values);
          add_random(oracle, random, "1201555", 8, 8, 10, values);
          add_random(oracle, random, "4930", 0, 300, 10, values);
          add_random(oracle, random, "1", 0, 50, 10, values);
        }
        const NumberData data = data_of(oracle);
        compare(data, oracle, numbers_around(oracle, random, 10));
      }
    }
  }
}

// Offices lie in a table of their area code, unless rows of other lengths are between the two.
TEST(NumberTable, AnswersLikeAMapForOfficesOfAnAreaCode) {
  std::mt19937_64 random(9);
  for (const std::size_t offices : {50U, 400U, 900U}) {
    for (const std::size_t between : {0U, 1U, 5U}) {
      Oracle oracle;
      add_random(oracle, random, "1201", 7, offices, 10, 100);
      add_random(oracle, random, "1201", 8, offices * 2, 10, 100);
      add_random(oracle, random, "1201", 11, offices * 10, 10, 100);
      add_random(oracle, random, "1202", 0, offices, 10, 100);
      add_random(oracle, random, "1201", 6, between, 10, 100);
      add_random(oracle, random, "1201", 5, between / 2, 10, 100);
      if (between == 1) oracle["1201"] = "area";
      // Blocks and longer numbers below one of them.
      const std::string office = oracle.lower_bound("12015")->first.substr(0, 7);
      add_random(oracle, random, office, 11, 2'000, 10, 100);
      for (char digit = '0'; digit <= '9'; ++digit) oracle[office + digit] = "block";
      oracle[office + "55"] = "hundred";
      oracle[office + "12345"] = "longer";
      const NumberData data = data_of(oracle);
      EXPECT_EQ(data.about().parts[static_cast<std::size_t>(image::PartId::tables)].bytes,
                (offices >= 400 && between == 0 ? 2 : 1) * image::kTableEntries * 4)
          << offices << ", " << between;
      std::vector<std::string> numbers = numbers_around(oracle, random, 10);
      for (int i = 0; i < 3'000; ++i)
        numbers.push_back(office + std::to_string(random() % 100'000).substr(0, random() % 6));
      for (int i = 0; i < 1'000; ++i) numbers.push_back("1201" + std::to_string(random() % 1'000));
      compare(data, oracle, numbers);
    }
  }
}

// 1,000 consecutive numbers share all but their last three digits.
TEST(NumberTable, AGroupMayHaveNumbersOfOneThousandAlone) {
  Oracle oracle;
  for (int i = 0; i < 1'000; ++i) oracle[fmt::format("12015557{:03}", i)] = "x";
  const NumberData data = data_of(oracle);
  EXPECT_LT(data.about().parts[static_cast<std::size_t>(image::PartId::nodes)].bytes, 200u);
  EXPECT_EQ(found(data, data.table().find(number("12015557000"))), (Expected{"x", 11, false}));
  EXPECT_EQ(found(data, data.table().find(number("12015556999"))), (Expected{"", 0, false}));
  EXPECT_EQ(found(data, data.table().find(number("12015557"))), (Expected{"", 0, true}));
  EXPECT_EQ(found(data, data.table().find(number("12015558"))), (Expected{"", 0, false}));
  std::mt19937_64 random(3);
  compare(data, oracle, numbers_around(oracle, random, 10));
}

TEST(NumberTable, EveryBatchSizeGivesTheSame) {
  const Oracle oracle = with_texts({"1", "12", "12345", "123456789012345", "9"});
  const NumberData data = data_of(oracle);
  const std::vector<std::string> some = {"12345678", "8", "123456789012345", "1", "99", "12340"};
  for (std::size_t size = 0; size < 200; ++size) {
    std::vector<std::string> numbers;
    for (std::size_t i = 0; i < size; ++i) numbers.push_back(some[i % some.size()]);
    compare(data, oracle, numbers);
  }
}

TEST(NumberTable, TheLongestPrefixWins) {
  const NumberData data = data_of(with_texts({"4", "44", "4477", "44770", "447700900123"}));
  EXPECT_EQ(row_of(data, "447700900123"), "prefix=447700900123;v=447700900123");
  EXPECT_EQ(row_of(data, "4477009001234"), "prefix=447700900123;v=447700900123");
  EXPECT_EQ(row_of(data, "447700900124"), "prefix=44770;v=44770");
  EXPECT_EQ(row_of(data, "44770"), "prefix=44770;v=44770");
  EXPECT_EQ(row_of(data, "44771"), "prefix=4477;v=4477");
  EXPECT_EQ(row_of(data, "447"), "prefix=44;v=44");
  EXPECT_EQ(row_of(data, "49"), "prefix=4;v=4");
  EXPECT_EQ(row_of(data, "5"), "");
}

TEST(NumberTable, AZeroIsADigitAndNotTheEnd) {
  const NumberData data = data_of(with_texts({"1000", "10000", "20000", "1000000000"}));
  EXPECT_EQ(row_of(data, "1"), "");
  EXPECT_EQ(row_of(data, "100"), "");
  EXPECT_EQ(row_of(data, "1000"), "prefix=1000;v=1000");
  EXPECT_EQ(row_of(data, "2000"), "");
  EXPECT_EQ(row_of(data, "20000"), "prefix=20000;v=20000");
  EXPECT_EQ(row_of(data, "100000000"), "prefix=10000;v=10000");
  EXPECT_EQ(row_of(data, "1000000000"), "prefix=1000000000;v=1000000000");
}

TEST(NumberTable, WithoutAnImageNothingIsFound) {
  const NumberTable table;
  EXPECT_EQ(table.find(number("1")), NumberMatch{});
  table.find({}, {});
}

TEST(NumberTable, MayBeSearchedByManyThreads) {
  std::mt19937_64 random(11);
  Oracle oracle;
  add_random(oracle, random, "", 8, 2'000, 10, 100);
  const NumberData data = data_of(oracle);
  const std::vector<std::string> numbers = numbers_around(oracle, random, 10);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { compare(data, oracle, numbers); });
  for (std::thread& thread : threads) thread.join();
}

TEST(LeadingPairs, AreLeftOutWholeFromTheFirstThatDoesNotFit) {
  const std::string_view text = ";gateway=gw1;rn=7";
  for (std::size_t room = 0; room <= 30; ++room) {
    const std::string_view wanted = room < 12 ? "" : room < 17 ? ";gateway=gw1" : text;
    EXPECT_EQ(leading_pairs(text, room), wanted) << room;
  }
  EXPECT_EQ(leading_pairs(";carrier=very long;rn=7", 15), "");
}

// Where a pair of one route does not fit, the next routes are left out, too.
TEST(RowOfANumber, HasAsManyWholePairsAsFit) {
  const NumberData data = numbers_of("prefix,priority,gateway\n44,0,first\n44,1,b\n");
  const std::string all = "prefix=44;priority=0;gateway=first;priority=1;gateway=b";
  const NumberMatch match = data.table().find(number("44"));
  for (std::size_t room = 0; room <= all.size() + 1; ++room) {
    std::string wanted = all.substr(0, room);
    if (room < all.size()) {
      const std::size_t end = all.rfind(';', room);
      wanted = end == std::string::npos ? "" : all.substr(0, end);
    }
    std::string text(room, '?');
    EXPECT_EQ(row_size(data, match, room), wanted.size()) << room;
    EXPECT_EQ(write_row(data, match, number("44"), text), wanted.size()) << room;
    EXPECT_EQ(text.substr(0, wanted.size()), wanted) << room;
    EXPECT_EQ(text.find_first_not_of('?', wanted.size()), std::string::npos) << room;
  }
}

}  // namespace
}  // namespace cpss
