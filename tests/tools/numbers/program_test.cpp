// cpss-numbers as a program: its outputs, its files and its exit codes.
#include "tests/support/program.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kData =
    "prefix,priority,gateway,carrier\n"
    "1201555,0,gw1,Some\n"
    "12015550123,0,gw2,\"Other, Ltd\"\n"
    "44,0,gw3,\n"
    "44,5,gw4,\n";

class CpssNumbers : public testing::Test {
 protected:
  static Finished run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), CPSS_NUMBERS_TOOL);
    return run_program(std::move(arguments));
  }
  // The output of a run that ends well.
  static std::string good(const std::vector<std::string>& arguments) {
    const Finished finished = run(arguments);
    EXPECT_EQ(finished.code, 0) << finished.errors;
    EXPECT_EQ(finished.errors, "");
    return finished.output;
  }
  static void expect_complaint(const std::vector<std::string>& arguments, int code,
                               const testing::Matcher<std::string>& complaint) {
    const Finished finished = run(arguments);
    EXPECT_EQ(finished.code, code) << finished.errors;
    EXPECT_THAT(finished.errors, complaint);
    EXPECT_EQ(finished.output, "");
  }
  std::string image_of(const std::string& csv, const std::string& name = "image") {
    const std::string image = folder_.file(name);
    good({"build", folder_.write(name + ".csv", csv), "-o", image, "--serial", "7"});
    return image;
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
      names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
  }

  const TemporaryFolder folder_;
};

TEST_F(CpssNumbers, BuildsAnImageThatSaysWhatItIs) {
  const std::string image = image_of(kData);
  EXPECT_EQ(good({"check", image}), image + ": good: 4 rows, 3 prefixes\n");
  const auto json = nlohmann::json::parse(good({"info", image, "--json"}));
  EXPECT_EQ(json.at("source"), folder_.file("image.csv"));
  EXPECT_EQ(json.at("serial"), 7);
  EXPECT_EQ(json.at("rows"), 4);
  EXPECT_EQ(json.at("prefixes"), 3);
  EXPECT_EQ(json.at("columns"),
            (std::vector<std::string>{"prefix", "priority", "gateway", "carrier"}));
  EXPECT_EQ(json.at("bytes"), std::filesystem::file_size(image));
  EXPECT_THAT(good({"info", image}), HasSubstr("\nserial    7\n"));
  EXPECT_THAT(files(), testing::ElementsAre("image", "image.csv"));
}

TEST_F(CpssNumbers, ShowsWhichRowAnswersAndWhy) {
  const std::string image = image_of(kData);
  EXPECT_EQ(good({"show", image, "12015550123", "+120155501", "4412", "39"}),
            "12015550123: the row of 12015550123, the whole number\n"
            "  priority=0;gateway=gw2;carrier=Other, Ltd\n"
            "120155501: the row of 1201555, its longest prefix that is there, 7 of 9 digits\n"
            "  priority=0;gateway=gw1;carrier=Some\n"
            "  longer rows begin with it\n"
            "4412: the row of 44, its longest prefix that is there, 2 of 4 digits\n"
            "  priority=0;gateway=gw3\n"
            "  priority=5;gateway=gw4\n"
            "39: no row: no prefix of it is there\n");
  expect_complaint({"show", image, "44x"}, 66, HasSubstr("'44x' is no number"));
}

TEST_F(CpssNumbers, ExportsWhatWasBuilt) {
  const std::string image = image_of(kData);
  EXPECT_EQ(good({"export", image}), kData);
  EXPECT_EQ(good({"export", folder_.file("image.csv")}), kData);
}

// Rows in groups and in nodes, with changes everywhere.
TEST_F(CpssNumbers, WhatDiffersApplied) {
  std::string before = "prefix,rn\n", after = "prefix,rn\n";
  for (int i = 0; i < 5'000; ++i) {
    const std::string number = fmt::format("{}", 12015550000 + i * 7);
    if (i % 11 != 0) before += fmt::format("{},{}\n", number, i % 90);
    if (i % 13 != 0) after += fmt::format("{},{}\n", number, i % 17 == 0 ? 99 : i % 90);
  }
  before += "44,1\n4420,2\n";
  after += "44,1\n4930,\"a,b\"\n";
  const std::string a = image_of(before, "a"), b = image_of(after, "b");
  const Finished diff = run({"diff", a, b});
  EXPECT_EQ(diff.code, 1) << diff.errors;
  EXPECT_THAT(diff.output, StartsWith("change,prefix,rn\n"));
  EXPECT_THAT(diff.output, HasSubstr("\nremove,4420,\nset,4930,\"a,b\"\n"));
  const std::string changes = folder_.write("changes", diff.output);
  const std::string c = folder_.file("c");
  good({"apply", a, changes, "-o", c});
  EXPECT_EQ(good({"diff", c, b}), "change,prefix,rn\n");
  EXPECT_EQ(good({"export", c}), good({"export", b}));
  EXPECT_GT(nlohmann::json::parse(good({"info", c, "--json"})).at("serial"), 7);
}

// Changes may spell columns otherwise, bring new ones, and leave old ones out: what comes of it can
// be written as CSV, and is the same when that is read.
TEST_F(CpssNumbers, ChangesWithOtherColumnsApply) {
  const std::string image = image_of(kData);
  const std::string out = folder_.file("new");
  const auto applied = [&](const std::string& from, const std::string& changes) {
    good({"apply", from, folder_.write("changes", changes), "-o", out});
    const std::string csv = good({"export", out});
    const std::string again = image_of(csv, "again");
    EXPECT_EQ(good({"export", again}), csv);
    EXPECT_EQ(run({"diff", out, again}).code, 0);
    return csv;
  };
  EXPECT_EQ(applied(image, "CHANGE,Prefix,GATEWAY,zone\nset,44,gw9,z\nset,45,gw8,\n"),
            "prefix,priority,gateway,carrier,zone\n"
            "1201555,0,gw1,Some,\n"
            "12015550123,0,gw2,\"Other, Ltd\",\n"
            "44,,gw9,,z\n"
            "45,,gw8,,\n");
  const auto json = nlohmann::json::parse(good({"info", out, "--json"}));
  EXPECT_EQ(json.at("rows"), 4);
  EXPECT_EQ(json.at("prefixes"), 4);
  // Routes that nobody has changed are all still there.
  good({"apply", image, folder_.write("changes", "change,prefix\nset,46\n"), "-o", out});
  EXPECT_EQ(nlohmann::json::parse(good({"info", out, "--json"})).at("rows"), 5);
  // Routes where there were none.
  EXPECT_EQ(applied(image_of("prefix,gateway\n44,gw1\n45,gw2\n", "plain"),
                    "change,prefix,priority,gateway\nset,45,3,gw3\nset,45,1,gw4\n"),
            "prefix,gateway,priority\n44,gw1,\n45,gw4,1\n45,gw3,3\n");
}

// A serial never becomes smaller.
TEST_F(CpssNumbers, TheHighestSerialStays) {
  const std::string data = folder_.write("data", kData);
  const std::string image = folder_.file("image"), out = folder_.file("new");
  good({"build", data, "-o", image, "--serial", "18446744073709551615"});
  good({"apply", image, folder_.write("changes", "change,prefix\nset,46\n"), "-o", out});
  EXPECT_EQ(nlohmann::json::parse(good({"info", out, "--json"})).at("serial"),
            18446744073709551615U);
}

// JSON is UTF-8, names of files are bytes; an image has room for 63 of them.
TEST_F(CpssNumbers, InfoIsJsonWhateverNamesThereAre) {
  const std::string image = folder_.file("image");
  for (const std::string& name : {std::string("caf\xe9"), "x" + std::string(60, 'y') + "\xc3\xa9",
                                  std::string(70, 'z') + "\xc3\xa9"}) {
    const std::string folder = std::filesystem::current_path();
    std::filesystem::current_path(folder_.path());
    write_file(name, kData);
    good({"build", name, "-o", image});
    std::filesystem::current_path(folder);
    const auto json = nlohmann::json::parse(good({"info", image, "--json"}));
    const std::string source = json.at("source");
    EXPECT_TRUE(source == "caf\xef\xbf\xbd" || name.starts_with(source)) << source;
    EXPECT_LE(source.size(), 63u);
  }
}

TEST_F(CpssNumbers, ReplacesNothingButFiles) {
  const std::string data = folder_.write("data", kData);
  expect_complaint({"build", data, "-o", "/dev/null"}, 73,
                   HasSubstr("/dev/null: cannot be replaced: it is no file"));
  const std::string link = folder_.file("link");
  std::filesystem::create_symlink("data", link);
  good({"build", data, "-o", link});
  EXPECT_FALSE(std::filesystem::is_symlink(link)) << "as rename(2) does";
  EXPECT_EQ(read_file(data), kData);
}

TEST_F(CpssNumbers, ChangesNameWhatIsWrongWithThem) {
  const std::string image = image_of(kData);
  const auto apply = [&](const std::string& changes) {
    return std::vector<std::string>{"apply", image, folder_.write("changes", changes), "-o",
                                    folder_.file("new")};
  };
  expect_complaint(apply("prefix\n44\n"), 66, HasSubstr("changes:1: no column 'change'"));
  expect_complaint(apply("change,prefix\nadd,44\n"), 66,
                   HasSubstr("changes:2: change 'add' is neither 'set' nor 'remove'"));
  expect_complaint(apply("change,prefix\nremove,1201555\nremove,12015550123\nremove,44\n"), 66,
                   HasSubstr("no row is left"));
  EXPECT_THAT(files(), testing::ElementsAre("changes", "image", "image.csv"));
}

TEST_F(CpssNumbers, TakesBulkFilesAsTheyCome) {
  const std::string data = folder_.write("bulk", "12015550123|5005|x\n12015550124|5006|y\n");
  const std::string image = folder_.file("image");
  good({"build", data, "-o", image, "--no-header", "--delimiter", "|", "--column", "prefix=1",
        "--column", "rn=2"});
  EXPECT_EQ(good({"export", image}), "prefix,rn\n12015550123,5005\n12015550124,5006\n");
}

TEST_F(CpssNumbers, ADamagedImageIsNamedWithItsPart) {
  const std::string image = image_of(kData);
  std::string bytes = read_file(image);
  bytes[bytes.size() / 2] ^= 1;
  write_file(image, bytes);
  expect_complaint({"check", image}, 66,
                   HasSubstr("the image is damaged: root: its checksum does not fit"));
}

// What was there stays until there is something better.
TEST_F(CpssNumbers, AFailedBuildLeavesTheOldImage) {
  const std::string image = image_of(kData);
  expect_complaint({"build", folder_.write("bad.csv", "prefix\nx\n"), "-o", image}, 66,
                   HasSubstr("bad.csv:2: prefix 'x' is not 1 to 15 digits"));
  EXPECT_EQ(good({"export", image}), kData);
  EXPECT_THAT(files(), testing::ElementsAre("bad.csv", "image", "image.csv"));
}

TEST_F(CpssNumbers, SaysWhatCannotBeWritten) {
  const std::string data = folder_.write("data", kData);
  const std::string nowhere = folder_.file("nowhere/image");
  expect_complaint({"build", data, "-o", nowhere}, 73,
                   HasSubstr(nowhere + ": cannot be made: No such file or directory"));
  expect_complaint({"build", data, "-o", folder_.path()}, 73,
                   HasSubstr(": cannot be replaced: it is no file"));
  EXPECT_THAT(files(), testing::ElementsAre("data"));
  const Finished full = run_program(
      {"/bin/sh", "-c", "exec \"$0\" \"$@\" >/dev/full", CPSS_NUMBERS_TOOL, "export", data});
  EXPECT_EQ(full.code, 73);
  EXPECT_THAT(full.errors, HasSubstr("standard output"));
}

TEST_F(CpssNumbers, SaysHowItIsUsed) {
  EXPECT_THAT(good({"--help"}), HasSubstr("Usage: cpss-numbers COMMAND"));
  EXPECT_THAT(good({"--version"}), StartsWith("cpss-numbers "));
  const struct {
    std::vector<std::string> arguments;
    const char* complaint;
  } cases[] = {
      {{}, "a command is missing"},
      {{"make"}, "no command 'make'; there are: build, check"},
      {{"build", "a"}, "build needs -o FILE"},
      {{"build", "-o", "a"}, "usage: cpss-numbers build DATA -o FILE"},
      {{"check", "a", "-o", "b"}, "check takes no -o"},
      {{"check", "a", "--json"}, "check takes no --json"},
      {{"check", "a", "--serial", "1"}, "check takes no --serial"},
      {{"build", "a", "-o", "b", "--serial", "x"}, "--serial x: not a number"},
      {{"check", "a", "--column", "prefix"}, "--column prefix: not OURS=THEIRS"},
      {{"check", "a", "--delimiter", "ab"}, "--delimiter ab: not one character"},
      {{"check", "a", "--no-header"}, "--no-header: the prefix needs a column"},
      {{"check", "a", "--nix"}, "unrecognised option '--nix'"},
  };
  for (const auto& c : cases) expect_complaint(c.arguments, 64, HasSubstr(c.complaint));
}

}  // namespace
}  // namespace cpss
