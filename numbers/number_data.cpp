#include "numbers/number_data.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "numbers/number_columns.h"

namespace cpss {
namespace {

constexpr std::size_t kCopied = 1 << 20;  // bytes at a time

FileDescriptor new_file() {
  FileDescriptor file(::memfd_create("cpss-numbers", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (file.get() < 0)
    throw std::system_error(errno, std::generic_category(), "memory for number data");
  return file;
}

void append(const FileDescriptor& file, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      throw std::system_error(errno, std::generic_category(), "memory for number data");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

}  // namespace

NumberData NumberData::load(ByteSource& bytes, const std::string& source,
                            const NumberFormat& format, Rows rows) {
  UnpackedSource unpacked(bytes, source);
  const std::string_view begin = unpacked.peek(image::kMagic.size());
  if (is_image(std::as_bytes(std::span(begin)))) return {copy_of(unpacked), source};
  const BuiltImage built = build_image(load_numbers(unpacked, source, format, rows), source);
  FileDescriptor file = new_file();
  built.write([&](std::span<const std::byte> part) { append(file, part); });
  return {std::move(file), source};
}

NumberData NumberData::load_file(const std::string& path, Rows rows,
                                 std::chrono::milliseconds patience) {
  FileSource file(path, patience);
  return load(file, path, {}, rows);
}

NumberData NumberData::of_prepared(FileDescriptor file) {
  return {std::move(file), "prepared data"};
}

FileDescriptor NumberData::copy_of(ByteSource& bytes) {
  FileDescriptor file = new_file();
  std::vector<char> room(kCopied);
  for (;;) {
    const std::size_t got = bytes.read(room);
    if (got == 0) return file;
    append(file, std::as_bytes(std::span(room).first(got)));
  }
}

NumberData::NumberData(FileDescriptor file, const std::string& source) : file_(std::move(file)) {
  struct stat info {};
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  const bool sealed = ::fcntl(file_.get(), F_GET_SEALS) == kSeals;
  if (::fstat(file_.get(), &info) != 0 ||
      (!sealed && ::fcntl(file_.get(), F_ADD_SEALS, kSeals) != 0))
    throw std::system_error(errno, std::generic_category(), "memory for number data");
  const auto size = static_cast<std::size_t>(info.st_size);
  void* const memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_POPULATE, file_.get(), 0);
  if (memory == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(), "memory for number data");
  image_ = {static_cast<const std::byte*>(memory), size};
  try {
    if (!sealed) check_image(image_);
  } catch (const ImageError& error) {
    ::munmap(memory, size);
    throw NumberDataError(
        fmt::format("{}: the image is damaged: {}; nothing was loaded", source, error.what()));
  }
  table_ = NumberTable(image_);
  for (const std::string& column : image::columns_of(image_))
    if (is_same_column(column, NumberColumns::kPrefix)) prefix_column_ = column;
}

NumberData::NumberData(NumberData&& other) noexcept
    : file_(std::move(other.file_)),
      image_(std::exchange(other.image_, {})),
      table_(std::exchange(other.table_, {})),
      prefix_column_(std::move(other.prefix_column_)) {}

NumberData::~NumberData() {
  if (!image_.empty()) ::munmap(const_cast<std::byte*>(image_.data()), image_.size());
}

std::string_view leading_pairs(std::string_view text, std::size_t room) noexcept {
  if (text.size() <= room) return text;
  const std::size_t end = text.rfind(';', room);
  return end == std::string_view::npos ? std::string_view{} : text.substr(0, end);
}

std::size_t row_size(const NumberData& data, const NumberMatch& match, std::size_t room) noexcept {
  std::size_t length = data.prefix_column().size() + 1 + match.digits;
  if (length > room) return 0;
  std::array<std::string_view, image::kMaxRoutes> texts;
  for (const std::string_view text : data.table().values().texts(match.value, texts)) {
    const std::size_t fits = leading_pairs(text, room - length).size();
    length += fits;
    if (fits < text.size()) break;
  }
  return length;
}

std::size_t write_row(const NumberData& data, const NumberMatch& match, E164 number,
                      std::span<char> room) noexcept {
  const std::size_t length = row_size(data, match, room.size());
  if (length == 0) return 0;
  char* to = std::ranges::copy(data.prefix_column(), room.data()).out;
  *to++ = '=';
  std::uint64_t digits = number.packed();
  for (unsigned i = 0; i < match.digits; ++i, digits <<= 4)
    *to++ = static_cast<char>('0' + (digits >> 60) - 1);
  std::array<std::string_view, image::kMaxRoutes> texts;
  for (const std::string_view text : data.table().values().texts(match.value, texts)) {
    const auto left = static_cast<std::size_t>(room.data() + length - to);
    to = std::ranges::copy(text.substr(0, left), to).out;
  }
  return length;
}

}  // namespace cpss
