// What number data cost: time to load, memory for each row, time of a look-up.
//
//   number_table_bench DATA [QUESTIONS ...]
//
// DATA: CSV or an image, which may be compressed; QUESTIONS: a number on each line
// (scripts/make-numbers writes both). Prints ns for each look-up, median and least to most of
// several rounds, by batch size; without the text of the rows.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <sys/resource.h>

#include "numbers/number_data.h"

namespace {

using cpss::E164;
using cpss::NumberData;
using cpss::NumberMatch;

constexpr int kRounds = 7;
constexpr std::size_t kMinLookUps = 2'000'000;  // in a round

std::vector<E164> questions_in(const char* path) {
  std::ifstream file(path);
  std::vector<E164> questions;
  for (std::string line; std::getline(file, line);)
    if (const auto number = E164::parse_number(line)) questions.push_back(*number);
  return questions;
}

std::size_t find_all(const NumberData& data, std::span<const E164> questions, std::size_t batch) {
  std::vector<NumberMatch> matches(batch);
  std::size_t found = 0;
  while (!questions.empty()) {
    const std::size_t count = std::min(batch, questions.size());
    data.table().find(questions.first(count), std::span(matches).first(count));
    for (const NumberMatch& match : std::span(matches).first(count))
      found += match.value != cpss::image::kNoValue;
    questions = questions.subspan(count);
  }
  return found;
}

void measure(const NumberData& data, std::span<const E164> questions, std::size_t batch) {
  const std::size_t times = (kMinLookUps + questions.size() - 1) / questions.size();
  std::vector<double> ns;
  std::size_t found = 0;
  for (int round = 0; round < kRounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < times; ++i) found = find_all(data, questions, batch);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    ns.push_back(took.count() / static_cast<double>(times * questions.size()));
  }
  std::ranges::sort(ns);
  fmt::print("  batch of {:3}: {:6.1f} ns ({:.1f} to {:.1f}); {} of {} found\n", batch,
             ns[kRounds / 2], ns.front(), ns.back(), found, questions.size());
}

void run(std::span<char*> arguments) {
  const auto begin = std::chrono::steady_clock::now();
  const NumberData data = NumberData::load_file(arguments[0]);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto rows = static_cast<double>(data.about().rows);
  const std::size_t values =
      cpss::image::bytes_of(data.image(), cpss::image::PartId::values).size();
  fmt::print(
      "{} rows, {} values: ready after {:.3f} s; image {} bytes, {:.2f} a row besides the "
      "values; at most {:.1f} MiB of memory\n",
      data.about().rows, data.about().values, took.count(), data.image().size(),
      static_cast<double>(data.image().size() - values) / rows,
      static_cast<double>(usage.ru_maxrss) / 1024);
  for (const char* path : arguments.subspan(1)) {
    const std::vector<E164> questions = questions_in(path);
    fmt::print("{}\n", path);
    if (questions.empty()) continue;
    for (const std::size_t batch : {1U, 8U, 64U, 256U}) measure(data, questions, batch);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: number_table_bench DATA [QUESTIONS ...]\n");
    return 64;
  }
  try {
    run(std::span(argv + 1, static_cast<std::size_t>(argc) - 1));
  } catch (const std::exception& error) {
    fmt::print(stderr, "number_table_bench: {}\n", error.what());
    return 1;
  }
}
