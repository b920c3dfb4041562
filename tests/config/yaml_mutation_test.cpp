// Damaged settings files, loaded as real ones are: each loads or ends in errors that say where, in
// bounded time, and none ends the process.

#include <chrono>
#include <cstdio>
#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/documents.h"
#include "tests/config/load_support.h"
#include "tests/support/from_environment.h"
#include "tests/support/sanitizers.h"

namespace cpss {
namespace {

using test::from_environment;

// Copying the sanitizers' shadow memory makes fork(2) slow.
constexpr unsigned kDefaultMutations = kSanitized ? 1'000 : 10'000;
constexpr auto kLongestLoad = std::chrono::seconds(30);  // the parser's own limits are shorter

// Writes one file again and again.
class MutantFile {
 public:
  // The mistake in the handling of `yaml`; "" if there is none.
  std::string verdict(const std::string& yaml) {
    folder_.write("mutant.yaml", yaml);
    const auto begin = std::chrono::steady_clock::now();
    const LoadResult result = load({"--check-config", "--config", path_});
    const auto took = std::chrono::steady_clock::now() - begin;
    loaded_ += result.ok();
    if (took > kLongestLoad) return "took too long";
    if (result.exit_code != (result.ok() ? 0 : kExitConfig)) return "wrong exit code";
    for (const std::string& error : result.errors)
      if (!error.ends_with("more errors") && !names_a_position(error)) return error;
    return "";
  }
  unsigned loaded() const { return loaded_; }

 private:
  // FILE:line:column: text
  bool names_a_position(const std::string& error) const {
    unsigned line = 0;
    unsigned column = 0;
    int length = 0;
    return error.starts_with(path_) &&
           std::sscanf(error.c_str() + path_.size(), ":%u:%u: %n", &line, &column, &length) == 2 &&
           line > 0 && column > 0 && length > 0;
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.file("mutant.yaml");
  unsigned loaded_ = 0;
};

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  std::string mutate(std::string text) {
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) change(text);
    return text;
  }

 private:
  std::size_t below(std::size_t end) {
    return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_);
  }

  void change(std::string& text) {
    static const std::vector<std::string> kTokens{
        "!",  "&a ", "*a",   "<<: ", "[",      "]",  "{",       "}",       "- ",    "? ", ": ",
        ", ", "|\n", ">-\n", "\"",   "'",      "\t", "\n---\n", "\n...\n", "%TAG ", "\r", "#",
        "\\", "~",   "\n",   "  ",   "!!int ", "0x", "-1",      "é",       "\xff",  "@",  "`"};
    if (text.empty()) text = "a";
    const std::size_t at = below(text.size());
    switch (below(7)) {
      case 0:  // any byte
        text[at] = static_cast<char>(below(256));
        break;
      case 1:  // a byte with a meaning
        text[at] = "!&*[]{}-?:,|>\"'\t\n#%@`~\\ .0a"[below(28)];
        break;
      case 2:
        text.insert(at, kTokens[below(kTokens.size())]);
        break;
      case 3:
        text.erase(at, 1 + below(20));
        break;
      case 4:  // a piece repeated
        text.insert(below(text.size()), text.substr(at, 1 + below(200)));
        break;
      case 5:  // uncommented
        if (const std::size_t mark = text.find('#', at); mark != std::string::npos)
          text.erase(mark, 1);
        break;
      case 6:  // cut short
        if (below(20) == 0) text.resize(at);
        break;
    }
  }

  std::mt19937 random_;
};

// MUTATIONS in the environment asks for more or fewer, SEED for other ones.
TEST(YamlMutation, EndsInSettingsOrInErrorsThatSayWhere) {
  const unsigned seed = from_environment("SEED", 20260715);
  const unsigned count = from_environment("MUTATIONS", kDefaultMutations);
  const std::string whole = sample_yaml();
  // All settings and no comments, so that more of its bytes matter.
  const std::string dense = print_config(load({}));
  const std::vector<std::string> seeds{
      whole, dense, "queue:\n  slots: 8\n  batch: 2\nlisten: [127.0.0.1:1, '[::1]:2']\n",
      "{listen: \"127.0.0.1:1\", queue: {slots: 8, batch: 2}, stats: {histograms: true}}\n"};

  Mutator mutator(seed);
  MutantFile file;
  for (unsigned i = 0; i < count; ++i) {
    const std::string yaml = mutator.mutate(seeds[i % seeds.size()]);
    ASSERT_EQ(file.verdict(yaml), "") << "mutation " << i << " of seed " << seed << ":\n" << yaml;
  }
  // Some mutants load and some do not: the mutations are neither all harmless nor all fatal.
  if (count >= 1000) {
    EXPECT_GT(file.loaded(), count / 50);
    EXPECT_LT(file.loaded(), count - count / 50);
  }
}

std::string repeated(std::string_view unit, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += unit;
  return text;
}

// The shapes that crashed or hung releases of yaml-cpp, written by hand from their descriptions.
TEST(YamlCorpus, EndsInErrorsThatSayWhere) {
  const std::vector<std::pair<std::string, std::string>> corpus{
      {"CVE-2017-5950: deep flow maps", repeated("{", 100'000)},
      {"CVE-2018-20573, CVE-2019-6285: deep flow sequences", repeated("[", 100'000)},
      {"CVE-2018-20574: deep mixed", repeated("[{", 50'000)},
      {"CVE-2019-6292: deep single pairs", repeated("[a: ", 50'000)},
      {"deep block sequences", repeated("- ", 100'000)},
      {"deep complex keys", repeated("? ", 100'000)},
      {"deep tags", repeated("!a ", 50'000)},
      {"deep anchors", repeated("&a ", 50'000)},
      {"CVE-2017-11692: tag at the end", "!2"},
      {"tag handle without name", "!!"},
      {"verbatim tag without end", "a: !<tag:x"},
      {"tag directive without value", "%TAG"},
      {"tag directive cut short", "%TAG ! \n--- a"},
      {"version that is no number", "%YAML x.y\n---\na: 1\n"},
      {"two version directives", "%YAML 1.2\n%YAML 1.2\n---\na: 1\n"},
      {"directive without document", "%YAML 1.2\n"},
      {"anchor without name", "a: &"},
      {"alias without name", "a: *"},
      {"alias to nothing", "a: *b"},
      {"alias to itself", "a: &a [*a]"},
      {"closing without opening", "]"},
      {"closing the wrong one", "{a: [1}]"},
      {"value without key", ": : :"},
      {"comma without entry", "{,}"},
      {"escape cut short", "a: \"\\x"},
      {"escape of no character", "a: \"\\UFFFFFFFF\""},
      {"escape of a surrogate", "a: \"\\uD800\""},
      {"block scalar with a bad header", "a: |99999999999999999999\n b\n"},
      {"block scalar at the end", "a: |"},
      {"dash at the end", "a: -"},
      {"document marks alone", "---\n---\n---\n"},
      {"many documents", repeated("---\na: 1\n", 10'000)},
      {"quote across document marks", "a: 'b\n---\nc'\n"},
      {"many aliases", "a: &a x\nb: [" + repeated("*a, ", 10'000) + "]\n"},
      {"long key", repeated("k", 100'000) + ": 1\n"},
      {"key over lines", "? a\n  b\n: 1\n"},
      {"carriage returns only", "a: 1\rb: 2\r"},
      {"tab behind a dash", "a:\n-\tb\n"},
  };
  MutantFile file;
  for (const auto& [name, yaml] : corpus) EXPECT_EQ(file.verdict(yaml), "") << name;
}

}  // namespace
}  // namespace cpss
