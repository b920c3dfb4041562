// Number data that the commands read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "numbers/byte_source.h"
#include "numbers/number_data.h"
#include "tools/numbers/options.h"

namespace cpss::numbers_tool {

// A file, with a line on the terminal, where standard error is one, that says how much is read.
class WatchedFile final : public ByteSource {
 public:
  explicit WatchedFile(const std::string& path);
  ~WatchedFile() override;
  std::size_t read(std::span<char> room) override;

 private:
  FileSource file_;
  std::uint64_t size_ = 0;   // bytes; 0: not known, or nobody watches
  std::uint64_t read_ = 0;   // bytes
  std::uint64_t shown_ = 0;  // percent
};

// An image, or the image of CSV data.
NumberData load(const std::string& path, const Options& options);
// CSV alone: rows.
LoadedNumbers load_rows(const std::string& path, const Options& options);
// CSV alone: changes of rows of an image with these columns.
LoadedNumbers load_changes(const std::string& path, const Options& options,
                           std::vector<std::string> columns);

}  // namespace cpss::numbers_tool
