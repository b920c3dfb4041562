#include "numbers/image.h"

#include <algorithm>
#include <bit>
#include <cstddef>

#include <fmt/format.h>
#include <xxhash.h>

#include "numbers/e164.h"
#include "numbers/group.h"
#include "numbers/number_columns.h"

namespace cpss {
namespace {

using image::Header;
using image::Node;
using image::Part;
using image::PartId;

[[noreturn]] void fail(std::string_view part, std::string_view why) {
  throw ImageError(fmt::format("{}: {}", part, why));
}

const char* name_of(PartId id) noexcept {
  return image::kPartNames[static_cast<std::size_t>(id)];
}

// `behind`: where what is before the part ends. Returns where the part ends.
std::size_t check_part(std::span<const std::byte> bytes, PartId id, std::size_t behind) {
  const Part& part = image::header_of(bytes).parts[static_cast<std::size_t>(id)];
  if (part.offset != image::aligned(behind, image::kAlignment) || part.offset > bytes.size() ||
      part.bytes > bytes.size() - part.offset)
    fail(name_of(id), "it does not lie where it has to");
  const auto fill = bytes.subspan(behind, part.offset - behind);
  if (!std::ranges::all_of(fill, [](std::byte byte) { return byte == std::byte{0}; }))
    fail(name_of(id), "there is something before it");
  if (part.checksum != image::checksum(image::bytes_of(bytes, id)))
    fail(name_of(id), "its checksum does not fit");
  return part.offset + part.bytes;
}

// The values, in order of their places.
class ValueCheck {
 public:
  explicit ValueCheck(std::span<const std::byte> part) : part_(part) {
    if (part.size() < image::kValueUnit || part.size() % image::kValueUnit != 0)
      fail(name_of(PartId::values), "its size is wrong");
    begins_.resize(part.size() / image::kValueUnit);
    for (std::size_t at = image::kValueUnit; at < part.size();) at = behind_value(at);
  }

  bool begins_at(image::Value value) const noexcept {
    return value < begins_.size() && begins_[value];
  }
  std::uint64_t count() const noexcept { return count_; }

 private:
  std::size_t behind_value(std::size_t at) {
    const auto routes = std::to_integer<std::size_t>(part_[at]);
    if (routes == 0 || routes > image::kMaxRoutes) fail_at(at);
    begins_[at / image::kValueUnit] = true;
    ++count_;
    std::size_t end = at + 1;
    for (std::size_t i = 0; i < routes; ++i) {
      std::uint16_t length;
      if (part_.size() - end < sizeof length) fail_at(at);
      std::memcpy(&length, part_.data() + end, sizeof length);
      end += sizeof length;
      if (part_.size() - end < length) fail_at(at);
      end += length;
    }
    return image::aligned(end, image::kValueUnit);
  }
  [[noreturn]] static void fail_at(std::size_t at) {
    fail(name_of(PartId::values), fmt::format("the value at {} is none", at));
  }

  std::span<const std::byte> part_;
  std::vector<bool> begins_;
  std::uint64_t count_ = 0;
};

// Goes through the trie in the order of its nodes: children always lie behind their parent, and
// each node is the child of one.
class TrieCheck {
 public:
  TrieCheck(std::span<const std::byte> bytes, const ValueCheck& values)
      : nodes_(image::items_of<Node>(bytes, PartId::nodes)),
        tables_(image::items_of<std::uint32_t>(bytes, PartId::tables)),
        groups_(image::bytes_of(bytes, PartId::groups)),
        values_(values) {
    if (image::bytes_of(bytes, PartId::nodes).size() % sizeof(Node) != 0 || nodes_.empty())
      fail(name_of(PartId::nodes), "its size is wrong");
    depth_.resize(nodes_.size());
  }

  void check(std::span<const image::RootEntry> root) {
    if (root.size() != image::kRootEntries) fail(name_of(PartId::root), "its size is wrong");
    for (const image::RootEntry& entry : root) {
      if (entry.value != image::kNoValue && !values_.begins_at(entry.value))
        fail(name_of(PartId::root), "an entry has a value that there is not");
      if (entry.place() != 0 && entry.has_table())
        claim_table(entry.place());
      else if (entry.place() != 0)
        claim(entry.place(), image::kRootDigits, PartId::root);
    }
    for (std::uint32_t i = 1; i < nodes_.size(); ++i)
      if (depth_[i] != kNone && depth_[i] != kGroupPlace) check_node(i);
  }

 private:
  static constexpr std::uint8_t kNone = 0, kGroupPlace = 0xff;

  // A node is at that depth, of its parent and the digit that leads to it.
  void claim(std::uint64_t node, unsigned depth, PartId part) {
    if (node >= nodes_.size() || depth_[node] != kNone || depth > E164::kMaxDigits)
      fail(name_of(part), "a node is where it cannot be");
    depth_[node] = static_cast<std::uint8_t>(depth);
  }

  void claim_table(std::uint32_t number) {
    if (number >= tables_.size() / image::kTableEntries)
      fail(name_of(PartId::root), "a table is where it cannot be");
    for (const std::uint32_t node :
         tables_.subspan(number * image::kTableEntries, image::kTableEntries))
      if (node != 0) claim(node, image::kRootDigits + image::kTableDigits, PartId::tables);
  }

  void check_node(std::uint32_t number) {
    const Node& node = nodes_[number];
    const unsigned depth = depth_[number] + static_cast<unsigned>(node.path & image::kSkippedMask);
    if (depth > E164::kMaxDigits) fail(name_of(PartId::nodes), "a node is too deep");
    if (node.value != image::kNoValue && !values_.begins_at(node.value))
      fail(name_of(PartId::nodes), "a node has a value that there is not");
    const auto children = image::bits_in(node.path & image::kChildrenMask);
    if (children > 0 && node.first_child <= number)
      fail(name_of(PartId::nodes), "a child lies before its parent");
    for (unsigned i = 0; i < children; ++i)
      claim(std::uint64_t{node.first_child} + i, depth + 1, PartId::nodes);
    if ((node.path & image::kHasGroup) == 0) return;
    if (depth + image::kGroupDigits > E164::kMaxDigits)
      fail(name_of(PartId::nodes), "a group is too deep");
    if (children == 0) return check_group(node.first_child, node.path);
    const std::uint64_t place = std::uint64_t{node.first_child} + children;
    claim(place, 1, PartId::nodes);
    depth_[place] = kGroupPlace;
    check_group(nodes_[place].value, node.path);
  }

  void check_group(std::uint32_t place, std::uint64_t path) {
    const std::size_t begin = std::size_t{place} * image::kGroupUnit;
    if (begin > groups_.size()) fail_group("lies outside");
    const Group group(groups_.data(), place, path);
    const std::span<const std::byte> rest = groups_.subspan(begin);
    const std::size_t head = group.is_bitmap() ? check_bitmap(rest, begin) : check_positions(rest);
    const std::size_t count = group.size();
    if (count == 0 || rest.size() - head < count * sizeof(image::Value)) fail_group("is cut");
    if (group.has_blocks()) {
      if (begin < image::kBlocks * sizeof(image::Value)) fail_group("has no blocks");
      for (std::uint64_t digit = 1; digit <= image::kBlocks; ++digit)
        if (const image::Value value = group.block(digit);
            value != image::kNoValue && !values_.begins_at(value))
          fail_group("has a value that there is not");
    }
    for (std::size_t i = 0; i < count; ++i)
      if (!values_.begins_at(group.value(i))) fail_group("has a value that there is not");
    // Else a small image could name one group a million times, and have billions of rows.
    in_groups_ += head + count * sizeof(image::Value);
    if (in_groups_ > groups_.size()) fail_group("lies within another one");
  }

  static std::size_t check_bitmap(std::span<const std::byte> rest, std::size_t begin) {
    constexpr std::size_t kBytes = image::kBitmapUnits * sizeof(image::BitmapUnit);
    if (begin % sizeof(image::BitmapUnit) != 0 || rest.size() < kBytes) fail_group("is cut");
    const auto* const units = reinterpret_cast<const image::BitmapUnit*>(rest.data());
    unsigned before = 0;
    for (std::size_t i = 0; i < image::kBitmapUnits; ++i) {
      if (units[i].before() != before) fail_group("counts wrong");
      before = units[i].rank(image::BitmapUnit::kBits);
    }
    constexpr unsigned kInLast = image::kGroupNumbers % image::BitmapUnit::kBits;
    if (units[image::kBitmapUnits - 1].rank(kInLast) != before) fail_group("has too many bits");
    return kBytes;
  }
  static std::size_t check_positions(std::span<const std::byte> rest) {
    std::uint16_t count = 0;
    if (rest.size() < sizeof count) fail_group("is cut");
    std::memcpy(&count, rest.data(), sizeof count);
    const std::size_t bytes = image::positions_bytes(count);
    if (rest.size() < bytes) fail_group("is cut");
    const std::span<const std::uint16_t> positions(
        reinterpret_cast<const std::uint16_t*>(rest.data()) + 1, count);
    if (std::ranges::adjacent_find(positions, std::greater_equal{}) != positions.end() ||
        (count > 0 && positions.back() >= image::kGroupNumbers))
      fail_group("is not in order");
    return bytes;
  }
  [[noreturn]] static void fail_group(std::string_view what) {
    fail(name_of(PartId::groups), fmt::format("a group {}", what));
  }

  std::span<const Node> nodes_;
  std::span<const std::uint32_t> tables_;
  std::span<const std::byte> groups_;
  const ValueCheck& values_;
  std::vector<std::uint8_t> depth_;  // of each node that was claimed
  std::size_t in_groups_ = 0;        // bytes of the groups looked at so far
};

}  // namespace

namespace image {

std::uint64_t checksum(std::span<const std::byte> bytes) noexcept {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::vector<std::string> columns_of(std::span<const std::byte> image) {
  const std::span<const std::byte> bytes = bytes_of(image, PartId::columns);
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::vector<std::string> columns;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    columns.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return columns;
}

}  // namespace image

bool is_image(std::span<const std::byte> bytes) noexcept {
  return bytes.size() >= image::kMagic.size() &&
         std::memcmp(bytes.data(), image::kMagic.data(), image::kMagic.size()) == 0;
}

Header checked_header(std::span<const std::byte> begin) {
  if (!is_image(begin)) fail("header", "this is no image of number data");
  if (begin.size() < sizeof(Header))
    fail("header", fmt::format("cut after {} of {} bytes", begin.size(), sizeof(Header)));
  Header header;
  std::memcpy(&header, begin.data(), sizeof header);
  if (header.version != image::kVersion)
    fail("header", fmt::format("version {}, and this cpss reads version {}: build it anew",
                               header.version, image::kVersion));
  if (header.header_bytes != sizeof(Header)) fail("header", "it has another size");
  if (header.checksum != image::checksum(begin.first(offsetof(Header, checksum))))
    fail("header", "its checksum does not fit");
  if (header.source.back() != '\0') fail("header", "its source has no end");
  return header;
}

void check_image(std::span<const std::byte> bytes) {
  const Header header = checked_header(bytes);
  if (header.image_bytes != bytes.size())
    fail("header",
         fmt::format("the image has {} bytes, and {} are there", header.image_bytes, bytes.size()));
  std::size_t behind = sizeof(Header);
  for (std::size_t i = 0; i < image::kParts; ++i)
    behind = check_part(bytes, static_cast<PartId>(i), behind);
  if (behind != bytes.size()) fail("header", "there is something behind the last part");
  const ValueCheck values(image::bytes_of(bytes, PartId::values));
  if (values.count() != header.values)
    fail(name_of(PartId::values), "there are more or fewer than the header says");
  if (std::ranges::none_of(image::columns_of(bytes), [](const std::string& column) {
        return is_same_column(column, NumberColumns::kPrefix);
      }))
    fail(name_of(PartId::columns), "none is that of the prefix");
  TrieCheck(bytes, values).check(image::items_of<image::RootEntry>(bytes, PartId::root));
}

}  // namespace cpss
