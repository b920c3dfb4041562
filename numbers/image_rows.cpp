#include "numbers/image_rows.h"

#include "numbers/group.h"
#include "numbers/image.h"
#include "numbers/row_sort.h"

namespace cpss {
namespace {

using image::Node;

// Packed digits at a place behind `depth` others.
std::uint64_t at_depth(std::uint64_t digits, unsigned depth) noexcept {
  return digits >> image::kDigitBits * depth;
}

class Walk {
 public:
  explicit Walk(std::span<const std::byte> image)
      : tables_(image::items_of<std::uint32_t>(image, image::PartId::tables)),
        nodes_(image::items_of<Node>(image, image::PartId::nodes)),
        groups_(image::bytes_of(image, image::PartId::groups).data()) {}

  GrowingArray<NumberRow> run(std::span<const image::RootEntry> root) {
    for (std::size_t index = 1; index < root.size(); ++index) {
      const std::uint64_t digits = std::uint64_t{index} << image::kRootShift;
      const E164 prefix = E164::from_packed(digits);
      // (Places that stand for no number have neither.)
      if (root[index].value != image::kNoValue && root[index].digits() == prefix.size())
        add(digits, root[index].value);
      if (root[index].place() == 0) continue;
      if (root[index].has_table())
        visit_table(root[index].place(), digits);
      else
        visit(root[index].place(), digits, image::kRootDigits);
    }
    sort_rows(rows_.items());
    return std::move(rows_);
  }

 private:
  void add(std::uint64_t digits, image::Value value) { rows_.push_back({digits, value, 0}); }

  void visit_table(std::uint32_t table, std::uint64_t digits) {
    for (unsigned i = 0; i < image::kTableEntries; ++i)
      if (const std::uint32_t node = tables_[table * image::kTableEntries + i]; node != 0)
        // The last three of a position's four digits are those of a table.
        visit(node, digits | at_depth(Group::digits(i) << image::kDigitBits, image::kRootDigits),
              image::kRootDigits + image::kTableDigits);
  }

  // A node whose parent, and the digit that leads to it, are `digits`, `depth` of them.
  void visit(std::uint32_t number, std::uint64_t digits, unsigned depth) {
    const Node node = nodes_[number];
    const auto skipped = static_cast<unsigned>(node.path & image::kSkippedMask);
    digits |= at_depth(node.path & image::leading_mask(skipped), depth);
    depth += skipped;
    if (node.value != image::kNoValue) add(digits, node.value);
    const std::uint64_t children = node.path & image::kChildrenMask;
    const auto count = image::bits_in(children);
    if ((node.path & image::kHasGroup) != 0) {
      const std::uint32_t place =
          count == 0 ? node.first_child : nodes_[node.first_child + count].value;
      visit_group(Group(groups_, place, node.path), digits, depth);
    }
    std::uint32_t child = node.first_child;
    for (std::uint64_t digit = 1; digit <= 10; ++digit)
      if ((children & image::child_bit(digit)) != 0)
        visit(child++, digits | at_depth(digit << (64 - image::kDigitBits), depth), depth + 1);
  }

  void visit_group(const Group& group, std::uint64_t digits, unsigned depth) {
    for (std::uint64_t digit = 1; digit <= image::kBlocks; ++digit)
      if (const image::Value value = group.block(digit); value != image::kNoValue)
        add(digits | at_depth(digit << (64 - image::kDigitBits), depth), value);
    for (unsigned position = 0; position < image::kGroupNumbers; ++position) {
      const int place = group.find(position);
      if (place < 0) continue;
      add(digits | at_depth(Group::digits(position), depth),
          group.value(static_cast<std::size_t>(place)));
    }
  }

  std::span<const std::uint32_t> tables_;
  std::span<const Node> nodes_;
  const std::byte* groups_;
  GrowingArray<NumberRow> rows_;
};

}  // namespace

GrowingArray<NumberRow> rows_of_image(std::span<const std::byte> image) {
  return Walk(image).run(image::items_of<image::RootEntry>(image, image::PartId::root));
}

}  // namespace cpss
