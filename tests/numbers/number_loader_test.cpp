#include "numbers/number_loader.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/numbers/made_numbers.h"
#include "tests/numbers/packed.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using test::numbers_of;
using test::packed;
using test::row_of;
using testing::HasSubstr;

// The error about `csv`, or "" if it is accepted.
std::string complaint(std::string_view csv) {
  try {
    numbers_of(csv);
    return "";
  } catch (const NumberDataError& error) {
    return error.what();
  }
}

constexpr std::string_view kLastLine =
    "numbers.csv: nothing was loaded; correct what is named above";

std::string with_last_line(std::string_view problems) {
  return fmt::format("{}\n{}", problems, kLastLine);
}

TEST(NumberCsv, MakesRepliesWithPrefixFirstAndWithoutEmptyColumns) {
  const NumberData numbers = numbers_of(
      "gateway,prefix,rn,colour\n"
      "gw1,44,,\n"
      ",447700,4499,blue\n"
      "gw3,1,,\"red, green\"\n"
      ",2,,\n");
  EXPECT_EQ(numbers.about().prefixes, 4U);
  EXPECT_EQ(row_of(numbers, "441"), "prefix=44;gateway=gw1");
  EXPECT_EQ(row_of(numbers, "4477001"), "prefix=447700;rn=4499;colour=blue");
  EXPECT_EQ(row_of(numbers, "123"), "prefix=1;gateway=gw3;colour=red, green");
  EXPECT_EQ(row_of(numbers, "2"), "prefix=2");
}

TEST(NumberCsv, TakesCrlfAByteOrderMarkEmptyLinesAndAMissingLastLineEnd) {
  const NumberData numbers =
      numbers_of("\xef\xbb\xbfprefix,carrier\r\n44,A\r\n\r\n\n\"45\",\"B\"\r\n46,C");
  EXPECT_EQ(numbers.about().prefixes, 3U);
  EXPECT_EQ(row_of(numbers, "44"), "prefix=44;carrier=A");
  EXPECT_EQ(row_of(numbers, "45"), "prefix=45;carrier=B");
  EXPECT_EQ(row_of(numbers, "46"), "prefix=46;carrier=C");
}

// A server without rows would answer "not found" to every request.
TEST(NumberCsv, HasNoRowsOnlyWhereThatIsAllowed) {
  for (const char* header : {"prefix,gateway", "prefix,gateway\n", "prefix,gateway\r\n\n  \n"}) {
    EXPECT_EQ(complaint(header), "numbers.csv: has no rows, only the columns 'prefix', 'gateway'");
    EXPECT_EQ(numbers_of(header, Rows::may_be_none).about().prefixes, 0U);
  }
}

TEST(NumberCsv, TakesColumnNamesInAnyCaseAndKeepsTheirSpellingInReplies) {
  const NumberData numbers = numbers_of("GateWay,PREFIX\ngw1,44\n");
  EXPECT_EQ(row_of(numbers, "44"), "PREFIX=44;GateWay=gw1");
  EXPECT_EQ(complaint("prefix,Gateway,gateWAY\n"),
            with_last_line("numbers.csv:1: column 'gateWAY' is named twice"));
}

TEST(NumberCsv, TakesBlanksAroundNamesAndValues) {
  const NumberData numbers = numbers_of(" prefix ,\tcarrier\n 44 , A B \n  \n45,\" C\"\t\n");
  EXPECT_EQ(numbers.about().prefixes, 2U);
  EXPECT_EQ(row_of(numbers, "44"), "prefix=44;carrier=A B");
  EXPECT_EQ(row_of(numbers, "45"), "prefix=45;carrier= C");
}

TEST(NumberCsv, TakesAPlusBeforeThePrefix) {
  EXPECT_EQ(row_of(numbers_of("prefix,a\n+44,x\n"), "44"), "prefix=44;a=x");
  EXPECT_EQ(complaint("prefix\n+44\n44\n"),
            with_last_line("numbers.csv:3: prefix 44 is also on line 2"));
  for (const char* bad : {"+", "++44", "44+"})
    EXPECT_THAT(complaint(fmt::format("prefix\n{}\n", bad)), HasSubstr("is not 1 to 15 digits"));
}

TEST(NumberCsv, FindsOutTheSeparatorByTheFirstLine) {
  EXPECT_EQ(row_of(numbers_of("gateway;prefix;a\ngw,1;44;\"x\"\n"), "44"),
            "prefix=44;gateway=gw,1;a=x");
  EXPECT_EQ(row_of(numbers_of("prefix\tcarrier, old\n44\tA, B\n"), "44"),
            "prefix=44;carrier, old=A, B");
  EXPECT_EQ(row_of(numbers_of("prefix\n44\n"), "44"), "prefix=44");
  EXPECT_EQ(complaint("prefix;a\n44\n"),
            with_last_line("numbers.csv:2: 1 fields instead of 2, as in the first line"));
}

TEST(NumberCsv, NamesTheColumnsThatItHas) {
  EXPECT_EQ(complaint("number; rufnummer ;a,b\n"),
            with_last_line("numbers.csv:1: no column 'prefix' among those that the first line "
                           "names: 'number', 'rufnummer', 'a,b'"));
  EXPECT_THAT(complaint("1,2,3,4,5,6,7,8,9,10,11,12\n"), HasSubstr("'10' and 2 more"));
}

TEST(NumberCsv, TakesUtf8AsItIs) {
  EXPECT_EQ(row_of(numbers_of("prefix,carrier\n55,Operadora São João\n"), "55"),
            "prefix=55;carrier=Operadora São João");
}

TEST(NumberCsv, NamesFileLineAndProblem) {
  const struct {
    const char* csv;
    const char* complaint;
  } cases[] = {
      {"prefix,a\n44,x\n4a,x\n", "numbers.csv:3: prefix '4a' is not 1 to 15 digits"},
      {"prefix,a\n,x\n", "numbers.csv:2: prefix '' is not 1 to 15 digits"},
      {"prefix,a\n4 4,x\n", "numbers.csv:2: prefix '4 4' is not 1 to 15 digits"},
      {"prefix\n1234567890123456\n",
       "numbers.csv:2: prefix '1234567890123456' is not 1 to 15 digits"},
      {"prefix,a\n44,x\n45,y\n44,z\n", "numbers.csv:4: prefix 44 is also on line 2"},
      {"prefix,a\n44,x;y\n", "numbers.csv:2: a 'x;y' holds ';'"},
      {"prefix,a\n44,x=y\n", "numbers.csv:2: a 'x=y' holds '='"},
      {"prefix,a\n44,x\ty\n", R"(numbers.csv:2: a 'x\x09y' holds control character 0x09)"},
      {"prefix,a\n44,\x7f\n", R"(numbers.csv:2: a '\x7f' holds control character 0x7f)"},
      {"prefix,a\n44,x\ry\n", R"(numbers.csv:2: a 'x\x0dy' holds control character 0x0d)"},
      {"prefix,a\n44\n", "numbers.csv:2: 1 fields instead of 2, as in the first line"},
      {"prefix,a\n44,x,y\n", "numbers.csv:2: 3 fields instead of 2, as in the first line"},
      {"prefix,a\n44,\"x\n", "numbers.csv:2: a quoted field does not end on its line"},
      {"number,a\n44,x\n",
       "numbers.csv:1: no column 'prefix' among those that the first line names: 'number', 'a'"},
      {"44,x\n",
       "numbers.csv:1: no column 'prefix' among those that the first line names: '44', 'x'"},
      {"prefix,a,a\n", "numbers.csv:1: column 'a' is named twice"},
      {"prefix,prefix\n", "numbers.csv:1: column 'prefix' is named twice"},
      {"prefix,,a\n", "numbers.csv:1: column 2 has no name"},
      {"prefix,a=b\n", "numbers.csv:1: column name 'a=b' holds '='"},
      {"prefix,\"a\n", "numbers.csv:1: a quoted field does not end on its line"},
  };
  for (const auto& c : cases) EXPECT_EQ(complaint(c.csv), with_last_line(c.complaint)) << c.csv;
}

TEST(NumberCsv, AZeroByteIsAControlCharacter) {
  EXPECT_THAT(complaint(std::string_view("prefix,a\n44,x\0y\n", 16)),
              HasSubstr("numbers.csv:2: a 'x\\x00y' holds control character 0x00"));
}

TEST(NumberCsv, AnEmptyFileHasNoColumnNames) {
  for (const char* empty : {"", "\xef\xbb\xbf"})
    EXPECT_THAT(complaint(empty), HasSubstr("numbers.csv: is empty; it needs a first line"));
  EXPECT_THAT(complaint("\n"), HasSubstr("numbers.csv:1: column 1 has no name"));
}

TEST(NumberCsv, TellsAllProblemsInTheOrderOfLines) {
  EXPECT_EQ(complaint("prefix,a,b\n44,x,y\nbad,;,=\n44,x,y\n44,x\n44,x,y\n"),
            with_last_line("numbers.csv:3: prefix 'bad' is not 1 to 15 digits\n"
                           "numbers.csv:3: a ';' holds ';'\n"
                           "numbers.csv:3: b '=' holds '='\n"
                           "numbers.csv:4: prefix 44 is also on line 2\n"
                           "numbers.csv:5: 2 fields instead of 3, as in the first line\n"
                           "numbers.csv:6: prefix 44 is also on line 2"));
}

TEST(NumberCsv, CountsTheProblemsAfterTheTwentiethAndLeavesThemOut) {
  std::string csv = "prefix\n44\n";
  for (int i = 0; i < 10; ++i) csv += "44\n";   // lines 3 to 12
  for (int i = 0; i < 30; ++i) csv += "bad\n";  // lines 13 to 42
  const std::string text = complaint(csv);
  EXPECT_THAT(text, testing::StartsWith("numbers.csv:3: prefix 44 is also on line 2\n"));
  EXPECT_THAT(text, HasSubstr("numbers.csv:22: prefix 'bad'"));
  EXPECT_THAT(text, testing::Not(HasSubstr("numbers.csv:23:")));
  EXPECT_THAT(text, HasSubstr("numbers.csv: 20 more problems\n"));
  EXPECT_EQ(std::ranges::count(text, '\n'), 21);
}

TEST(NumberCsv, ShowsLongValuesCut) {
  const std::string text = complaint("prefix\n" + std::string(1000, 'x') + "\n");
  EXPECT_THAT(text, HasSubstr("prefix '" + std::string(80, 'x') + "'... is not"));
}

TEST(NumberCsv, ARowHasToFitAnyDatagram) {
  const std::string csv = "prefix,a\n1," + std::string(65'535 - 3, 'x') + "\n";
  EXPECT_EQ(row_of(numbers_of(csv), "1").size(), 65'535U + std::string_view("prefix=1").size());
  EXPECT_THAT(complaint("prefix,a\n1,x" + csv.substr(11)),
              HasSubstr("numbers.csv:2: what the row says takes 65536 bytes, more than 65535"));
}

TEST(NumberCsv, RowsOfOnePrefixAreItsRoutesInOrderOfPriority) {
  const NumberData numbers = numbers_of("prefix,priority,gateway\n44,2,c\n44,0,a\n45,15,d\n");
  EXPECT_EQ(row_of(numbers, "441"), "prefix=44;priority=0;gateway=a;priority=2;gateway=c");
  EXPECT_EQ(row_of(numbers, "45"), "prefix=45;priority=15;gateway=d");
  EXPECT_EQ(numbers.about().rows, 3u);
  EXPECT_EQ(numbers.about().prefixes, 2u);
}

// As data have it whose rows came of data without the column.
TEST(NumberCsv, WithoutAPriorityARowIsTheFirst) {
  const NumberData numbers = numbers_of("prefix,priority,gateway\n44,1,b\n44,,a\n");
  EXPECT_EQ(row_of(numbers, "441"), "prefix=44;gateway=a;priority=1;gateway=b");
  EXPECT_EQ(complaint("prefix,priority\n44,\n44,0\n"),
            with_last_line("numbers.csv:3: prefix 44 with priority 0 is also on line 2"));
}

TEST(NumberCsv, RoutesHaveAPriorityOfTheirOwnAndThereAreEight) {
  EXPECT_EQ(complaint("prefix,priority\n44,1\n44,1\n"),
            with_last_line("numbers.csv:3: prefix 44 with priority 1 is also on line 2"));
  for (const char* bad : {"16", "-1", "1x"})
    EXPECT_EQ(complaint(fmt::format("prefix,priority\n44,{}\n", bad)),
              with_last_line(fmt::format("numbers.csv:2: priority '{}' is not 0 to 15", bad)));
  std::string csv = "prefix,priority\n";
  for (int i = 0; i < 8; ++i) csv += fmt::format("44,{}\n", i);
  EXPECT_EQ(complaint(csv), "");
  EXPECT_EQ(complaint(csv + "44,9\n"),
            with_last_line("numbers.csv:10: prefix 44 has more than 8 routes"));
}

// The same bytes behind the prefix are looked up, not taken apart again.
TEST(NumberCsv, RowsThatSayTheSameAreReadAlikeHoweverTheyAreWritten) {
  const NumberData numbers = numbers_of(
      "gateway,prefix,rn\n"
      "gw1,44,5\n"
      "gw1,45,5\n"
      " gw1 ,46, 5\r\n"
      "\"gw1\",47,5\n"
      "gw1,\"48\",5\n"
      "gw1,+49,\"5\"\n"
      "gw,144,5\n");
  for (const char* prefix : {"44", "45", "46", "47", "48", "49"})
    EXPECT_EQ(row_of(numbers, prefix), fmt::format("prefix={};gateway=gw1;rn=5", prefix));
  EXPECT_EQ(row_of(numbers, "144"), "prefix=144;gateway=gw;rn=5");
  EXPECT_EQ(numbers.about().values, 2u);
}

TEST(NumberCsv, ALineThatIsWrongIsWrongEachTime) {
  EXPECT_EQ(complaint("prefix,a\n44,x;\n45,x;\n46\n47\n"),
            with_last_line("numbers.csv:2: a 'x;' holds ';'\n"
                           "numbers.csv:3: a 'x;' holds ';'\n"
                           "numbers.csv:4: 1 fields instead of 2, as in the first line\n"
                           "numbers.csv:5: 1 fields instead of 2, as in the first line"));
}

TEST(NumberCsv, ALineHasAnEnd) {
  EXPECT_THAT(complaint("prefix,a\n44," + std::string(3 << 20, 'x')),
              HasSubstr("numbers.csv:2: a line is longer than 1 MiB"));
}

TEST(NumberCsv, ColumnsMayBeCalledOtherwise) {
  NumberFormat format;
  format.names = {{"prefix", "TN"}, {"rn", "LRN"}};
  EXPECT_EQ(row_of(numbers_of("LRN;tn;x\n12;3;4\n", Rows::needed, format), "34"),
            "prefix=3;rn=12;x=4");
  format.names = {{"prefix", "TN"}, {"rn", "gone"}};
  try {
    numbers_of("TN,LRN\n", Rows::needed, format);
    FAIL() << "no error";
  } catch (const NumberDataError& error) {
    EXPECT_EQ(error.what(),
              with_last_line("numbers.csv:1: no column 'gone', which is to be 'rn', among those "
                             "that the first line names: 'TN', 'LRN'"));
  }
}

TEST(NumberCsv, DataWithoutAHeaderHaveTheColumnsThatAreNamed) {
  NumberFormat format;
  format.header = false;
  format.separator = '|';
  format.names = {{"prefix", "2"}, {"rn", "3"}};
  const NumberData numbers = numbers_of("7|44|5\n7|45|6\n", Rows::needed, format);
  EXPECT_EQ(row_of(numbers, "44"), "prefix=44;rn=5");
  EXPECT_EQ(row_of(numbers, "45"), "prefix=45;rn=6");
  format.names = {{"prefix", "4"}};
  EXPECT_THROW(numbers_of("7|44|5\n", Rows::needed, format), NumberDataError);
}

TEST(NumberCsv, MayBePackedByGzip) {
  const std::string csv = packed("prefix,a\n44,x\n");
  EXPECT_EQ(row_of(numbers_of(csv), "44"), "prefix=44;a=x");
  EXPECT_EQ(row_of(numbers_of(csv + packed("45,y\n")), "45"), "prefix=45;a=y") << "two members";
  for (std::size_t size = 3; size < csv.size(); ++size)
    EXPECT_THAT(complaint(csv.substr(0, size)),
                testing::StartsWith("numbers.csv: its gzip data are damaged: "))
        << size;
  std::string damaged = csv;
  damaged[damaged.size() - 6] ^= 1;
  EXPECT_THAT(complaint(damaged), HasSubstr("its gzip data are damaged: incorrect data check"));
}

class NumberFile : public testing::Test {
 protected:
  std::string complaint_of(const std::string& path) {
    try {
      NumberData::load_file(path);
      return "";
    } catch (const NumberDataError& error) {
      return error.what();
    }
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.file("numbers.csv");
};

TEST_F(NumberFile, IsReadWhole) {
  // More than one read(2) brings.
  std::string csv = "prefix,carrier\n";
  for (int i = 100'000; i < 200'000; ++i)
    csv += fmt::format("{},some carrier with a long name\n", i);
  write_file(path_, csv);
  const NumberData numbers = NumberData::load_file(path_);
  EXPECT_EQ(numbers.about().prefixes, 100'000U);
  EXPECT_EQ(row_of(numbers, "1000001"), "prefix=100000;carrier=some carrier with a long name");
  EXPECT_EQ(row_of(numbers, "199999"), "prefix=199999;carrier=some carrier with a long name");
}

TEST_F(NumberFile, ThatIsAPipeWhichNobodyWritesIsAnError) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  try {
    NumberData::load_file(path_, Rows::needed, std::chrono::milliseconds(50));
    FAIL() << "no error";
  } catch (const NumberDataError& error) {
    EXPECT_THAT(error.what(),
                testing::StartsWith(
                    path_ + ": cannot be read: no byte came for 0.05 s: does nobody write to it?"));
  }
}

TEST_F(NumberFile, IsNamedInItsProblems) {
  write_file(path_, "prefix\nx\n");
  EXPECT_THAT(complaint_of(path_), testing::StartsWith(path_ + ":2: prefix 'x'"));
}

TEST_F(NumberFile, IsNoDevice) {
  EXPECT_THAT(complaint_of("/dev/zero"), testing::StartsWith("/dev/zero: cannot be read: "));
}

TEST_F(NumberFile, ThatCannotBeReadSaysWhy) {
  EXPECT_EQ(complaint_of(path_), path_ + ": cannot be read: No such file or directory");
  EXPECT_THAT(complaint_of(folder_.path()), HasSubstr("cannot be read: Is a directory"));
}

}  // namespace
}  // namespace cpss
