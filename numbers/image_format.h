// How number data lie in an image: one block of memory, the same in a file and in a server.
//
//   header     what the image is, and where each part is, with its checksum
//   columns    their names, in the order of the data
//   values     what rows say, each different one once
//   root       by the first four digits of a number
//   tables     by the three digits behind these, where there are many
//   nodes      a trie over the digits behind
//   groups     tables of numbers that share all but their last four digits
//
// No pointers: places are offsets from the beginning of their part, so the block may lie anywhere.
// Numbers are as x86-64 has them, which is the only machine that cpss runs on.
//
// **Trie.** A node stands for a prefix. It has the digits that lead to it from its parent besides
// the first (path compression), a bit for each digit that a child begins with, the place where its
// children lie side by side, and the value of the row with that prefix, if there is one. A search
// takes the value of the last node that has one and that it passes: the longest prefix.
//
// **Group.** Ported numbers come as whole numbers, thousands of them in each block of 10,000. A
// node may have a group: all rows that have just four digits more than the node. So they cost a few
// bytes each instead of a node. `positions`, where they are few: their last four digits, sorted.
// `bitmap`, where they are many: a bit for each of 10,000, in units of 8 bytes, each of which
// begins with the number of bits before it, so that one says whether a number is there and the
// how-manieth it is. Behind that the values, in the same order. Rows that have one digit more than
// the node (blocks of a thousand, which others pool) are values in front of the group, unless there
// is more below them than the group.
//
// **Value.** A place in `values`, in units of 8 bytes; 0: none. There the number of routes, 1 to 8,
// and for each the length of its text, and the text: `;column=value` for each column that is not
// empty, but for that of the prefix.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace cpss::image {

static_assert(std::endian::native == std::endian::little);

inline constexpr std::array<char, 8> kMagic = {'c', 'p', 's', 's', 'n', 'u', 'm', 's'};
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::size_t kAlignment = 64;  // of every part

enum class PartId : std::uint32_t { columns, values, root, tables, nodes, groups };
inline constexpr std::array<const char*, 6> kPartNames = {"columns", "values", "root",
                                                          "tables",  "nodes",  "groups"};
inline constexpr std::size_t kParts = kPartNames.size();

struct Part {
  std::uint64_t offset;    // from the beginning of the image, bytes
  std::uint64_t bytes;     // without what fills up to the next part
  std::uint64_t checksum;  // XXH3 of its bytes
};

struct Header {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t header_bytes;
  std::uint64_t image_bytes;
  std::uint64_t serial;
  std::uint64_t built_s;   // since 1970
  std::uint64_t rows;      // lines of data
  std::uint64_t prefixes;  // different ones
  std::uint64_t values;    // different ones
  std::array<Part, kParts> parts;
  std::array<char, 64> source;  // name of the data, cut, ends with 0
  std::uint64_t checksum;       // XXH3 of the header before it
};
static_assert(sizeof(Header) == 8 * 8 + kParts * 24 + 64 + 8);

inline constexpr unsigned kDigitBits = 4;

// `bytes` up to a multiple of `to`.
constexpr std::size_t aligned(std::size_t bytes, std::size_t to) noexcept {
  return (bytes + to - 1) / to * to;
}

using Value = std::uint32_t;
inline constexpr Value kNoValue = 0;
inline constexpr std::size_t kValueUnit = 8;  // bytes
inline constexpr std::size_t kMaxRoutes = 8;

inline constexpr unsigned kRootDigits = 4;
inline constexpr unsigned kRootShift = 64 - kDigitBits * kRootDigits;  // from packed digits
inline constexpr std::size_t kRootEntries = std::size_t{1} << 4 * kRootDigits;

// By the first four digits as E164 packs them; a shorter number has zeros behind its end.
struct RootEntry {
  Value value;  // of the longest prefix that has at most four digits and begins the entry's own
  // From the highest bits: how many digits that prefix has, 3 bits; whether there are rows that
  // begin with the entry's digits and are longer; whether these are in a table; the number of their
  // node, or of the table, 0: none.
  std::uint32_t word;

  static constexpr std::uint32_t kLonger = std::uint32_t{1} << 28;
  static constexpr std::uint32_t kTable = std::uint32_t{1} << 27;
  static constexpr std::uint32_t kPlaceMask = kTable - 1;

  unsigned digits() const noexcept { return word >> 29; }
  bool longer() const noexcept { return (word & kLonger) != 0; }
  bool has_table() const noexcept { return (word & kTable) != 0; }
  std::uint32_t place() const noexcept { return word & kPlaceMask; }
};
static_assert(sizeof(RootEntry) == 8);

// Tables: by three digits as a number, 0 to 999, the nodes of the prefixes of seven digits, 0:
// none. Table 0 is not used. Where there is a table there are no rows of five or six digits.
inline constexpr unsigned kTableDigits = 3;
inline constexpr std::size_t kTableEntries = 1'000;

// The first three of packed digits as a number.
constexpr unsigned first_three(std::uint64_t digits) noexcept {
  const auto digit = [digits](unsigned i) {
    return static_cast<unsigned>(digits >> (60 - kDigitBits * i) & 0xf) - 1;
  };
  return digit(0) * 100 + digit(1) * 10 + digit(2);
}

struct Node {
  // From the highest bits: the digits on the way to it, up to 11 as E164 packs them; 14 bits from
  // the lowest, what its group is like; 10 bits, one for each digit that a child begins with (the
  // lowest: 0); 4 bits, how many digits there are on the way.
  std::uint64_t path;
  Value value;
  // The first of its children, which lie side by side. A node with a group and children has the
  // group's place behind these, as `value` of one more node; without children it is here.
  std::uint32_t first_child;
};
static_assert(sizeof(Node) == 16, "four nodes share a cache line");

inline constexpr std::uint64_t kSkippedMask = 0xf;
inline constexpr unsigned kChildrenShift = 4;
inline constexpr std::uint64_t kChildrenMask = std::uint64_t{0x3ff} << kChildrenShift;
inline constexpr unsigned kGroupShift = kChildrenShift + 10;

// Bits that say what a node's group is like.
inline constexpr std::uint64_t kHasGroup = std::uint64_t{1} << kGroupShift;
inline constexpr std::uint64_t kGroupIsBitmap = std::uint64_t{2} << kGroupShift;
inline constexpr std::uint64_t kGroupHasBlocks = std::uint64_t{4} << kGroupShift;
inline constexpr std::uint64_t kGroupMask = std::uint64_t{7} << kGroupShift;

// The bit of a child, by a packed digit, 1 to 10; the end of a number, 0, has none.
constexpr std::uint64_t child_bit(std::uint64_t packed_digit) noexcept {
  return (std::uint64_t{1} << packed_digit >> 1) << kChildrenShift;
}
// A mask for the first `digits` digits of a packed number, at most 15.
constexpr std::uint64_t leading_mask(unsigned digits) noexcept {
  return ~(~std::uint64_t{0} >> kDigitBits * digits);
}

// The numbers of `to` digits that begin with the first `count` of packed digits: the first of them,
// packed, and how many there are. `count` is at most `to`.
struct DigitRange {
  std::uint64_t first;
  unsigned size;
};
constexpr DigitRange range_below(std::uint64_t digits, unsigned count, unsigned to) noexcept {
  DigitRange range{digits & leading_mask(count), 1};
  for (unsigned i = count; i < to; ++i) {
    range.first |= std::uint64_t{1} << (60 - kDigitBits * i);
    range.size *= 10;
  }
  return range;
}

// Groups. Their places are in units of 4 bytes; bitmaps begin with a unit.
inline constexpr std::size_t kGroupUnit = 4;
inline constexpr unsigned kGroupDigits = 4;
inline constexpr unsigned kGroupNumbers = 10'000;
inline constexpr std::size_t kBlocks = 10;  // by the digit behind the node's, 0 to 9

// How many bits are set. std::popcount() is a call where the compiler may not use an instruction
// for it, which not every x86-64 has. (Warren, Hacker's Delight, 2nd ed., section 5-1.)
constexpr unsigned bits_in(std::uint64_t word) noexcept {
  word -= word >> 1 & 0x5555'5555'5555'5555;
  word = (word & 0x3333'3333'3333'3333) + (word >> 2 & 0x3333'3333'3333'3333);
  word = (word + (word >> 4)) & 0x0f0f'0f0f'0f0f'0f0f;
  return static_cast<unsigned>(word * 0x0101'0101'0101'0101 >> 56);
}

// 16 bits that say how many bits are set in the units before, and 48 bits, from the lowest on. So a
// look takes one word.
struct BitmapUnit {
  static constexpr unsigned kCountBits = 16;
  static constexpr unsigned kBits = 64 - kCountBits;
  std::uint64_t word;

  unsigned before() const noexcept { return static_cast<std::uint16_t>(word); }
  // `bit`: 0 to kBits - 1.
  bool has(unsigned bit) const noexcept { return (word >> (bit + kCountBits) & 1) != 0; }
  void set(unsigned bit) noexcept { word |= std::uint64_t{1} << (bit + kCountBits); }
  // How many bits below `bit` are set, in this unit and those before; `bit` up to kBits.
  unsigned rank(unsigned bit) const noexcept {
    return before() + bits_in(word >> kCountBits & ((std::uint64_t{1} << bit) - 1));
  }
};
static_assert(sizeof(BitmapUnit) == 8);
inline constexpr std::size_t kBitmapUnits =
    (kGroupNumbers + BitmapUnit::kBits - 1) / BitmapUnit::kBits;

// Bytes before the values of a group of `positions`: their number, and they themselves.
constexpr std::size_t positions_bytes(std::size_t count) noexcept {
  return aligned(sizeof(std::uint16_t) * (1 + count), kGroupUnit);
}

}  // namespace cpss::image
