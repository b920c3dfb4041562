// The configurations of a server that the conformance suite of the server models runs
// (models_test.cpp), and what can be seen of each.
#pragma once

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/program.h"

namespace cpss {

using Names = std::vector<std::string>;

struct ModelCase {
  std::string name;
  Environment settings;
  std::string model;
  Names stages;
  Names receivers;  // the lanes that receive
  // Whether a lane receives while a service stands still with a message in the only slot.
  bool sheds = false;
  // A setting that has no meaning for the model, and the models for which it has one.
  std::pair<std::string, std::string> others;
};

inline void PrintTo(const ModelCase& one, std::ostream* out) {
  *out << one.name;
}

std::vector<ModelCase> model_cases();

}  // namespace cpss
