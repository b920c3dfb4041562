#include "services/number_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <utility>

namespace cpss {
namespace {

constexpr std::size_t kCacheLineBytes = 64;

// Numbers that go through the trie together: enough to hide a miss behind the others' work, few
// enough that their state stays in the first-level cache.
constexpr std::size_t kLockStep = 64;

constexpr unsigned kDigitBits = 4;
constexpr unsigned kChildrenShift = 4;
constexpr std::uint64_t kSkippedMask = 0xf;

// A mask for the first `digits` digits. (If the caller has masked `digits` to four bits, the
// compiler drops the comparison.)
constexpr std::uint64_t leading_mask(unsigned digits) {
  return digits < 16 ? ~(~std::uint64_t{0} >> kDigitBits * digits) : ~std::uint64_t{0};
}

// A packed digit is 1 to 10; its child's bit is 0 to 9. The end of a number, 0, has no bit.
constexpr std::uint64_t child_bit(std::uint64_t packed_digit) {
  return (std::uint64_t{1} << packed_digit >> 1) << kChildrenShift;
}

constexpr std::uint64_t kChildrenMask = (child_bit(10) << 1) - child_bit(1);

unsigned digit_at(E164 number, unsigned depth) {
  return static_cast<unsigned>(number.packed() << kDigitBits * depth >> (64 - kDigitBits));
}

// How many digits the first and the last number of a sorted range, and so all in it, begin with.
unsigned common_digits(E164 first, E164 last) {
  const auto same_bits = static_cast<unsigned>(std::countl_zero(first.packed() ^ last.packed()));
  return std::min(same_bits / kDigitBits, static_cast<unsigned>(first.size()));
}

}  // namespace

TextPool::TextPool() {
  add({});
}

TextPool::Offset TextPool::add(std::string_view text) {
  const std::size_t offset = bytes_.size();
  if (text.size() > kMaxBytes || offset > std::numeric_limits<Offset>::max())
    throw std::length_error("reply texts of a number table: more than 4 GiB, or one over 65535");
  const auto length = static_cast<std::uint16_t>(text.size());
  std::array<char, kLengthBytes> prefix;
  std::memcpy(prefix.data(), &length, kLengthBytes);
  bytes_.append(prefix.data(), kLengthBytes).append(text);
  return static_cast<Offset>(offset);
}

std::string_view TextPool::at(Offset offset) const noexcept {
  const char* const entry = bytes_.data() + offset;
  std::uint16_t length;
  std::memcpy(&length, entry, kLengthBytes);
  return {entry + kLengthBytes, length};
}

void TextPool::prefetch(Offset offset) const noexcept {
  const char* const entry = bytes_.data() + offset;
  __builtin_prefetch(entry);
  __builtin_prefetch(entry + kCacheLineBytes);  // a hint may point past the end
}

NumberTable::NumberTable(std::span<const Row> rows, TextPool texts)
    : root_(std::size_t{1} << kDigitBits * kRootDigits),
      nodes_(1),
      texts_(std::move(texts)),
      size_(rows.size()) {
  const bool ascending =
      std::ranges::adjacent_find(rows, std::greater_equal{}, &Row::prefix) == rows.end();
  if (!ascending || (!rows.empty() && rows.front().prefix.size() == 0))
    throw std::invalid_argument("number table: prefixes empty, not in order, or twice");

  fill_root(rows);
  nodes_.shrink_to_fit();
}

void NumberTable::fill_root(std::span<const Row> rows) {
  while (!rows.empty()) {
    const Row& row = rows.front();
    const std::size_t index = row.prefix.packed() >> (64 - kDigitBits * kRootDigits);
    const auto digits = static_cast<unsigned>(row.prefix.size());
    if (digits <= kRootDigits) {
      // For every number that begins with it; longer prefixes, which come later, overwrite a part.
      const std::size_t span = std::size_t{1} << kDigitBits * (kRootDigits - digits);
      for (RootEntry& entry : std::span(root_).subspan(index, span)) entry.text = row.text;
      rows = rows.subspan(1);
      continue;
    }
    const auto last = std::ranges::find_if(rows, [&](const Row& other) {
      return other.prefix.packed() >> (64 - kDigitBits * kRootDigits) != index;
    });
    const auto below = static_cast<std::size_t>(last - rows.begin());
    root_[index].node = static_cast<std::uint32_t>(nodes_.size());
    nodes_.emplace_back();
    build(root_[index].node, rows.first(below), kRootDigits);
    rows = rows.subspan(below);
  }
}

// Makes `node` the place of all `rows`, which share their first `depth` digits: the search has used
// those up on its way there. The children of the node get one block before any of them is built, so
// that they are neighbours.
void NumberTable::build(std::uint32_t node, std::span<const Row> rows, unsigned depth) {
  const E164 first = rows.front().prefix.behind(depth);
  const unsigned skipped = common_digits(first, rows.back().prefix.behind(depth));
  const unsigned place = depth + skipped;
  std::uint64_t path = (first.packed() & leading_mask(skipped)) | skipped;
  if (first.size() == skipped) {
    nodes_[node].text = rows.front().text;
    rows = rows.subspan(1);
  }

  std::array<std::span<const Row>, 10> children;
  std::size_t count = 0;
  while (!rows.empty()) {
    const unsigned digit = digit_at(rows.front().prefix, place);
    const auto last = std::ranges::find_if(
        rows, [&](const Row& other) { return digit_at(other.prefix, place) != digit; });
    const auto of_digit = static_cast<std::size_t>(last - rows.begin());
    path |= child_bit(digit);
    children[count++] = rows.first(of_digit);
    rows = rows.subspan(of_digit);
  }

  const auto first_child = static_cast<std::uint32_t>(nodes_.size());
  nodes_[node].path = path;
  nodes_[node].first_child = first_child;
  nodes_.resize(nodes_.size() + count);
  for (std::uint32_t i = 0; i < count; ++i) build(first_child + i, children[i], place + 1);
}

void NumberTable::find(std::span<const E164> numbers,
                       std::span<std::string_view> texts) const noexcept {
  for (std::size_t done = 0; done < numbers.size(); done += kLockStep) {
    const std::size_t count = std::min(kLockStep, numbers.size() - done);
    find_chunk(numbers.subspan(done, count), texts.subspan(done, count));
  }
}

std::string_view NumberTable::find(E164 number) const noexcept {
  std::string_view text;
  find(std::span(&number, 1), std::span(&text, 1));
  return text;
}

void NumberTable::find_chunk(std::span<const E164> numbers,
                             std::span<std::string_view> texts) const noexcept {
  struct Searching {
    std::uint64_t digits;  // not yet used up, the next one in the highest bits
    std::uint32_t node;
    std::uint32_t number;  // index into `best`
  };
  std::array<Searching, kLockStep> searching;
  std::array<TextPool::Offset, kLockStep> best;
  std::size_t left = 0;

  constexpr unsigned kRootShift = 64 - kDigitBits * kRootDigits;
  for (const E164 number : numbers) __builtin_prefetch(&root_[number.packed() >> kRootShift]);
  for (std::uint32_t i = 0; i < numbers.size(); ++i) {
    const RootEntry entry = root_[numbers[i].packed() >> kRootShift];
    best[i] = entry.text;
    if (entry.node == 0) continue;
    __builtin_prefetch(&nodes_[entry.node]);
    searching[left++] = {numbers[i].packed() << kDigitBits * kRootDigits, entry.node, i};
  }

  while (left > 0) {
    std::size_t going_on = 0;
    for (std::size_t i = 0; i < left; ++i) {
      const Searching at = searching[i];
      const Node node = nodes_[at.node];
      const auto skipped = static_cast<unsigned>(node.path & kSkippedMask);
      if (((at.digits ^ node.path) & leading_mask(skipped)) != 0) continue;
      if (node.text != TextPool::kNone) best[at.number] = node.text;
      const std::uint64_t digits = at.digits << kDigitBits * skipped;
      const std::uint64_t child = child_bit(digits >> (64 - kDigitBits));
      if ((node.path & kChildrenMask & child) == 0) continue;
      const auto elder =
          static_cast<std::uint32_t>(std::popcount(node.path & kChildrenMask & (child - 1)));
      const std::uint32_t next = node.first_child + elder;
      __builtin_prefetch(&nodes_[next]);
      searching[going_on++] = {digits << kDigitBits, next, at.number};
    }
    left = going_on;
  }

  for (std::size_t i = 0; i < numbers.size(); ++i) texts_.prefetch(best[i]);
  for (std::size_t i = 0; i < numbers.size(); ++i) texts[i] = texts_.at(best[i]);
}

std::string_view leading_pairs(std::string_view text, std::size_t room) noexcept {
  if (text.size() <= room) return text;
  const std::size_t end = text.rfind(';', room);
  return end == std::string_view::npos ? std::string_view{} : text.substr(0, end);
}

}  // namespace cpss
