#include "tools/udpblast/data_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file_descriptor.h"
#include "base/quote.h"

namespace cpss::udpblast {
namespace {

constexpr std::size_t kMaxDigits = 15;

bool is_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  return !text.empty() && text.size() <= kMaxDigits &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

DataFile::DataFile(const std::string& path) : path_(path) {
  map();
  try {
    index_lines();
  } catch (...) {
    ::munmap(const_cast<char*>(text_.data()), text_.size());
    throw;
  }
}

DataFile::~DataFile() {
  ::munmap(const_cast<char*>(text_.data()), text_.size());
}

DataLine DataFile::operator[](std::size_t line) const noexcept {
  const LineStart start = lines_[line];
  const std::size_t body = start.offset() + start.number_length() + 1;
  std::size_t end = line + 1 < lines_.size() ? lines_[line + 1].offset() - 1 : text_.size();
  // The last line may or may not end in a line feed.
  if (line + 1 == lines_.size() && text_.back() == '\n') --end;
  return {text_.substr(start.offset(), start.number_length()), text_.substr(body, end - body)};
}

void DataFile::map() {
  // O_NONBLOCK: a FIFO is refused below instead of being waited for.
  const FileDescriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) throw DataError(fmt::format("{}: {}", path_, std::strerror(errno)));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0)
    throw DataError(fmt::format("{}: {}", path_, std::strerror(errno)));
  if (!S_ISREG(status.st_mode))
    throw DataError(fmt::format("{}: not a regular file; -d maps the file into memory", path_));
  if (status.st_size == 0)
    throw DataError(fmt::format("{}: the file is empty; expected lines of number TAB body", path_));

  const auto bytes = static_cast<std::size_t>(status.st_size);
  void* memory = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file.get(), 0);
  if (memory == MAP_FAILED)
    throw DataError(fmt::format("{}: cannot be mapped: {}", path_, std::strerror(errno)));
  text_ = {static_cast<const char*>(memory), bytes};
}

void DataFile::index_lines() {
  lines_.reserve(static_cast<std::size_t>(std::ranges::count(text_, '\n')) + 1);
  for (std::size_t begin = 0; begin < text_.size();) {
    const std::size_t line = lines_.size() + 1;
    const std::size_t end = std::min(text_.find('\n', begin), text_.size());
    const std::string_view whole = text_.substr(begin, end - begin);
    const std::size_t tab = whole.find('\t');
    if (tab == std::string_view::npos)
      fail(line, "no TAB; a line is a number, a TAB and the body to expect (empty: not found)");
    const std::string_view number = whole.substr(0, tab);
    const std::string_view body = whole.substr(tab + 1);
    if (!is_number(number))
      fail(line, fmt::format("{} is not a number of 1 to {} digits with or without a + before",
                             in_quotes(number), kMaxDigits));
    if (body.size() > kLongestBody)
      fail(line,
           fmt::format("a body of {} bytes; a reply has room for {}", body.size(), kLongestBody));
    // E.164 numbers and reply bodies never have control characters; a CR is the usual surprise.
    const auto control = std::ranges::find_if(
        body, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
    if (control != body.end())
      fail(line, fmt::format("control character 0x{:02x} in the body{}",
                             static_cast<unsigned char>(*control),
                             *control == '\r' ? "; lines must end in LF, not in CR LF" : ""));
    lines_.emplace_back(begin, number.size());
    longest_number_ = std::max(longest_number_, number.size());
    longest_body_ = std::max(longest_body_, body.size());
    begin = end + 1;
  }
}

void DataFile::fail(std::size_t line, std::string_view what) const {
  throw DataError(fmt::format("{}:{}: {}", path_, line, what));
}

}  // namespace cpss::udpblast
