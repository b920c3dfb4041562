// The lines of a source, one after the other, without having all of it in memory.
//
// One thread per object.
#pragma once

#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "numbers/byte_source.h"

namespace cpss {

class LineReader {
 public:
  static constexpr std::size_t kMaxLine = 1 << 20;  // bytes

  explicit LineReader(ByteSource& source) : source_(source), buffer_(2 * kMaxLine) {}

  // The next line without its end (LF or CRLF), valid until the next call. False: there is none.
  // Throws std::length_error if it is longer than kMaxLine, and what the source throws.
  bool next(std::string_view& line) {
    for (;;) {
      const char* const begin = buffer_.data() + begin_;
      const auto* const end =
          static_cast<const char*>(std::memchr(begin + looked_, '\n', end_ - begin_ - looked_));
      if (end != nullptr) {
        line = {begin, static_cast<std::size_t>(end - begin)};
        begin_ += line.size() + 1;
        looked_ = 0;
        break;
      }
      looked_ = end_ - begin_;
      if (looked_ > kMaxLine) throw std::length_error("a line is longer than 1 MiB");
      if (fill()) continue;
      if (begin_ == end_) return false;
      line = {buffer_.data() + begin_, end_ - begin_};
      begin_ = end_;
      looked_ = 0;
      break;
    }
    if (line.ends_with('\r')) line.remove_suffix(1);
    return true;
  }

 private:
  bool fill() {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    const std::size_t got = source_.read(std::span(buffer_).subspan(end_));
    end_ += got;
    return got > 0;
  }

  ByteSource& source_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;   // of what is not taken yet
  std::size_t end_ = 0;     // of what is there
  std::size_t looked_ = 0;  // bytes behind begin_ without a line end
};

}  // namespace cpss
