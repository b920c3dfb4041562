#include "numbers/byte_source.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>
#include <zlib.h>

namespace cpss {
namespace {

constexpr std::string_view kGzipMagic = "\x1f\x8b";

[[noreturn]] void throw_unreadable(const std::string& path, const std::string& why) {
  throw UnreadableError(fmt::format("{}: cannot be read: {}", path, why));
}

// Moves the first bytes of `from` to `room`.
std::size_t take(std::string& from, std::span<char> room) {
  const std::size_t count = std::min(from.size(), room.size());
  std::copy_n(from.begin(), count, room.begin());
  from.erase(0, count);
  return count;
}

}  // namespace

std::size_t MemorySource::read(std::span<char> room) {
  const std::size_t count = std::min(rest_.size(), room.size());
  std::copy_n(rest_.begin(), count, room.begin());
  rest_.remove_prefix(count);
  return count;
}

FileSource::FileSource(const std::string& path, std::chrono::milliseconds patience)
    : path_(path), file_(path, patience) {
  struct stat info {};
  if (file_.is_open() && ::fstat(file_.descriptor(), &info) != 0)
    throw_unreadable(path_, std::strerror(errno));
  if (S_ISCHR(info.st_mode)) throw_unreadable(path_, std::strerror(ENODEV));
}

std::size_t FileSource::read(std::span<char> room) {
  const ssize_t got = file_.read(room);
  if (got < 0) throw_unreadable(path_, file_.explain(errno));
  return static_cast<std::size_t>(got);
}

// zlib, one member after the other.
class UnpackedSource::Inflater {
 public:
  Inflater(UnpackedSource& source, std::string begin) : source_(source) {
    std::copy(begin.begin(), begin.end(), packed_.begin());
    stream_.next_in = bytes(packed_.data());
    stream_.avail_in = static_cast<uInt>(begin.size());
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  std::size_t read(std::span<char> room) {
    stream_.next_out = bytes(room.data());
    stream_.avail_out = static_cast<uInt>(room.size());
    while (stream_.avail_out == room.size()) {
      if (stream_.avail_in == 0 && !fill()) {
        if (!within_member_) return 0;
        fail("it is cut");
      }
      if (!within_member_ && inflateReset(&stream_) != Z_OK) fail("it cannot be unpacked");
      within_member_ = true;
      const int result = inflate(&stream_, Z_NO_FLUSH);
      if (result == Z_MEM_ERROR) throw std::bad_alloc();
      if (result == Z_STREAM_END)
        within_member_ = false;
      else if (result != Z_OK && result != Z_BUF_ERROR)
        fail(stream_.msg != nullptr ? stream_.msg : "it cannot be unpacked");
    }
    return room.size() - stream_.avail_out;
  }

 private:
  static Bytef* bytes(char* text) noexcept { return reinterpret_cast<Bytef*>(text); }
  bool fill() {
    const std::size_t got = source_.from_.read(packed_);
    stream_.next_in = bytes(packed_.data());
    stream_.avail_in = static_cast<uInt>(got);
    return got > 0;
  }
  [[noreturn]] void fail(std::string_view why) const {
    throw NumberDataError(fmt::format("{}: its gzip data are damaged: {}", source_.name_, why));
  }

  UnpackedSource& source_;
  z_stream stream_{};
  bool within_member_ = true;
  std::array<char, 64 << 10> packed_;
};

UnpackedSource::UnpackedSource(ByteSource& from, std::string name)
    : from_(from), name_(std::move(name)) {}

UnpackedSource::~UnpackedSource() = default;

std::size_t UnpackedSource::read(std::span<char> room) {
  return peeked_.empty() ? read_on(room) : take(peeked_, room);
}

std::string_view UnpackedSource::peek(std::size_t count) {
  std::array<char, 256> more;
  while (peeked_.size() < count) {
    const std::size_t got =
        read_on(std::span(more).first(std::min(more.size(), count - peeked_.size())));
    if (got == 0) break;
    peeked_.append(more.data(), got);
  }
  return peeked_;
}

std::size_t UnpackedSource::read_on(std::span<char> room) {
  if (!std::exchange(looked_, true)) {
    std::array<char, kGzipMagic.size()> first;
    while (begin_.size() < first.size()) {
      const std::size_t got = from_.read(std::span(first).first(first.size() - begin_.size()));
      if (got == 0) break;
      begin_.append(first.data(), got);
    }
    if (begin_ == kGzipMagic)
      inflater_ = std::make_unique<Inflater>(*this, std::exchange(begin_, {}));
  }
  if (inflater_) return inflater_->read(room);
  return begin_.empty() ? from_.read(room) : take(begin_, room);
}

}  // namespace cpss
