#include "config/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/table.h"
#include "config/values.h"
#include "tests/config/load_support.h"

namespace cpss {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

CommandLine read(const std::vector<std::string>& arguments) {
  std::vector<const char*> argv{"cpssd"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  return read_command_line(static_cast<int>(argv.size()), argv.data());
}

// `name=value` of each setting on the line.
std::vector<std::string> settings_of(const CommandLine& line) {
  std::vector<std::string> texts;
  for (const RawSetting& raw : line.raw.settings)
    texts.push_back(raw.origin.name + "=" + raw.pieces.at(0).text);
  return texts;
}

TEST(CommandLine, TakesBothFormsOfAValue) {
  const CommandLine line = read({"--batch", "3", "--qslots=5", "--listen", "[::]:1"});
  EXPECT_THAT(line.raw.errors, IsEmpty());
  EXPECT_THAT(settings_of(line), ElementsAre("--batch=3", "--qslots=5", "--listen=[::]:1"));
  EXPECT_EQ(line.action, Action::run);
}

TEST(CommandLine, KnowsEverySettingOfTheTable) {
  for (const SettingInfo& row : kSettingTable) {
    const CommandLine line = read({"--" + std::string(row.option), "x"});
    ASSERT_EQ(line.raw.settings.size(), 1U) << row.option;
    EXPECT_EQ(line.raw.settings[0].setting, row.id);
  }
}

TEST(CommandLine, TakesEmptyValues) {
  EXPECT_THAT(settings_of(read({"--allow=", "--trusted", "", "--batch="})),
              ElementsAre("--allow=", "--trusted=", "--batch="));
  EXPECT_THAT(settings_of(read({"--allow=", "--batch", "3"})),
              ElementsAre("--allow=", "--batch=3"));
}

TEST(CommandLine, TakesValuesThatLookSpecial) {
  EXPECT_THAT(settings_of(read({"--drain-timeout", "-1", "--numbers=a=b", "--stats-file=--x"})),
              ElementsAre("--drain-timeout=-1", "--numbers=a=b", "--stats-file=--x"));
}

TEST(CommandLine, NamesWhatIsUnknown) {
  EXPECT_THAT(read({"--lisen", "x"}).raw.errors,
              ElementsAre("'--lisen': unknown option; did you mean --listen?"));
  EXPECT_THAT(read({"--lisen=x"}).raw.errors,
              ElementsAre("'--lisen': unknown option; did you mean --listen?"));
  EXPECT_THAT(read({"--frobnicate"}).raw.errors,
              ElementsAre("'--frobnicate': unknown option; see --help"));
  EXPECT_THAT(read({"-q"}).raw.errors, ElementsAre("'-q': unknown option; see --help"));
  EXPECT_THAT(read({"-batch", "3"}).raw.errors,
              ElementsAre("'-batch': unknown option; did you mean --batch?"));
  EXPECT_THAT(read({"--Batch=3"}).raw.errors,
              ElementsAre("'--Batch': unknown option; did you mean --batch?"));
}

TEST(CommandLine, TakesNoAbbreviation) {
  EXPECT_THAT(read({"--bat", "3"}).raw.errors,
              ElementsAre("'--bat': unknown option; did you mean --batch?"));
  EXPECT_THAT(read({"--lis=3"}).raw.errors,
              ElementsAre("'--lis': unknown option; did you mean --listen?"));
}

TEST(CommandLine, MissesArguments) {
  EXPECT_THAT(read({"--config"}).raw.errors,
              ElementsAre("--config: needs an argument: --config FILE"));
  EXPECT_THAT(read({"--config", "--batch", "3"}).raw.errors,
              ElementsAre("--config: needs an argument: --config FILE"));
}

TEST(CommandLine, WantsNothingElse) {
  EXPECT_THAT(read({"x", "--batch", "3", "y", "--", "-"}).raw.errors,
              ElementsAre("'x': not an option; cpssd takes options only, see --help",
                          "'y': not an option; cpssd takes options only, see --help",
                          "'--': not an option; cpssd takes options only, see --help",
                          "'-': not an option; cpssd takes options only, see --help"));
  EXPECT_THAT(read({""}).raw.errors,
              ElementsAre("'': not an option; cpssd takes options only, see --help"));
  EXPECT_THAT(read({"--help=3"}).raw.errors, ElementsAre("--help: takes no argument"));
  EXPECT_THAT(read({"--help="}).raw.errors, ElementsAre("--help: takes no argument"));
}

TEST(CommandLine, TakesNothingTwice) {
  EXPECT_THAT(read({"--batch", "3", "--batch", "3"}).raw.errors,
              ElementsAre("--batch: given twice; give it once"));
  EXPECT_THAT(read({"--listen", "a", "--listen", "b"}).raw.errors,
              ElementsAre("--listen: given twice; write one list, separated by commas"));
}

TEST(CommandLine, ReportsAllErrorsAndKeepsTheRest) {
  const CommandLine line = read({"--lisen", "a", "--config", "--batch", "3", "x", "--qslots"});
  EXPECT_THAT(line.raw.errors,
              ElementsAre("'--lisen': unknown option; did you mean --listen?",
                          "--config: needs an argument: --config FILE",
                          "'x': not an option; cpssd takes options only, see --help",
                          "--qslots: needs an argument: --qslots N"));
  EXPECT_THAT(settings_of(line), ElementsAre("--batch=3"));
}

TEST(CommandLine, KnowsActions) {
  for (const ActionInfo& row : kActionTable) {
    EXPECT_EQ(read({"--" + std::string(row.option)}).action, row.action);
    if (row.letter == 0) continue;
    EXPECT_EQ(read({std::string("-") + row.letter}).action, row.action);
  }
  EXPECT_EQ(read({"--check-config", "--check-config"}).action, Action::check_config);
}

TEST(CommandLine, PutsHelpFirstAndOtherwiseTakesOneAction) {
  EXPECT_EQ(read({"--check-config", "-V", "-h"}).action, Action::help);
  EXPECT_EQ(read({"--check-config", "-V"}).action, Action::version);
  EXPECT_THAT(read({"--check-config", "-V"}).raw.errors, IsEmpty());
  EXPECT_THAT(read({"--check-config", "--print-config"}).raw.errors,
              ElementsAre("--print-config: cannot be combined with --check-config; "
                          "give one of them"));
}

}  // namespace
}  // namespace cpss
