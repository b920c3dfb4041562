#include "tools/numbers/data_files.h"

#include <cstdio>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cpss::numbers_tool {
namespace {

Rows rows_of(const Options& options) {
  return options.allow_empty ? Rows::may_be_none : Rows::needed;
}

LoadedNumbers load_csv(const std::string& path, const NumberFormat& format, Rows rows) {
  WatchedFile file(path);
  UnpackedSource unpacked(file, path);
  const std::string_view begin = unpacked.peek(image::kMagic.size());
  if (is_image(std::as_bytes(std::span(begin))))
    throw NumberDataError(fmt::format("{}: is an image; CSV data are needed here", path));
  return load_numbers(unpacked, path, format, rows);
}

}  // namespace

WatchedFile::WatchedFile(const std::string& path) : file_(path, kInputPatience) {
  struct stat info {};
  if (::isatty(STDERR_FILENO) == 1 && ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode))
    size_ = static_cast<std::uint64_t>(info.st_size);
}

WatchedFile::~WatchedFile() {
  if (shown_ > 0) std::fputs("\r\x1b[K", stderr);
}

std::size_t WatchedFile::read(std::span<char> room) {
  const std::size_t got = file_.read(room);
  read_ += got;
  if (size_ > 0)
    if (const std::uint64_t percent = 100 * read_ / size_; percent > shown_) {
      shown_ = percent;
      std::fputs(fmt::format("\rreading: {} %", percent).c_str(), stderr);
    }
  return got;
}

NumberData load(const std::string& path, const Options& options) {
  WatchedFile file(path);
  return NumberData::load(file, path, options.format, rows_of(options));
}

LoadedNumbers load_rows(const std::string& path, const Options& options) {
  return load_csv(path, options.format, rows_of(options));
}

LoadedNumbers load_changes(const std::string& path, const Options& options,
                           std::vector<std::string> columns) {
  NumberFormat format = options.format;
  format.changes = true;
  format.known = std::move(columns);
  return load_csv(path, format, Rows::may_be_none);
}

}  // namespace cpss::numbers_tool
