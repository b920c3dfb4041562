// The number table: finds the row with the longest prefix of a number.
//
// Constant after construction; find() may be called by any number of threads. It allocates nothing.
//
// How it works, and why so (tests/bench/number_table_bench.cpp measures it): a search in a large
// table costs cache misses, so the layout makes them few and find() makes them overlap.
// * A root array is indexed by the first four digits.
// * Below it is a trie over the digits with path compression: a node holds the digits it skips, a
//   bit for each child, and the place where its children lie side by side. A node is 16 bytes, so
//   siblings share cache lines, and a table of whole numbers costs one node for each rather than a
//   chain.
// * A node names its row's reply text directly; the text carries its own length. The text is stored
//   ready made, so that a reply is one copy.
// * find() takes a batch through the trie in lock-step: each round moves every number one node on
//   and prefetches the node it needs next, so that one number's miss is hidden by the others' work.
// A batch of 64 takes some 26 ns a number on 300,000 real prefixes, 55 ns on 3,000,000 whole
// numbers. Hashing needs a probe for every length a prefix may have, each a miss of its own: the
// standard hash map took over 120 ns, and prefetching cannot mend that most probes fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "services/e164.h"

namespace cpss {

// The reply texts of a table in one block of memory, each behind its length.
class TextPool {
 public:
  using Offset = std::uint32_t;
  static constexpr Offset kNone = 0;                // the place of an empty text
  static constexpr std::size_t kMaxBytes = 0xffff;  // of one text; more than any datagram holds

  TextPool();
  // Throws std::length_error if the text is longer than kMaxBytes, or would begin beyond 4 GiB.
  Offset add(std::string_view text);

  std::string_view at(Offset offset) const noexcept;
  void prefetch(Offset offset) const noexcept;

 private:
  static constexpr std::size_t kLengthBytes = sizeof(std::uint16_t);
  std::string bytes_;
};

class NumberTable {
 public:
  struct Row {
    E164 prefix;
    TextPool::Offset text;
  };

  // `rows` in ascending order of prefix, each prefix once, none empty: anything else throws
  // std::invalid_argument.
  NumberTable(std::span<const Row> rows, TextPool texts);

  // For each of `numbers`, the text of the row with the longest prefix of it, or an empty view.
  // The texts live as long as the table. numbers.size() == texts.size().
  void find(std::span<const E164> numbers, std::span<std::string_view> texts) const noexcept;
  std::string_view find(E164 number) const noexcept;

  std::size_t size() const noexcept { return size_; }  // prefixes

 private:
  // One place in the trie: all that the search needs there.
  struct Node {
    // From the highest bits: the digits skipped before this node's own place, as E164 packs them;
    // then 10 bits, each set if a child begins with that digit (the lowest bit: 0); then 4 bits,
    // how many digits are skipped, at most 11, since the root array takes four.
    std::uint64_t path = 0;
    TextPool::Offset text = TextPool::kNone;  // of the prefix that ends here
    std::uint32_t first_child = 0;
  };
  static_assert(sizeof(Node) == 16, "four nodes share a cache line");

  struct RootEntry {
    TextPool::Offset text = TextPool::kNone;  // of the longest prefix within the root's digits
    std::uint32_t node = 0;                   // 0: no prefix is longer
  };

  static constexpr unsigned kRootDigits = 4;

  void fill_root(std::span<const Row> rows);
  void build(std::uint32_t node, std::span<const Row> rows, unsigned depth);
  void find_chunk(std::span<const E164> numbers, std::span<std::string_view> texts) const noexcept;

  std::vector<RootEntry> root_;
  std::vector<Node> nodes_;  // the first is not used
  TextPool texts_;
  std::size_t size_;
};

// As many whole `column=value` pairs of `text`, from its beginning, as fit into `room` bytes: the
// first that does not fit is left out with all that follow it.
std::string_view leading_pairs(std::string_view text, std::size_t room) noexcept;

}  // namespace cpss
