// How long a look-up in the number table takes: NumberTable::find() by batch size, beside a hash
// table with one probe for each length a prefix may have, the layout that was not chosen.
//
//   number_table_bench              300,000 prefixes made up with the lengths of real ones
//   number_table_bench numbers.csv  the prefixes of a file
//
// Prints ns for each look-up, the median of several rounds over 2,000,000 random numbers.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>

#include "services/e164.h"
#include "services/number_csv.h"

namespace {

using cpss::E164;
using cpss::NumberTable;

constexpr std::size_t kQueries = 2'000'000;
constexpr int kRounds = 5;

std::string random_digits(std::mt19937_64& random, std::size_t count) {
  std::string digits;
  while (digits.size() < count) digits.push_back(static_cast<char>('0' + random() % 10));
  return digits;
}

std::vector<std::string> made_up_prefixes(std::size_t count) {
  std::mt19937_64 random(1);
  std::vector<std::string> prefixes;
  // Real plans are crowded: a few hundred country and area codes share all the prefixes.
  std::vector<std::string> areas;
  for (int i = 0; i < 500; ++i) areas.push_back(random_digits(random, 4));
  while (prefixes.size() < count) {
    while (prefixes.size() < count + count / 10)
      prefixes.push_back(areas[random() % areas.size()] + random_digits(random, random() % 6));
    std::ranges::sort(prefixes);
    prefixes.erase(std::ranges::unique(prefixes).begin(), prefixes.end());
  }
  std::ranges::shuffle(prefixes, random);
  prefixes.resize(count);
  return prefixes;
}

std::vector<std::string> prefixes_in(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> prefixes;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) prefixes.push_back(line.substr(0, line.find(',')));
  return prefixes;
}

std::vector<E164> make_queries(const std::vector<std::string>& prefixes) {
  std::mt19937_64 random(2);
  std::vector<E164> queries;
  for (std::size_t i = 0; i < kQueries; ++i) {
    const std::string& prefix = prefixes[random() % prefixes.size()];
    const std::string number =
        prefix + random_digits(random, 1 + random() % (E164::kMaxDigits - 1));
    queries.push_back(*E164::parse_digits(std::string_view(number).substr(0, E164::kMaxDigits)));
  }
  return queries;
}

template <class Run>
void report(std::string_view name, Run run) {
  std::vector<double> ns;
  std::size_t found = 0;
  for (int round = 0; round < kRounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    found = run();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    ns.push_back(took.count() / static_cast<double>(kQueries));
  }
  std::ranges::sort(ns);
  fmt::print("{:<28} {:7.1f} ns   best {:.1f}, worst {:.1f}; bytes found {}\n", name,
             ns[kRounds / 2], ns.front(), ns.back(), found);
}

std::size_t find_all(const NumberTable& table, std::span<const E164> queries, std::size_t batch) {
  std::vector<std::string_view> texts(batch);
  std::size_t bytes = 0;
  while (!queries.empty()) {
    const std::size_t count = std::min(batch, queries.size());
    table.find(queries.first(count), std::span(texts).first(count));
    for (const std::string_view text : std::span(texts).first(count)) bytes += text.size();
    queries = queries.subspan(count);
  }
  return bytes;
}

void run(int argc, char** argv) {
  const std::vector<std::string> prefixes =
      argc > 1 ? prefixes_in(argv[1]) : made_up_prefixes(300'000);
  std::string csv = "prefix,gateway\n";
  for (const std::string& prefix : prefixes) csv += prefix + ",gw1.example.net\n";

  const auto begin = std::chrono::steady_clock::now();
  const NumberTable table = cpss::parse_numbers(csv, "benchmark");
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  fmt::print("{} prefixes, read and built in {:.0f} ms\n", table.size(), took.count());

  const std::vector<E164> queries = make_queries(prefixes);
  for (const std::size_t batch : {1U, 8U, 64U, 256U})
    report(fmt::format("find, batch of {}", batch),
           [&] { return find_all(table, queries, batch); });

  std::unordered_map<std::uint64_t, std::string> hashed;
  std::array<bool, E164::kMaxDigits + 1> lengths{};
  for (const std::string& prefix : prefixes) {
    hashed[E164::parse_digits(prefix)->packed()] = "prefix=" + prefix + ";gateway=gw1.example.net";
    lengths[prefix.size()] = true;
  }
  report("hash, one probe a length", [&] {
    std::size_t bytes = 0;
    for (const E164 query : queries) {
      for (std::size_t length = query.size(); length > 0; --length) {
        if (!lengths[length]) continue;
        const auto hit = hashed.find(query.packed() & ~(~std::uint64_t{0} >> 4 * length));
        if (hit == hashed.end()) continue;
        bytes += hit->second.size();
        break;
      }
    }
    return bytes;
  });
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "number_table_bench: {}\n", error.what());
    return 1;
  }
}
