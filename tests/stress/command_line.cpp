#include "tests/stress/command_line.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <getopt.h>

#include "tests/stress/mutants.h"

namespace cpss {
namespace {

[[noreturn]] void misused(const std::string& what, const char* usage) {
  fmt::print(stderr, "{}\n{}", what, usage);
  std::exit(2);
}

}  // namespace

Mutant parse_command_line(int argc, char** argv, const char* usage,
                          std::initializer_list<NumberOption> numbers) {
  std::vector<option> options;
  for (const NumberOption& number : numbers)
    options.push_back({number.name, required_argument, nullptr, 'n'});
  options.push_back({"mutant", required_argument, nullptr, 'm'});
  options.push_back({"list", no_argument, nullptr, 'l'});
  options.push_back({});
  Mutant mutant = Mutant::none;
  int index = 0;
  for (int c = 0; (c = getopt_long(argc, argv, "", options.data(), &index)) != -1;) {
    switch (c) {
      case 'n': {
        const NumberOption& number = numbers.begin()[index];
        const std::string_view text = optarg;
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), *number.value);
        if (error != std::errc{} || end != text.data() + text.size())
          misused(fmt::format("--{}: '{}' is not a whole number", number.name, text), usage);
        break;
      }
      case 'm': {
        const std::optional<Mutant> named = mutant_named(optarg);
        if (!named) misused(fmt::format("--mutant: no mutant is called '{}'", optarg), usage);
        mutant = *named;
        break;
      }
      case 'l':
        for (const std::string_view name : kMutantNames) fmt::print("{}\n", name);
        std::exit(0);
      default:
        misused("unknown option", usage);
    }
  }
  if (optind < argc) misused(fmt::format("unexpected argument '{}'", argv[optind]), usage);
  return mutant;
}

}  // namespace cpss
