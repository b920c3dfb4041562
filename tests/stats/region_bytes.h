// A region's file as bytes, to be damaged on purpose.
#pragma once

#include <cstring>
#include <string>

#include "stats/layout.h"
#include "tests/stats/sample_server.h"
#include "tests/support/temporary_folder.h"

namespace cpss::test {

class RegionBytes {
 public:
  // The bytes of a region as SampleServer makes it, with a few values.
  explicit RegionBytes(bool histograms = true) {
    const TemporaryFolder folder;
    RegionOptions options = sample_options(folder.file("stats"));
    options.histograms = histograms;
    SampleServer server(options);
    server.region.set_live();
    server.answered(5);
    bytes = read_file(folder.file("stats"));
  }

  template <class T>
  T get(std::size_t offset) const {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
  }
  template <class T>
  RegionBytes& put(std::size_t offset, T value) {
    std::memcpy(bytes.data() + offset, &value, sizeof value);
    return *this;
  }

  // Where entry number `index` of a table begins; `table` is its place in the header.
  std::size_t entry(std::size_t table, std::size_t index) const {
    const auto found = get<layout::Table>(table);
    return found.offset + index * found.entry_bytes;
  }
  std::size_t metric(std::size_t index) const {
    return entry(offsetof(layout::Header, metrics), index);
  }
  std::size_t block(std::size_t index) const {
    return entry(offsetof(layout::Header, blocks), index);
  }

  std::string bytes;
};

}  // namespace cpss::test
