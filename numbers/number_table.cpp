#include "numbers/number_table.h"

#include <algorithm>
#include <array>

#include "numbers/group.h"
#include "numbers/image.h"

namespace cpss {
namespace {

using image::Node;

// Numbers that go through the table together: enough to hide a miss behind the others' work, few
// enough that their state stays in the first-level cache.
constexpr std::size_t kLockStep = 64;

std::uint64_t first_digit(std::uint64_t digits) noexcept {
  return digits >> (64 - image::kDigitBits);
}

unsigned digits_in(std::uint64_t digits) noexcept {
  return static_cast<unsigned>(E164::from_packed(digits).size());
}

}  // namespace

NumberTable::NumberTable(std::span<const std::byte> image) noexcept
    : root_(image::items_of<image::RootEntry>(image, image::PartId::root)),
      tables_(image::items_of<std::uint32_t>(image, image::PartId::tables).data()),
      nodes_(image::items_of<Node>(image, image::PartId::nodes)),
      groups_(image::bytes_of(image, image::PartId::groups).data()),
      values_(image::bytes_of(image, image::PartId::values)) {}

// One chunk of numbers on its way through the table.
class NumberTable::Search {
 public:
  Search(const NumberTable& table, std::span<const E164> numbers,
         std::span<NumberMatch> matches) noexcept
      : table_(table), numbers_(numbers), matches_(matches) {}

  void run() noexcept {
    begin();
    while (walking_ > 0) walk();
    look_into_groups();
  }

 private:
  struct Walk {
    std::uint64_t digits;  // not yet used up, the next one in the highest bits
    std::uint32_t node;
    std::uint8_t number;  // index into numbers_ and matches_
    std::uint8_t depth;   // digits used up
  };
  struct InTable {
    const std::uint32_t* entry;
    std::uint64_t digits;  // behind the table's
    std::uint8_t number;
  };
  struct InGroup {
    Group group;
    std::uint16_t position;  // the number's four digits behind the group's prefix
    std::uint8_t number;
    std::uint8_t digits;  // of the prefix, these four included
  };

  void begin() noexcept {
    for (const E164 number : numbers_)
      __builtin_prefetch(&table_.root_[number.packed() >> image::kRootShift]);
    for (std::size_t i = 0; i < numbers_.size(); ++i) {
      const std::uint64_t packed = numbers_[i].packed();
      const image::RootEntry entry = table_.root_[packed >> image::kRootShift];
      const std::uint64_t digits = packed << image::kDigitBits * image::kRootDigits;
      matches_[i] = {entry.value, static_cast<std::uint8_t>(entry.digits()),
                     digits == 0 && entry.longer()};
      if (digits == 0 || entry.place() == 0) continue;
      const auto number = static_cast<std::uint8_t>(i);
      if (entry.has_table())
        begin_in_table(entry.place(), digits, number);
      else
        walk_from(entry.place(), digits, number, image::kRootDigits);
    }
    for (std::size_t i = 0; i < in_tables_; ++i) {
      const InTable at = tables_[i];
      if (const std::uint32_t node = *at.entry; node != 0)
        walk_from(node, at.digits, at.number, image::kRootDigits + image::kTableDigits);
    }
  }

  void begin_in_table(std::uint32_t table, std::uint64_t digits, std::uint8_t number) noexcept {
    const std::uint32_t* const entries = table_.tables_ + table * image::kTableEntries;
    const std::uint64_t behind = digits << image::kDigitBits * image::kTableDigits;
    if (digits_in(digits) >= image::kTableDigits) {
      const std::uint32_t* const entry = entries + image::first_three(digits);
      __builtin_prefetch(entry);
      tables_[in_tables_++] = {entry, behind, number};
      return;
    }
    // Rare: the number has one or two of the table's digits.
    const image::DigitRange range =
        image::range_below(digits, digits_in(digits), image::kTableDigits);
    const std::span<const std::uint32_t> some(entries + image::first_three(range.first),
                                              range.size);
    matches_[number].longer =
        std::ranges::any_of(some, [](std::uint32_t node) { return node != 0; });
  }

  void walk_from(std::uint32_t node, std::uint64_t digits, std::uint8_t number,
                 unsigned depth) noexcept {
    __builtin_prefetch(&table_.nodes_[node]);
    walks_[walking_++] = {digits, node, number, static_cast<std::uint8_t>(depth)};
  }

  // Takes each number to its next node.
  void walk() noexcept {
    std::size_t going_on = 0;
    for (std::size_t i = 0; i < walking_; ++i) {
      Walk at = walks_[i];
      if (step(at)) walks_[going_on++] = at;
    }
    walking_ = going_on;
  }

  // False: the table knows no more of the number but what its group may know.
  bool step(Walk& at) noexcept {
    const Node node = table_.nodes_[at.node];
    NumberMatch& match = matches_[at.number];
    const auto skipped = static_cast<unsigned>(node.path & image::kSkippedMask);
    if (const std::uint64_t differ = (at.digits ^ node.path) & image::leading_mask(skipped)) {
      // The number may have ended on the way to the node.
      const std::uint64_t own = image::leading_mask(digits_in(at.digits));
      if ((differ & own) == 0) match.longer = true;
      return false;
    }
    at.digits <<= image::kDigitBits * skipped;
    at.depth = static_cast<std::uint8_t>(at.depth + skipped);
    // A group may have been looked into already, and know more digits.
    if (node.value != image::kNoValue && at.depth > match.digits) {
      match.value = node.value;
      match.digits = at.depth;
    }
    const std::uint64_t children = node.path & image::kChildrenMask;
    const bool grouped = (node.path & image::kHasGroup) != 0;
    if (at.digits == 0) {
      if (children != 0 || grouped) match.longer = true;
      return false;
    }
    if (grouped) enter(node, at);
    const std::uint64_t child = image::child_bit(first_digit(at.digits));
    if ((children & child) == 0) return false;
    at.node = node.first_child + image::bits_in(children & (child - 1));
    __builtin_prefetch(&table_.nodes_[at.node]);
    at.digits <<= image::kDigitBits;
    ++at.depth;
    return true;
  }

  void enter(const Node& node, const Walk& at) noexcept {
    const std::uint64_t children = node.path & image::kChildrenMask;
    const std::uint32_t place =
        children == 0 ? node.first_child
                      : table_.nodes_[node.first_child + image::bits_in(children)].value;
    const Group group(table_.groups_, place, node.path);
    const unsigned digits = digits_in(at.digits);
    if (digits < image::kGroupDigits) {
      // Rare: the number ends within the group.
      take_block(group, first_digit(at.digits), at.number, at.depth + 1U);
      if (group.has_any(at.digits, digits)) matches_[at.number].longer = true;
      return;
    }
    // Rare: groups below each other, for numbers of several lengths.
    if (in_groups_ == kLockStep) look_into_groups();
    const auto position = static_cast<std::uint16_t>(Group::position(at.digits));
    group.prefetch(position);
    groups_[in_groups_++] = {group, position, at.number,
                             static_cast<std::uint8_t>(at.depth + image::kGroupDigits)};
  }

  void take_block(const Group& group, std::uint64_t digit, std::uint8_t number,
                  unsigned digits) noexcept {
    const image::Value value = group.block(digit);
    if (value == image::kNoValue || digits <= matches_[number].digits) return;
    matches_[number].value = value;
    matches_[number].digits = static_cast<std::uint8_t>(digits);
  }

  void look_into_groups() noexcept {
    std::size_t found = 0;
    for (std::size_t i = 0; i < in_groups_; ++i) {
      InGroup at = groups_[i];
      if (at.digits <= matches_[at.number].digits) continue;
      const int place = at.group.find(at.position);
      if (place < 0) {
        take_block(at.group, at.position / 1'000 + 1, at.number,
                   at.digits - image::kGroupDigits + 1);
        continue;
      }
      at.position = static_cast<std::uint16_t>(place);
      at.group.prefetch_value(at.position);
      groups_[found++] = at;
    }
    for (const InGroup& at : std::span(groups_).first(found)) {
      NumberMatch& match = matches_[at.number];
      if (at.digits <= match.digits) continue;
      match.value = at.group.value(at.position);
      match.digits = at.digits;
    }
    in_groups_ = 0;
  }

  const NumberTable& table_;
  const std::span<const E164> numbers_;
  const std::span<NumberMatch> matches_;
  std::array<InTable, kLockStep> tables_;
  std::array<Walk, kLockStep> walks_;
  std::array<InGroup, kLockStep> groups_;
  std::size_t in_tables_ = 0;
  std::size_t walking_ = 0;
  std::size_t in_groups_ = 0;
};

void NumberTable::find(std::span<const E164> numbers,
                       std::span<NumberMatch> matches) const noexcept {
  if (root_.empty()) {
    std::ranges::fill(matches, NumberMatch{});
    return;
  }
  for (std::size_t done = 0; done < numbers.size(); done += kLockStep) {
    const std::size_t count = std::min(kLockStep, numbers.size() - done);
    Search(*this, numbers.subspan(done, count), matches.subspan(done, count)).run();
  }
}

NumberMatch NumberTable::find(E164 number) const noexcept {
  NumberMatch match;
  find(std::span(&number, 1), std::span(&match, 1));
  return match;
}

}  // namespace cpss
