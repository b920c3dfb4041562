// Number data in memory: an image (image_format.h) in a sealed memfd (memfd_create(2)), so that
// nobody can change or shorten it while it is read, and processes can share it; in huge pages, if
// there are any.
//
// Constant after construction: any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/file_descriptor.h"
#include "numbers/byte_source.h"
#include "numbers/image.h"
#include "numbers/image_builder.h"
#include "numbers/number_loader.h"
#include "numbers/number_table.h"

namespace cpss {

class NumberData {
 public:
  // These throw NumberDataError if the data are wrong, std::system_error if the kernel refuses,
  // std::bad_alloc.

  // Of CSV or of an image, whatever `bytes` begin as; either may be compressed by gzip. `source`
  // names the data in messages and in the image. Data that are built here have the time as serial.
  static NumberData load(ByteSource& bytes, const std::string& source,
                         const NumberFormat& format = {}, Rows rows = Rows::needed);
  // From a file or pipe, which has to give a byte within `patience`.
  static NumberData load_file(const std::string& path, Rows rows = Rows::needed,
                              std::chrono::milliseconds patience = kInputPatience);

  // What release() or descriptor() has given, in another process perhaps. They are sealed, so they
  // were checked there, and are not checked again: nobody can have changed them since.
  static NumberData of_prepared(FileDescriptor file);

  ~NumberData();
  NumberData(NumberData&& other) noexcept;
  NumberData& operator=(NumberData&&) = delete;

  std::span<const std::byte> image() const noexcept { return image_; }
  const image::Header& about() const noexcept { return image::header_of(image_); }
  const std::string& prefix_column() const noexcept { return prefix_column_; }
  const NumberTable& table() const noexcept { return table_; }
  // Sealed; its file offset belongs to nobody.
  int descriptor() const noexcept { return file_.get(); }
  // The descriptor, which holds all of it; the object is of no use any more.
  FileDescriptor release() noexcept { return std::move(file_); }

 private:
  // Takes over a memfd that holds an image. If it is not sealed, seals it, and then checks it.
  NumberData(FileDescriptor file, const std::string& source);

  static FileDescriptor copy_of(UnpackedSource& bytes, const std::string& source);

  FileDescriptor file_;
  std::span<const std::byte> image_;
  NumberTable table_;
  std::string prefix_column_;
};

// As many whole `;column=value` pairs of `text`, from its beginning, as fit into `room` bytes: the
// first that does not fit is left out with all that follow it.
std::string_view leading_pairs(std::string_view text, std::size_t room) noexcept;

// The row that `number` has matched, as service lookup gives it: `prefix=digits`, and behind it the
// pairs of all routes, one route after the other. As many whole pairs, from the beginning, as fit
// into `room` bytes, as in leading_pairs(); nothing if not even the first fits. `match` has a
// value.
std::size_t row_size(const NumberData& data, const NumberMatch& match, std::size_t room) noexcept;
// Returns its length.
std::size_t write_row(const NumberData& data, const NumberMatch& match, E164 number,
                      std::span<char> room) noexcept;

}  // namespace cpss
