#include "numbers/image_builder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "numbers/group.h"
#include "numbers/image.h"

namespace cpss {
namespace {

using image::RootEntry;

// Fewer rows than that become nodes: a group has a head of its own.
constexpr std::size_t kMinInGroup = 3;
// Fewer rows than that, of those that share the root's digits, become nodes: a table takes 4,000
// bytes.
constexpr std::size_t kMinInTable = 4'000;

unsigned digit_at(E164 number, unsigned depth) noexcept {
  return static_cast<unsigned>(number.packed() << image::kDigitBits * depth >>
                               (64 - image::kDigitBits));
}

// How many digits the first and the last prefix of a sorted range, and so all in it, begin with.
unsigned common_digits(E164 first, E164 last) noexcept {
  const auto same_bits = static_cast<unsigned>(std::countl_zero(first.packed() ^ last.packed()));
  return std::min(same_bits / image::kDigitBits, static_cast<unsigned>(first.size()));
}

// How many of the rows have so many digits; none have those of a group below the longest number.
using Lengths = std::array<std::size_t, E164::kMaxDigits + image::kGroupDigits + 1>;
Lengths lengths_of(std::span<const NumberRow> rows) noexcept {
  Lengths count{};
  for (const NumberRow& row : rows) ++count[row.prefix().size()];
  return count;
}

// Takes the rows off the front whose digit behind the first `depth` is `digit`.
std::span<NumberRow> take_while_digit(std::span<NumberRow>& rows, unsigned depth,
                                      unsigned digit) noexcept {
  const auto last = std::ranges::partition_point(
      rows, [&](const NumberRow& row) { return digit_at(row.prefix(), depth) <= digit; });
  const auto count = static_cast<std::size_t>(last - rows.begin());
  const std::span<NumberRow> taken = rows.first(count);
  rows = rows.subspan(count);
  return taken;
}

}  // namespace

BuiltImage::BuiltImage(GrowingArray<NumberRow>& rows, ValuePool values, const About& about)
    : values_(std::move(values)) {
  join_routes(rows);
  header_.prefixes = rows.size();
  root_.grow(image::kRootEntries);
  nodes_.grow(1);                      // the place of no node
  tables_.grow(image::kTableEntries);  // the place of no table
  fill_root(rows.items());
  rows.release();
  finish(about);
}

void BuiltImage::join_routes(GrowingArray<NumberRow>& rows) {
  std::size_t kept = 0;
  for (std::size_t first = 0; first < rows.size();) {
    std::array<image::Value, image::kMaxRoutes> routes;
    std::size_t count = 0;
    const E164 prefix = rows[first].prefix();
    for (; first + count < rows.size() && rows[first + count].prefix() == prefix; ++count)
      routes.at(count) = rows[first + count].value;
    const image::Value value =
        count == 1 ? routes[0] : values_.join(std::span(routes).first(count));
    header_.rows += values_.view().routes(value);
    rows[kept++] = {prefix.packed(), value, rows[first].line};
    first += count;
  }
  rows.resize_down(kept);
}

void BuiltImage::fill_root(std::span<NumberRow> rows) {
  while (!rows.empty()) {
    const E164 prefix = rows.front().prefix();
    const std::size_t index = prefix.packed() >> image::kRootShift;
    const auto digits = static_cast<unsigned>(prefix.size());
    // Every shorter number that it begins with is the beginning of a longer row.
    for (unsigned shorter = 1; shorter < std::min(digits, image::kRootDigits + 1); ++shorter)
      root_[index & ~(std::size_t{0xffff} >> image::kDigitBits * shorter)].word |=
          RootEntry::kLonger;
    if (digits <= image::kRootDigits) {
      // For every number that begins with it; longer prefixes, which come later, overwrite a part.
      const std::size_t span = std::size_t{1} << image::kDigitBits * (image::kRootDigits - digits);
      for (RootEntry& entry : root_.items().subspan(index, span)) {
        entry.value = rows.front().value;
        entry.word =
            (entry.word & (RootEntry::kLonger | RootEntry::kTable | RootEntry::kPlaceMask)) |
            std::uint32_t{digits} << 29;
      }
      rows = rows.subspan(1);
      continue;
    }
    const auto last = std::ranges::partition_point(
        rows, [index](const NumberRow& row) { return row.key >> image::kRootShift == index; });
    const auto below = static_cast<std::size_t>(last - rows.begin());
    root_[index].word |= make_table(rows.first(below));
    if (!root_[index].has_table()) {
      const std::uint32_t node = new_nodes(1);
      root_[index].word |= node;
      build(node, rows.first(below), image::kRootDigits);
    }
    rows = rows.subspan(below);
  }
}

// Makes a table of the rows, which share the root's digits and are longer, and returns the bits and
// the place of it; 0 if these are no rows for a table.
std::uint32_t BuiltImage::make_table(std::span<NumberRow> rows) {
  constexpr unsigned kDepth = image::kRootDigits + image::kTableDigits;
  constexpr unsigned kShift = 64 - image::kDigitBits * kDepth;
  if (rows.size() < kMinInTable) return 0;
  std::size_t prefixes = 0;
  std::uint64_t last = 0;
  for (const NumberRow& row : rows) {
    if (row.prefix().size() < kDepth) return 0;
    prefixes += row.key >> kShift != last;
    last = row.key >> kShift;
  }
  const std::size_t table = tables_.size() / image::kTableEntries;
  if (table > RootEntry::kPlaceMask) throw std::length_error("number data need too many tables");
  tables_.grow(image::kTableEntries);
  std::uint32_t node = new_nodes(prefixes);
  while (!rows.empty()) {
    const std::uint64_t prefix = rows.front().key >> kShift;
    const auto end = std::ranges::partition_point(
        rows, [&](const NumberRow& row) { return row.key >> kShift == prefix; });
    const auto count = static_cast<std::size_t>(end - rows.begin());
    const std::uint64_t digits = prefix << (kShift + image::kDigitBits * image::kRootDigits);
    tables_[table * image::kTableEntries + image::first_three(digits)] = node;
    build(node++, rows.first(count), kDepth);
    rows = rows.subspan(count);
  }
  return RootEntry::kTable | static_cast<std::uint32_t>(table);
}

std::uint32_t BuiltImage::new_nodes(std::size_t count) {
  const std::size_t first = nodes_.size();
  if (first + count > RootEntry::kPlaceMask)
    throw std::length_error("number data need more than 134 million nodes");
  nodes_.grow(count);
  return static_cast<std::uint32_t>(first);
}

// Makes `node` the place of all `rows`, which share their first `depth` digits: the search has used
// those up on its way there. The children of the node get one block before any of them is built, so
// that they are neighbours.
void BuiltImage::build(std::uint32_t node, std::span<NumberRow> rows, unsigned depth) {
  const E164 first = rows.front().prefix();
  unsigned place = depth + common_digits(first.behind(depth), rows.back().prefix().behind(depth));
  const Lengths lengths = lengths_of(rows);
  // Rows that share more than all but their last four digits still have their group there.
  for (unsigned at = std::max(depth, place - std::min(place, image::kGroupDigits - 1)); at < place;
       ++at)
    if (lengths[at + image::kGroupDigits] >= kMinInGroup) place = at;

  const unsigned skipped = place - depth;
  std::uint64_t path = (first.behind(depth).packed() & image::leading_mask(skipped)) | skipped;
  if (first.size() == place) {
    nodes_[node].value = rows.front().value;
    rows = rows.subspan(1);
  }
  const unsigned in_group = place + image::kGroupDigits;
  const bool grouped = lengths[in_group] >= kMinInGroup;

  std::vector<NumberRow> group;
  if (grouped) {
    group.reserve(lengths[in_group]);
    std::size_t others = 0;
    for (const NumberRow& row : rows) {
      if (row.prefix().size() == in_group)
        group.push_back(row);
      else
        rows[others++] = row;
    }
    rows = rows.first(others);
  }

  std::array<std::span<NumberRow>, 10> children;
  Blocks blocks{};
  std::size_t count = 0;
  while (!rows.empty()) {
    const unsigned digit = digit_at(rows.front().prefix(), place);
    const std::span<NumberRow> of_digit = take_while_digit(rows, place, digit);
    if (grouped && of_digit.size() == 1 && of_digit.front().prefix().size() == place + 1) {
      blocks[digit - 1] = of_digit.front().value;
      continue;
    }
    path |= image::child_bit(digit);
    children[count++] = of_digit;
  }
  const std::uint32_t first_child = new_nodes(count + (grouped && count > 0 ? 1 : 0));
  nodes_[node].first_child = first_child;
  if (grouped) {
    std::uint32_t group_place = 0;
    path |= add_group(group, blocks, place, group_place);
    (count > 0 ? nodes_[first_child + count].value : nodes_[node].first_child) = group_place;
    group = {};
  }
  nodes_[node].path = path;
  for (std::uint32_t i = 0; i < count; ++i) build(first_child + i, children[i], place + 1);
}

std::uint64_t BuiltImage::add_group(std::span<const NumberRow> rows, const Blocks& blocks,
                                    unsigned depth, std::uint32_t& place) {
  std::uint64_t kind = image::kHasGroup;
  const std::size_t bitmap_bytes = image::kBitmapUnits * sizeof(image::BitmapUnit);
  const bool bitmap = bitmap_bytes < image::positions_bytes(rows.size());
  if (bitmap) kind |= image::kGroupIsBitmap;
  const bool has_blocks =
      std::ranges::any_of(blocks, [](image::Value value) { return value != image::kNoValue; });
  if (has_blocks) kind |= image::kGroupHasBlocks;

  const std::size_t base = image::aligned(groups_.size() + (has_blocks ? sizeof blocks : 0),
                                          bitmap ? sizeof(image::BitmapUnit) : image::kGroupUnit);
  const std::size_t head = bitmap ? bitmap_bytes : image::positions_bytes(rows.size());
  if (base / image::kGroupUnit > std::numeric_limits<std::uint32_t>::max())
    throw std::length_error("the groups of number data need more than 16 GiB");
  groups_.grow(base + head + rows.size() * sizeof(image::Value) - groups_.size());
  place = static_cast<std::uint32_t>(base / image::kGroupUnit);

  std::byte* const begin = &groups_[base];
  const auto position_of = [depth](const NumberRow& row) {
    return Group::position(row.prefix().behind(depth).packed());
  };
  if (bitmap) {
    auto* const units = reinterpret_cast<image::BitmapUnit*>(begin);
    for (const NumberRow& row : rows)
      units[position_of(row) / image::BitmapUnit::kBits].set(position_of(row) %
                                                             image::BitmapUnit::kBits);
    for (std::size_t i = 1; i < image::kBitmapUnits; ++i)
      units[i].word |= units[i - 1].rank(image::BitmapUnit::kBits);
  } else {
    auto* position = reinterpret_cast<std::uint16_t*>(begin);
    *position++ = static_cast<std::uint16_t>(rows.size());
    for (const NumberRow& row : rows) *position++ = static_cast<std::uint16_t>(position_of(row));
  }
  for (std::size_t i = 0; has_blocks && i < blocks.size(); ++i)
    std::memcpy(begin - (i + 1) * sizeof(image::Value), &blocks[i], sizeof(image::Value));
  std::byte* to = begin + head;
  for (const NumberRow& row : rows) {
    std::memcpy(to, &row.value, sizeof row.value);
    to += sizeof row.value;
  }
  return kind;
}

std::array<std::span<const std::byte>, image::kParts> BuiltImage::parts() const noexcept {
  return {std::as_bytes(std::span(columns_)),
          values_.bytes(),
          root_.bytes(),
          tables_.bytes(),
          nodes_.bytes(),
          groups_.bytes()};
}

void BuiltImage::finish(const About& about) {
  for (const std::string& column : about.columns) columns_.append(column).append(1, '\n');
  header_.magic = image::kMagic;
  header_.version = image::kVersion;
  header_.header_bytes = sizeof(image::Header);
  header_.serial = about.serial;
  header_.built_s = about.built_s;
  header_.values = values_.size();
  std::size_t room = std::min(about.source.size(), header_.source.size() - 1);
  // No part of a character of UTF-8 (RFC 3629, section 3).
  while (room > 0 && room < about.source.size() &&
         (static_cast<unsigned char>(about.source[room]) & 0xc0) == 0x80)
    --room;
  std::ranges::copy(about.source.substr(0, room), header_.source.begin());
  std::size_t offset = sizeof(image::Header);
  const auto all = parts();
  for (std::size_t i = 0; i < image::kParts; ++i) {
    offset = image::aligned(offset, image::kAlignment);
    header_.parts[i] = {offset, all[i].size(), image::checksum(all[i])};
    offset += all[i].size();
  }
  header_.image_bytes = offset;
  header_.checksum = image::checksum(
      std::as_bytes(std::span(&header_, 1)).first(offsetof(image::Header, checksum)));
}

void BuiltImage::write(const std::function<void(std::span<const std::byte>)>& write) const {
  constexpr std::array<std::byte, image::kAlignment> kZeros{};
  write(std::as_bytes(std::span(&header_, 1)));
  std::size_t offset = sizeof(image::Header);
  const auto all = parts();
  for (std::size_t i = 0; i < image::kParts; ++i) {
    const std::size_t fill = header_.parts[i].offset - offset;
    if (fill > 0) write(std::span(kZeros).first(fill));
    if (!all[i].empty()) write(all[i]);
    offset = header_.parts[i].offset + all[i].size();
  }
}

}  // namespace cpss
