// The data file: the numbers to look up, and the replies to expect.
//
//   number TAB body LF
//
// udpblast sends `number`, 1 to 15 digits with or without a '+' before them (ITU-T E.164, section
// 6), and expects `body` as the reply's body; an empty one means "not found". Nothing else may be
// in the file.
//
// The file is mapped, not copied: 8 bytes of memory for each line, and lines that are sent one
// after the other lie one after the other. It must not be cut short while it is in use (SIGBUS).
//
// Constant after construction, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace cpss::udpblast {

// what() has the path, the line if there is one, and says what to do.
class DataError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct DataLine {
  std::string_view number;
  std::string_view body;  // empty: not found
};

class DataFile {
 public:
  static constexpr std::size_t kLongestBody = 65'535 - 16;  // bytes, behind the native header

  // Reads and checks the whole file. Throws DataError.
  explicit DataFile(const std::string& path);
  ~DataFile();
  DataFile(const DataFile&) = delete;
  DataFile& operator=(const DataFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::size_t size() const noexcept { return lines_.size(); }  // at least 1
  DataLine operator[](std::size_t line) const noexcept;        // from 0

  std::size_t longest_number() const noexcept { return longest_number_; }  // bytes
  std::size_t longest_body() const noexcept { return longest_body_; }      // bytes

 private:
  // Where a line begins, and how long its number is. That is enough to find both parts, for the
  // body ends where the next line begins.
  class LineStart {
   public:
    LineStart(std::size_t offset, std::size_t number_length) noexcept
        : packed_(offset << 8 | number_length) {}
    std::size_t offset() const noexcept { return packed_ >> 8; }
    std::size_t number_length() const noexcept { return packed_ & 0xff; }

   private:
    std::uint64_t packed_;
  };

  void map();
  void index_lines();
  [[noreturn]] void fail(std::size_t line, std::string_view what) const;

  std::string path_;
  std::string_view text_;  // the mapping
  std::vector<LineStart> lines_;
  std::size_t longest_number_ = 0;
  std::size_t longest_body_ = 0;
};

}  // namespace cpss::udpblast
