#include "config/documents.h"

#include <cstdlib>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/action.h"
#include "config/help.h"
#include "config/table.h"
#include "tests/config/load_support.h"

namespace cpss {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// UPDATE_GENERATED=1 in the environment renews the files instead of comparing them.
void expect_committed(const std::string& name, const std::string& generated) {
  const std::string path = std::string(DOCS_DIRECTORY) + "/" + name;
  if (std::getenv("UPDATE_GENERATED") != nullptr) write_file(path, generated);
  EXPECT_EQ(read_file(path), generated)
      << path << " is out of date: run config_test with UPDATE_GENERATED=1 and commit it";
}

TEST(GeneratedPages, AreCommitted) {
  expect_committed("configuration.md", reference_page());
  expect_committed("cpssd.yaml", sample_yaml());
}

// A settings line of the sample begins with '#' and no blank behind it.
std::string with_settings_uncommented(const std::string& sample) {
  std::string out;
  for (const std::string& line : lines_of(sample)) {
    const std::size_t mark = line.find_first_not_of(' ');
    const bool setting = mark != std::string::npos && line[mark] == '#' && mark + 1 < line.size() &&
                         line[mark + 1] != ' ';
    out += setting ? line.substr(0, mark) + line.substr(mark + 1) : line;
    out += '\n';
  }
  return out;
}

TEST(SampleYaml, LoadsAndSaysNothing) {
  LoadResult result = load_yaml(sample_yaml());
  EXPECT_THAT(result.errors, IsEmpty());
  for (const SettingInfo& row : kSettingTable)
    EXPECT_EQ(result.is_set(row.id), row.id == Setting::config_file) << row.variable;
}

TEST(SampleYaml, LoadsUncommentedAndSaysTheDefaults) {
  LoadResult result = load_yaml(with_settings_uncommented(sample_yaml()));
  EXPECT_THAT(result.errors, IsEmpty());
  for (const SettingInfo& row : kSettingTable) EXPECT_TRUE(result.is_set(row.id)) << row.variable;
  result.settings.config_file.reset();
  EXPECT_EQ(result.settings, default_settings());
}

TEST(PrintConfig, SaysWhereEachValueCameFrom) {
  const LoadResult result =
      load({"--qslots", "5"}, {"CPSS_BATCH=7", "CPSS_LISTEN=127.0.0.1:1,[::1]:2"});
  const std::vector<std::string> lines = lines_of(print_config(result));
  EXPECT_THAT(lines, testing::IsSupersetOf({
                         "# config file: none  # default",
                         "listen: [\"127.0.0.1:1\", \"[::1]:2\"]        # CPSS_LISTEN",
                         "queue:",
                         "  slots: 5                                # --qslots",
                         "  batch: 7                                # CPSS_BATCH",
                         "  allow: []                               # default (everybody)",
                         "  message_size: 1024                      # default",
                     }));
}

TEST(PrintConfig, NamesTheLineOfTheFile) {
  const TemporaryFolder folder;
  const std::string path = folder.write("a.yaml", "queue:\n\n  batch: 7\n");
  EXPECT_THAT(print_config(load({"--config", path})),
              testing::AllOf(HasSubstr("# " + path + ":3\n"),
                             HasSubstr("# config file: " + path + "  # --config\n")));
}

TEST(PrintConfig, LoadsAgain) {
  const LoadResult first =
      load({"--listen", "0.0.0.0:1,[::1]:2", "--allow=10.0.0.0/8",
            "--trusted=", "--service-cpus=0,2-3", "--numbers", "C:\\a \"b\" #c",
            "--drain-timeout=0.125", "--histograms=0", "--socket-buffer=5000", "--msgsize=2k"});
  ASSERT_THAT(first.errors, IsEmpty());
  LoadResult second = load_yaml(print_config(first));
  EXPECT_THAT(second.errors, IsEmpty());
  second.settings.config_file.reset();
  EXPECT_EQ(second.settings, first.settings);
}

TEST(HelpText, IsCompleteAndFits) {
  const std::vector<NamedHelp> services{{"lookup", "numbers"}, {"echo", "any payload back"}};
  const std::string text = help_text(services);
  for (const SettingInfo& row : kSettingTable) {
    EXPECT_THAT(text, HasSubstr("--" + std::string(row.option) + " "));
    EXPECT_THAT(text, HasSubstr(std::string(row.variable)));
    EXPECT_THAT(text, HasSubstr(std::string(row.yaml_path)));
  }
  for (const ActionInfo& row : kActionTable)
    EXPECT_THAT(text, HasSubstr("--" + std::string(row.option)));
  EXPECT_THAT(text, HasSubstr("\n  echo                      any payload back\n"));
  for (const std::string& line : lines_of(text)) {
    EXPECT_LE(line.size(), 96U) << line;
    EXPECT_FALSE(line.ends_with(' ')) << line;
  }
  EXPECT_LT(text.find("Examples:"), text.find("--listen ADDRESSES"));
}

// The models that `text` names, in the order of kModels.
std::vector<std::string_view> models_in(std::string_view text) {
  std::vector<std::string_view> names;
  for (const ModelTraits& model : kModels)
    if (testing::Value(std::string(text),
                       testing::ContainsRegex(fmt::format("\\b{}\\b", model.name))))
      names.push_back(model.name);
  return names;
}

// These texts are prose, which is not made from the traits: whoever changes those learns it here.
TEST(HelpText, NamesTheModelsAsTheirTraitsHaveThem) {
  std::vector<std::string_view> all, with_handoff, never_without_workers;
  for (const ModelTraits& model : kModels) {
    all.push_back(model.name);
    if (model.handoff) with_handoff.push_back(model.name);
    if (model.workers == WorkerUse::required) never_without_workers.push_back(model.name);
  }
  EXPECT_EQ(models_in(info(Setting::model).help), all);
  EXPECT_EQ(models_in(info(Setting::sockets).help), with_handoff);
  EXPECT_EQ(models_in(info(Setting::worker_threads).help), never_without_workers);
  EXPECT_EQ(models_in(info(Setting::worker_queue).empty_means), never_without_workers);
}

// Every example of --help that is a command line of cpssd is one that loads.
TEST(HelpText, HasExamplesThatLoad) {
  int examples = 0;
  for (const std::string& line : lines_of(help_text({}))) {
    if (!line.starts_with("  cpssd")) continue;
    std::istringstream words(line.substr(0, line.find("   ", 2)));
    std::vector<std::string> arguments;
    std::string word;
    words >> word;
    while (words >> word && word != ">") {
      std::erase(word, '\'');
      arguments.push_back(word == "cpssd.yaml" ? "/dev/null" : word);
    }
    EXPECT_THAT(load(arguments).errors, IsEmpty()) << line;
    ++examples;
  }
  EXPECT_EQ(examples, 5);
}

TEST(Wrapped, BreaksAtBlanks) {
  EXPECT_EQ(wrapped("aa bb cc", 0, 5), "aa bb\ncc\n");
  EXPECT_EQ(wrapped("aa bb cc", 2, 7), "  aa bb\n  cc\n");
  EXPECT_EQ(wrapped("aaaaaaaa b", 0, 4), "aaaaaaaa\nb\n");
  EXPECT_EQ(wrapped("", 2, 10), "  \n");
}

}  // namespace
}  // namespace cpss
