// Where number data come from: a file or pipe, plain or compressed by gzip, or memory.
//
// One thread per object.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/patient_file.h"

namespace cpss {

// Number data cannot be read, or are wrong. what() has one line per problem, each with the source
// and, where there is one, the line, and says what to do.
class NumberDataError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// There are no data: the source cannot be read, or has no rows.
class UnreadableError : public NumberDataError {
  using NumberDataError::NumberDataError;
};
class NoRowsError : public NumberDataError {
  using NumberDataError::NumberDataError;
};

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills at least a part of `room` (not empty); 0 at the end. Throws NumberDataError, of which
  // UnreadableError is one.
  virtual std::size_t read(std::span<char> room) = 0;
};

class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) noexcept : rest_(bytes) {}
  std::size_t read(std::span<char> room) override;

 private:
  std::string_view rest_;
};

// No character devices: /dev/zero never ends. Throws std::system_error if a limit of the process
// keeps the file from being opened.
class FileSource final : public ByteSource {
 public:
  FileSource(const std::string& path, std::chrono::milliseconds patience);
  std::size_t read(std::span<char> room) override;

 private:
  const std::string path_;
  PatientFile file_;
};

// Reads through `from`, which outlives it: unpacked if it begins as gzip does (RFC 1952), with all
// its members; else as it is. `name`: of the source, for messages.
class UnpackedSource final : public ByteSource {
 public:
  UnpackedSource(ByteSource& from, std::string name);
  ~UnpackedSource() override;
  std::size_t read(std::span<char> room) override;

  // The first bytes, unpacked, up to `room`, which read() will give again.
  std::string_view peek(std::size_t count);

 private:
  class Inflater;

  std::size_t read_on(std::span<char> room);

  ByteSource& from_;
  const std::string name_;
  std::string begin_;    // read ahead, of `from`
  std::string peeked_;   // read ahead, unpacked
  bool looked_ = false;  // whether it is gzip
  std::unique_ptr<Inflater> inflater_;
};

}  // namespace cpss
