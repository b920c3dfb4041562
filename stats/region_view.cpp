#include "stats/region_view.h"

#include <algorithm>
#include <climits>
#include <cstring>

#include <fmt/format.h>

#include "base/quote.h"
#include "stats/machine_clock.h"
#include "stats/troubles.h"

namespace cpss {
namespace {

using layout::MetricKind;

// More than any server has; a damaged count must not make a reader fill its memory.
constexpr std::uint32_t kMaxEntries = 65536;

// Counters that a message raises first in a stage are read last (stats/snapshot.h).
bool is_read_last(std::string_view counter) noexcept {
  return counter == "entered" || counter == "received" || counter == "filled";
}

// The members of a snapshot for each receiving lane.
std::uint64_t LaneSnapshot::*member_of_lane(std::string_view counter) noexcept {
  if (counter == "received") return &LaneSnapshot::received;
  if (counter == "lost_races") return &LaneSnapshot::lost_races;
  if (counter == "handoffs") return &LaneSnapshot::handoffs;
  return nullptr;
}

MetricFacts::Kind kind_in_facts(MetricKind kind) noexcept {
  if (kind == MetricKind::gauge) return MetricFacts::Kind::gauge;
  return kind == MetricKind::histogram ? MetricFacts::Kind::histogram : MetricFacts::Kind::counter;
}

// The number of a trouble in words; empty if it means nothing.
std::string reason_of(std::uint64_t kind, std::uint64_t number) {
  if (number == 0 || number > INT_MAX) return {};
  if (kind == static_cast<std::uint64_t>(TroubleNumber::error))
    return std::strerror(static_cast<int>(number));
  if (kind == static_cast<std::uint64_t>(TroubleNumber::signal))
    return ::strsignal(static_cast<int>(number));
  return {};
}

template <std::size_t N>
std::string text(const std::array<char, N>& padded) {
  return {padded.data(), ::strnlen(padded.data(), N)};
}

[[noreturn]] void throw_cut_short(std::size_t left) {
  throw IncompatibleRegion(
      fmt::format("is cut short, {} bytes are left: restart the server, it makes a new one", left));
}

// `file`: the whole file, or its beginning, at least as long as the header if the file is.
const layout::Header& header_of(std::span<const std::byte> file) {
  constexpr std::size_t kUpToVersion = offsetof(layout::Header, header_bytes);
  if (file.size() < kUpToVersion ||
      std::memcmp(file.data(), layout::kMagic.data(), layout::kMagic.size()) != 0)
    throw IncompatibleRegion("is not a stats region: name the file of a cpss server");
  const auto& header = *reinterpret_cast<const layout::Header*>(file.data());
  const std::uint32_t version = header.version.load(std::memory_order_acquire);
  if (version == 0)
    throw IncompatibleRegion("was never completed: start the server again, it makes a new one");
  if (version != layout::kVersion)
    throw IncompatibleRegion(
        fmt::format("has layout version {}, this program reads version {}: use the tools that "
                    "came with that server",
                    version, layout::kVersion));
  if (file.size() < sizeof(layout::Header)) throw_cut_short(file.size());
  return header;
}

// All facts but those in tables.
RegionFacts facts_in(const layout::Header& header) {
  return {.generation = header.generation,
          .pid = header.pid,
          .start_ticks = header.start_ticks,
          .pid_namespace = header.pid_namespace,
          .locked = header.locked != 0,
          .model = text(header.model),
          .service = text(header.service),
          .listen = {},
          .metrics = {},
          .max_inside = header.max_inside,
          .slots = header.slots,
          .histograms = header.histograms != 0,
          .kernel_dropped_exact = header.kernel_dropped_exact != 0,
          .started_unix_ns = header.started_unix_ns,
          .started_ns = header.started_ns};
}

void read_marks(const layout::Header& header, Snapshot& into) {
  into.heartbeat_ns = header.heartbeat_ns.load(std::memory_order_acquire);
  into.live_ns = header.live_ns.load(std::memory_order_acquire);
  into.ended_ns = header.ended_ns.load(std::memory_order_acquire);
}

}  // namespace

Snapshot read_region_header(std::span<const std::byte> file) {
  const layout::Header& header = header_of(file);
  Snapshot result;
  result.facts = facts_in(header);
  read_marks(header, result);
  result.taken_ns = machine_ns();
  return result;
}

RegionView::RegionView(std::span<const std::byte> file) : file_(file) {
  if (file.size() < header_of(file).file_bytes) throw_cut_short(file.size());
  if (header().header_bytes < sizeof(layout::Header))
    throw IncompatibleRegion("is damaged: its header is too small");
  read_facts();
  read_metrics();
  read_blocks();
  find_troubles();
  find_data();
}

const layout::Header& RegionView::header() const noexcept {
  return *reinterpret_cast<const layout::Header*>(file_.data());
}

void RegionView::read_facts() {
  facts_ = facts_in(header());
  for (const auto* entry : entries<layout::ListenEntry>(header().listen, "listen"))
    facts_.listen.push_back(text(entry->address));
  block_bytes_ = header().block_bytes;
}

void RegionView::read_metrics() {
  for (const auto* entry : entries<layout::MetricEntry>(header().metrics, "metrics")) {
    const auto kind = MetricKind{entry->kind};
    if (kind < MetricKind::counter || kind > MetricKind::histogram) continue;
    const std::size_t expected = kind == MetricKind::histogram ? kHistogramValues : 1;
    const std::size_t offset = entry->offset;
    const std::string name = text(entry->name);
    if (entry->values != expected || offset % sizeof(Value) != 0 || offset > block_bytes_ ||
        block_bytes_ - offset < expected * sizeof(Value))
      throw IncompatibleRegion(
          fmt::format("is damaged: metric {} lies outside its block", in_quotes(name)));
    const bool counter = kind == MetricKind::counter;
    metrics_.push_back({kind, entry->merge == 1, offset, counter && is_read_last(name),
                        counter ? member_of_lane(name) : nullptr, name, text(entry->outcome),
                        text(entry->help)});
    if (kind != MetricKind::reason)
      facts_.metrics.push_back({kind_in_facts(kind), name, text(entry->unit), text(entry->help)});
  }
}

void RegionView::read_blocks() {
  for (const auto* entry : entries<layout::BlockEntry>(header().blocks, "blocks")) {
    const std::uint64_t offset = entry->offset;
    if (offset % sizeof(Value) != 0 || offset > file_.size() ||
        file_.size() - offset < block_bytes_)
      throw IncompatibleRegion(fmt::format("is damaged: the values of lane {} lie outside the file",
                                           in_quotes(text(entry->lane))));
    const std::uint32_t order = entry->stage;
    auto stage = std::find_if(stages_.begin(), stages_.end(),
                              [&](const Stage& known) { return known.order >= order; });
    if (stage == stages_.end() || stage->order != order)
      stage = stages_.insert(stage, {order, text(entry->stage_name), {}, 0, false});
    Block& block = stage->blocks.emplace_back(Block{offset, kNoReceiver});
    if ((entry->flags & layout::kInline) == 0) {
      ++stage->lanes;
      if (stage->name == name_of(StageId::receive)) {
        block.receiver = receivers_.size();
        receivers_.push_back({.lane = text(entry->lane)});
      }
    }
    stage->essential_only |= (entry->flags & layout::kEssentialOnly) != 0;
  }
}

void RegionView::find_troubles() {
  for (const auto* entry : entries<layout::TroubleEntry>(header().troubles, "troubles"))
    troubles_.push_back({entry, text(entry->name), text(entry->help), entry->number_kind});
}

void RegionView::find_data() {
  const auto found = entries<layout::DataEntry>(header().data, "data");
  if (!found.empty()) data_ = found.front();
}

template <class Entry>
std::vector<const Entry*> RegionView::entries(const layout::Table& table, const char* name) const {
  const layout::Table copy = table;
  const std::uint64_t bytes = std::uint64_t{copy.count} * copy.entry_bytes;
  if (copy.count > kMaxEntries || (copy.count != 0 && copy.entry_bytes < sizeof(Entry)) ||
      copy.entry_bytes % alignof(Entry) != 0 || copy.offset % alignof(std::uint64_t) != 0 ||
      copy.offset > file_.size() || file_.size() - copy.offset < bytes)
    throw IncompatibleRegion(fmt::format("is damaged: its table '{}' lies outside the file", name));
  std::vector<const Entry*> result;
  for (std::uint32_t i = 0; i < copy.count; ++i)
    result.push_back(reinterpret_cast<const Entry*>(file_.data() + copy.offset +
                                                    std::size_t{i} * copy.entry_bytes));
  return result;
}

std::uint64_t RegionView::value(std::size_t offset) const noexcept {
  // Pairs with the release stores of StatsWriter.
  return reinterpret_cast<const Value*>(file_.data() + offset)->load(std::memory_order_acquire);
}

HistogramSnapshot RegionView::histogram(std::size_t offset) const {
  HistogramSnapshot result;
  result.buckets.resize(kHistogramBuckets);
  for (std::size_t bucket = 0; bucket < kHistogramBuckets; ++bucket)
    result.buckets[bucket] = value(offset + bucket * sizeof(Value));
  result.max = value(offset + kHistogramMax * sizeof(Value));
  return result;
}

void RegionView::read_metric(const Metric& metric, const Stage& stage, StageSnapshot& into,
                             std::vector<LaneSnapshot>& receivers) const {
  if (metric.kind == MetricKind::counter) {
    std::uint64_t& sum = into.counters[metric.name];
    for (const Block& block : stage.blocks) {
      const std::uint64_t count = value(block.offset + metric.offset);
      sum += count;
      if (metric.of_lane != nullptr && block.receiver != kNoReceiver)
        receivers[block.receiver].*metric.of_lane += count;
    }
  } else if (metric.kind == MetricKind::histogram) {
    HistogramSnapshot& sum = into.histograms[metric.name];
    for (const Block& block : stage.blocks) sum.add(histogram(block.offset + metric.offset));
  } else if (metric.kind == MetricKind::gauge) {
    std::uint64_t& gauge = into.gauges[metric.name];
    for (const Block& block : stage.blocks) {
      const std::uint64_t one = value(block.offset + metric.offset);
      gauge = metric.largest ? std::max(gauge, one) : gauge + one;
    }
  }
}

std::vector<TroubleSnapshot> RegionView::read_troubles() const {
  std::vector<TroubleSnapshot> result;
  for (const KnownTrouble& trouble : troubles_) {
    const std::uint64_t since = trouble.entry->since_ns.load(std::memory_order_acquire);
    if (since == 0) continue;
    result.push_back(
        {trouble.name, trouble.help,
         reason_of(trouble.number_kind, trouble.entry->number.load(std::memory_order_acquire)),
         trouble.entry->lanes.load(std::memory_order_acquire), since});
  }
  return result;
}

std::uint64_t RegionView::sum_over_blocks(const Metric& metric) const noexcept {
  std::uint64_t sum = 0;
  for (const Stage& stage : stages_)
    for (const Block& block : stage.blocks) sum += value(block.offset + metric.offset);
  return sum;
}

Snapshot RegionView::read() const {
  Snapshot result;
  result.facts = facts_;
  read_marks(header(), result);
  result.troubles = read_troubles();
  if (data_ != nullptr) result.data = load(*data_);
  for (const Metric& metric : metrics_)
    if (metric.kind == MetricKind::counter && metric.name == "received")
      result.received_before = sum_over_blocks(metric);
  for (const Metric& metric : metrics_)
    if (metric.kind == MetricKind::reason)
      result.reasons.push_back({metric.outcome, metric.name, metric.help, sum_over_blocks(metric)});
  result.receivers = receivers_;
  for (auto stage = stages_.rbegin(); stage != stages_.rend(); ++stage) {
    StageSnapshot& into = result.stages.emplace_back();
    into.name = stage->name;
    into.lanes = stage->lanes;
    into.essential_only = stage->essential_only;
    for (const bool last : {false, true})
      for (const Metric& metric : metrics_)
        if (metric.last == last) read_metric(metric, *stage, into, result.receivers);
  }
  std::reverse(result.stages.begin(), result.stages.end());
  result.taken_ns = machine_ns();
  return result;
}

}  // namespace cpss
