#include "numbers/number_data.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <new>
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

constexpr std::size_t kCopied = 1 << 20;    // bytes at a time
constexpr std::size_t kHugePage = 2 << 20;  // bytes, of x86-64
// What Linux has since 6.3 and 6.1, and the C library of Debian 12 does not name.
constexpr unsigned kNeverExecuted = 8;  // MFD_NOEXEC_SEAL, memfd_create(2)
constexpr int kCollapse = 25;           // MADV_COLLAPSE, madvise(2)

[[noreturn]] void fail() {
  throw std::system_error(errno, std::generic_category(), "memory for number data");
}

// Where vm.memfd_noexec is 2, only files that are never executed can be made.
FileDescriptor new_file() {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  FileDescriptor file(::memfd_create("cpss-numbers", kFlags | kNeverExecuted));
  if (!file.valid() && errno == EINVAL)
    file = FileDescriptor(::memfd_create("cpss-numbers", kFlags));
  if (!file.valid()) fail();
  return file;
}

// Throws std::bad_alloc if this process may not map so many bytes more. A limit of its memory
// (RLIMIT_AS) counts a memfd only once it is mapped: all its pages would be there before.
void require_room(std::size_t bytes) {
  void* const room =
      ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) throw std::bad_alloc();
  ::munmap(room, bytes);
}

// Maps the file, to read, where huge pages would begin.
std::span<const std::byte> map(const FileDescriptor& file, std::size_t size) {
  const std::size_t more = size < kHugePage ? 0 : kHugePage;
  void* const room =
      ::mmap(nullptr, size + more, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) fail();
  auto* const first = static_cast<std::byte*>(room);
  const std::size_t before = more == 0 ? 0 : -reinterpret_cast<std::uintptr_t>(first) % kHugePage;
  std::byte* const begin = first + before;
  if (::mmap(begin, size, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_POPULATE, file.get(), 0) ==
      MAP_FAILED) {
    const int error = errno;
    ::munmap(room, size + more);
    errno = error;
    fail();
  }
  // What is left of the room, in whole pages.
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t end = image::aligned(size, page);
  if (before > 0) ::munmap(first, before);
  if (more > before) ::munmap(begin + end, more - before);
  return {begin, size};
}

// Makes its pages huge, as far as there are any: a look-up in tens of megabytes misses the TLB at
// each of its steps else. The kernel does so whatever is set for huge pages, as long as they are
// not denied; where it does not, nothing is lost. All who map the file have them.
void make_pages_huge(std::span<const std::byte> memory) noexcept {
  void* const begin = const_cast<std::byte*>(memory.data());
  if (memory.size() < kHugePage) return;
  ::madvise(begin, memory.size() / kHugePage * kHugePage, kCollapse);
}

void append(const FileDescriptor& file, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail();
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

[[noreturn]] void fail_damaged(const std::string& source, const char* why) {
  throw NumberDataError(
      fmt::format("{}: the image is damaged: {}; nothing was loaded", source, why));
}

// Whether data that are no whole image can only be one that is damaged.
void refuse_neither(std::string_view begin, const std::string& source) {
  const std::string_view magic(image::kMagic.data(), image::kMagic.size());
  if (!begin.empty() && begin.size() < magic.size() && magic.starts_with(begin))
    fail_damaged(source, "header: it is cut");
  if (begin.find('\0') != std::string_view::npos)
    fail_damaged(source,
                 "header: it does not begin as an image does, and with its zero bytes it "
                 "is no CSV in UTF-8 either");
}

}  // namespace

NumberData NumberData::load(ByteSource& bytes, const std::string& source,
                            const NumberFormat& format, Rows rows) {
  UnpackedSource unpacked(bytes, source);
  const std::string_view begin = unpacked.peek(sizeof(image::Header));
  if (is_image(std::as_bytes(std::span(begin)))) return {copy_of(unpacked, source), source};
  // A header has zeros in its first 12 bytes, CSV may have one further on.
  refuse_neither(begin.substr(0, sizeof(image::Header::magic) + sizeof(image::Header::version)),
                 source);
  const BuiltImage built = build_image(load_numbers(unpacked, source, format, rows), source);
  require_room(built.bytes());
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

// No more than its header says, so that nothing is filled but what may be mapped.
FileDescriptor NumberData::copy_of(UnpackedSource& bytes, const std::string& source) try {
  const std::uint64_t size =
      checked_header(std::as_bytes(std::span(bytes.peek(sizeof(image::Header))))).image_bytes;
  require_room(size);
  FileDescriptor file = new_file();
  std::vector<char> room(kCopied);
  std::uint64_t copied = 0;
  while (const std::size_t got = bytes.read(room)) {
    copied += got;
    if (copied > size)
      throw ImageError(fmt::format("header: the image has {} bytes, and more are there", size));
    append(file, std::as_bytes(std::span(room).first(got)));
  }
  return file;
} catch (const ImageError& error) {
  fail_damaged(source, error.what());
}

NumberData::NumberData(FileDescriptor file, const std::string& source) : file_(std::move(file)) {
  struct stat info {};
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  // The kernel may have set F_SEAL_EXEC as well.
  const int seals = ::fcntl(file_.get(), F_GET_SEALS);
  const bool sealed = seals >= 0 && (seals & kSeals) == kSeals;
  if (::fstat(file_.get(), &info) != 0 ||
      (!sealed && ::fcntl(file_.get(), F_ADD_SEALS, kSeals) != 0))
    fail();
  image_ = map(file_, static_cast<std::size_t>(info.st_size));
  if (!sealed) {
    make_pages_huge(image_);
    try {
      check_image(image_);
    } catch (const ImageError& error) {
      ::munmap(const_cast<std::byte*>(image_.data()), image_.size());
      fail_damaged(source, error.what());
    }
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
