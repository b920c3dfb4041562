#include "services/number_table.h"

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace cpss {
namespace {

// A plain model of the table: prefixes as texts, searched from the longest.
using Oracle = std::map<std::string, std::string>;

std::string expected(const Oracle& oracle, std::string number) {
  for (; !number.empty(); number.pop_back()) {
    const auto row = oracle.find(number);
    if (row != oracle.end()) return row->second;
  }
  return {};
}

E164 number(std::string_view digits) {
  return E164::parse_digits(digits).value();
}

NumberTable table_of(const Oracle& oracle) {
  TextPool texts;
  std::vector<NumberTable::Row> rows;
  for (const auto& [prefix, text] : oracle) rows.push_back({number(prefix), texts.add(text)});
  return NumberTable(rows, std::move(texts));
}

Oracle with_texts(std::initializer_list<const char*> prefixes) {
  Oracle oracle;
  for (const char* prefix : prefixes) oracle[prefix] = std::string("prefix=") + prefix;
  return oracle;
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

void compare(const NumberTable& table, const Oracle& oracle,
             const std::vector<std::string>& numbers) {
  std::vector<E164> packed;
  for (const std::string& text : numbers) packed.push_back(number(text));
  std::vector<std::string_view> found(numbers.size(), "not written");
  table.find(packed, found);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    ASSERT_EQ(found[i], expected(oracle, numbers[i])) << numbers[i];
    ASSERT_EQ(table.find(packed[i]), found[i]) << numbers[i];
  }
}

TEST(NumberTable, AnswersLikeAMapForRandomTables) {
  std::mt19937_64 random(7);
  // Few digits make crowded tries with many nested prefixes, ten make bushy and chained ones.
  for (const unsigned digits : {1U, 2U, 3U, 10U}) {
    for (const std::size_t rows : {1U, 2U, 10U, 300U, 20'000U}) {
      Oracle oracle;
      for (std::size_t i = 0; i < rows; ++i) {
        std::string prefix(1 + random() % 15, '0');
        for (char& c : prefix) c = static_cast<char>('0' + random() % digits);
        oracle[prefix] = "prefix=" + prefix + std::string(random() % 40, 'x');
      }
      const NumberTable table = table_of(oracle);
      EXPECT_EQ(table.size(), oracle.size());
      compare(table, oracle, numbers_around(oracle, random, digits));
    }
  }
}

TEST(NumberTable, EveryBatchSizeGivesTheSame) {
  const Oracle oracle = with_texts({"1", "12", "12345", "123456789012345", "9"});
  const NumberTable table = table_of(oracle);
  const std::vector<std::string> some = {"12345678", "8", "123456789012345", "1", "99", "12340"};
  for (std::size_t size = 0; size < 200; ++size) {
    std::vector<std::string> numbers;
    for (std::size_t i = 0; i < size; ++i) numbers.push_back(some[i % some.size()]);
    compare(table, oracle, numbers);
  }
}

TEST(NumberTable, TheLongestPrefixWins) {
  const NumberTable table = table_of(with_texts({"4", "44", "4477", "44770", "447700900123"}));
  EXPECT_EQ(table.find(number("447700900123")), "prefix=447700900123");
  EXPECT_EQ(table.find(number("4477009001234")), "prefix=447700900123");
  EXPECT_EQ(table.find(number("447700900124")), "prefix=44770");
  EXPECT_EQ(table.find(number("44770")), "prefix=44770");
  EXPECT_EQ(table.find(number("44771")), "prefix=4477");
  EXPECT_EQ(table.find(number("447")), "prefix=44");
  EXPECT_EQ(table.find(number("49")), "prefix=4");
  EXPECT_EQ(table.find(number("5")), "");
}

TEST(NumberTable, AZeroIsADigitAndNotTheEnd) {
  const NumberTable table = table_of(with_texts({"1000", "10000", "20000", "1000000000"}));
  EXPECT_EQ(table.find(number("1")), "");
  EXPECT_EQ(table.find(number("100")), "");
  EXPECT_EQ(table.find(number("1000")), "prefix=1000");
  EXPECT_EQ(table.find(number("2000")), "");
  EXPECT_EQ(table.find(number("20000")), "prefix=20000");
  EXPECT_EQ(table.find(number("100000000")), "prefix=10000");
  EXPECT_EQ(table.find(number("1000000000")), "prefix=1000000000");
}

TEST(NumberTable, MayBeEmpty) {
  const NumberTable table(std::span<const NumberTable::Row>{}, TextPool());
  EXPECT_EQ(table.size(), 0U);
  EXPECT_EQ(table.find(number("1")), "");
  table.find({}, {});
}

TEST(NumberTable, RowsInAnyOtherOrderAreADefect) {
  const auto make = [](std::vector<const char*> prefixes) {
    TextPool texts;
    std::vector<NumberTable::Row> rows;
    for (const char* p : prefixes) rows.push_back({E164::parse_digits(p).value_or(E164()), 0});
    return NumberTable(rows, std::move(texts));
  };
  EXPECT_NO_THROW(make({"1", "12", "2"}));
  EXPECT_THROW(make({"2", "1"}), std::invalid_argument);
  EXPECT_THROW(make({"12", "1"}), std::invalid_argument);
  EXPECT_THROW(make({"1", "1"}), std::invalid_argument);
  EXPECT_THROW(make({""}), std::invalid_argument);
}

TEST(NumberTable, MayBeSearchedByManyThreads) {
  std::mt19937_64 random(11);
  Oracle oracle;
  for (int i = 0; i < 2'000; ++i) {
    const std::string prefix = std::to_string(random() % 100'000'000);
    oracle[prefix] = "prefix=" + prefix;
  }
  const NumberTable table = table_of(oracle);
  const std::vector<std::string> numbers = numbers_around(oracle, random, 10);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { compare(table, oracle, numbers); });
  for (std::thread& thread : threads) thread.join();
}

TEST(TextPool, KeepsTextsOfEveryLength) {
  TextPool texts;
  const std::string longest(TextPool::kMaxBytes, 'x');
  const TextPool::Offset a = texts.add("a");
  const TextPool::Offset x = texts.add(longest);
  const TextPool::Offset nothing = texts.add("");
  EXPECT_EQ(texts.at(TextPool::kNone), "");
  EXPECT_EQ(texts.at(a), "a");
  EXPECT_EQ(texts.at(x), longest);
  EXPECT_EQ(texts.at(nothing), "");
  EXPECT_NE(a, TextPool::kNone);
  EXPECT_THROW(texts.add(longest + "x"), std::length_error);
}

TEST(LeadingPairs, AreLeftOutWholeFromTheFirstThatDoesNotFit) {
  const std::string_view text = "prefix=44;gateway=gw1;rn=7";
  //                             123456789 12345678901 2345
  for (std::size_t room = 0; room <= 30; ++room) {
    const std::string_view kept = leading_pairs(text, room);
    const std::string_view wanted = room < 9    ? ""
                                    : room < 21 ? "prefix=44"
                                    : room < 26 ? "prefix=44;gateway=gw1"
                                                : text;
    EXPECT_EQ(kept, wanted) << room;
  }
}

TEST(LeadingPairs, AShorterPairDoesNotOvertakeALongerOne) {
  EXPECT_EQ(leading_pairs("prefix=44;carrier=very long;rn=7", 15), "prefix=44");
  EXPECT_EQ(leading_pairs("", 0), "");
  EXPECT_EQ(leading_pairs("prefix=44", 9), "prefix=44");
}

}  // namespace
}  // namespace cpss
