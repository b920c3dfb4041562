// Builds an image (image_format.h) of rows that are sorted.
//
// Not for several threads at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "numbers/e164.h"
#include "numbers/growing_array.h"
#include "numbers/image_format.h"
#include "numbers/value_pool.h"

namespace cpss {

// One line of data.
struct NumberRow {
  // The prefix as E164 packs it, and in its lowest four bits, which are zero there, the priority.
  std::uint64_t key;
  image::Value value;  // in a ValuePool
  std::uint32_t line;

  E164 prefix() const noexcept { return E164::from_packed(key & ~kPriorityMask); }
  unsigned priority() const noexcept { return static_cast<unsigned>(key & kPriorityMask); }
  static constexpr std::uint64_t kPriorityMask = 0xf;
};
static_assert(sizeof(NumberRow) == 16, "loading takes that much a row");

// The parts of an image, and what writes them in a row.
class BuiltImage {
 public:
  struct About {
    std::vector<std::string> columns;
    std::string_view source;
    std::uint64_t serial;
    std::uint64_t built_s;
  };

  // `rows`: ascending by key, each key once, each with a prefix and a value of `values`, at most
  // kMaxRoutes of one prefix. Uses their memory, and gives it back before it ends. Throws
  // std::length_error if it becomes too large for its format, std::bad_alloc.
  BuiltImage(GrowingArray<NumberRow>& rows, ValuePool values, const About& about);

  std::size_t bytes() const noexcept { return header_.image_bytes; }
  // Gives the image to `write`, piece by piece.
  void write(const std::function<void(std::span<const std::byte>)>& write) const;

 private:
  using Blocks = std::array<image::Value, image::kBlocks>;

  // Makes one row of those that are routes of one prefix.
  void join_routes(GrowingArray<NumberRow>& rows);
  void fill_root(std::span<NumberRow> rows);
  // Both change the order of the rows.
  void build(std::uint32_t node, std::span<NumberRow> rows, unsigned depth);
  std::uint32_t make_table(std::span<NumberRow> rows);
  std::uint32_t new_nodes(std::size_t count);
  // Puts the rows, which have a node's digits and four more, into a group. Returns the bits that
  // say what it is like; `place` is where it is.
  std::uint64_t add_group(std::span<const NumberRow> rows, const Blocks& blocks, unsigned depth,
                          std::uint32_t& place);
  void finish(const About& about);
  std::array<std::span<const std::byte>, image::kParts> parts() const noexcept;

  ValuePool values_;
  std::string columns_;
  GrowingArray<image::RootEntry> root_;
  GrowingArray<std::uint32_t> tables_;
  GrowingArray<image::Node> nodes_;
  GrowingArray<std::byte> groups_;
  image::Header header_{};
};

}  // namespace cpss
