// A place where the tests' server stops as long as a file exists: the tests hold it there, look at
// what happens meanwhile, and let it go on by removing the file.
#pragma once

#include <string>

namespace cpss {

class Gate {
 public:
  // An environment variable has the file's name; if it is not set the gate is always open.
  explicit Gate(const char* variable);
  bool open() const;
  void pass() const;  // waits until it is open

 private:
  std::string file_;
};

}  // namespace cpss
