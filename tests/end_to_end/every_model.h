// The server models, for tests that run under each of them.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/program.h"

namespace cpss {

struct ModelUnderTest {
  std::string name;
  Environment environment;

  // GoogleTest prints the parameter as this in its messages.
  friend void PrintTo(const ModelUnderTest& model, std::ostream* out) { *out << model.name; }
};

// The models that take one socket for each address.
inline std::vector<ModelUnderTest> every_model() {
  return {{"seda", {{"CPSS_MODEL", "seda"}}},
          {"sped", {{"CPSS_MODEL", "sped"}}},
          {"symped", {{"CPSS_MODEL", "symped"}}},
          {"symped_handoff", {{"CPSS_MODEL", "symped"}, {"CPSS_SOCKETS", "handoff"}}},
          {"amped", {{"CPSS_MODEL", "amped"}}},
          {"mp_prefork", {{"CPSS_MODEL", "mp"}}},
          {"mp_fork", {{"CPSS_MODEL", "mp"}, {"CPSS_MP", "fork"}}}};
}

// The environment of the model, with `more`.
inline Environment under(const ModelUnderTest& model, Environment more) {
  more.insert(model.environment.begin(), model.environment.end());
  return more;
}

inline std::string model_name(const testing::TestParamInfo<ModelUnderTest>& model) {
  return model.param.name;
}

}  // namespace cpss
