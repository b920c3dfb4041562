#include "stats/region_description.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#include "stats/layout.h"
#include "stats/machine_clock.h"
#include "stats/process_identity.h"
#include "stats/troubles.h"

namespace cpss {
namespace {

constexpr std::size_t rounded_up(std::size_t bytes) {
  return (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
}

// `place` is zeroed memory. A text that does not fit is cut; the last zero stays.
template <std::size_t N>
void put(std::array<char, N>& place, std::string_view text) {
  text.copy(place.data(), N - 1);
}

layout::MetricEntry* describe(layout::MetricEntry* entry, layout::MetricKind kind,
                              std::size_t first_value, const MetricInfo& info) {
  entry->kind = static_cast<std::uint32_t>(kind);
  entry->offset = static_cast<std::uint32_t>(first_value * sizeof(Value));
  entry->values = kind == layout::MetricKind::histogram ? kHistogramValues : 1;
  put(entry->name, info.name);
  put(entry->unit, info.unit);
  put(entry->help, info.help);
  return entry;
}

void describe_metrics(layout::MetricEntry* entry, Detail max) {
  using layout::MetricKind;
  std::size_t value = kCounterOffset;
  for (const CounterInfo& counter : kCounters)
    describe(entry++, MetricKind::counter, value++, counter.info);
  for (const ReasonInfo& reason : kReasons)
    put(describe(entry++, MetricKind::reason, value++, {reason.name, "messages", reason.help})
            ->outcome,
        name_of(reason.outcome));
  for (const GaugeInfo& gauge : kGauges)
    describe(entry++, MetricKind::gauge, value++, gauge.info)->merge =
        gauge.merge == Merge::max ? 1 : 0;
  if (max != Detail::histograms) return;
  for (const HistogramInfo& histogram : kHistograms) {
    describe(entry++, MetricKind::histogram, value, histogram.info);
    value += kHistogramValues;
  }
}

constexpr std::size_t metrics_kept(Detail max) noexcept {
  return kCounters.size() + kReasons.size() + kGauges.size() +
         (max == Detail::histograms ? kHistograms.size() : 0);
}

// A text that would be cut off does not compile.
constexpr bool fits(std::string_view name, std::string_view unit, std::string_view help) {
  return name.size() < sizeof(layout::MetricEntry::name) &&
         unit.size() < sizeof(layout::MetricEntry::unit) &&
         help.size() < sizeof(layout::MetricEntry::help);
}
constexpr bool all_texts_fit() {
  const auto info_fits = [](const auto& row) {
    return fits(row.info.name, row.info.unit, row.info.help);
  };
  return std::all_of(kCounters.begin(), kCounters.end(), info_fits) &&
         std::all_of(kGauges.begin(), kGauges.end(), info_fits) &&
         std::all_of(kHistograms.begin(), kHistograms.end(), info_fits) &&
         std::all_of(kReasons.begin(), kReasons.end(),
                     [](const ReasonInfo& reason) {
                       return fits(reason.name, name_of(reason.outcome), reason.help);
                     }) &&
         std::all_of(kTroubles.begin(), kTroubles.end(), [](const TroubleInfo& trouble) {
           return trouble.name.size() < sizeof(layout::TroubleEntry::name) &&
                  trouble.help.size() < sizeof(layout::TroubleEntry::help);
         });
}
static_assert(all_texts_fit(), "names, units and help texts have to fit their entries");

void describe_troubles(std::byte* table) {
  for (const TroubleInfo& trouble : kTroubles) {
    auto* const entry = new (table) layout::TroubleEntry{};
    put(entry->name, trouble.name);
    put(entry->help, trouble.help);
    entry->number_kind = static_cast<std::uint64_t>(trouble.number);
    table += sizeof(layout::TroubleEntry);
  }
}

void describe_blocks(layout::BlockEntry* entry, const RegionPlan& plan,
                     const RegionOptions& options) {
  std::size_t offset = plan.first_block;
  for (const RegionBlock& block : options.blocks) {
    entry->offset = offset;
    entry->stage = static_cast<std::uint32_t>(block.stage);
    entry->flags = (block.detail == Detail::essential ? layout::kEssentialOnly : 0U) |
                   (block.runs_inline ? layout::kInline : 0U);
    put(entry->stage_name, name_of(block.stage));
    put(entry->lane, block.lane);
    offset += plan.block_bytes;
    ++entry;
  }
}

}  // namespace

RegionPlan::RegionPlan(const RegionOptions& options)
    : block_bytes(cpss::block_bytes(options.max_detail())),
      metric_count(metrics_kept(options.max_detail())),
      listen(sizeof(layout::Header)),
      metrics(rounded_up(listen + options.listen.size() * sizeof(layout::ListenEntry))),
      block_entries(rounded_up(metrics + metric_count * sizeof(layout::MetricEntry))),
      troubles(rounded_up(block_entries + options.blocks.size() * sizeof(layout::BlockEntry))),
      data(rounded_up(troubles + kTroubles.size() * sizeof(layout::TroubleEntry))),
      first_block(rounded_up(data + sizeof(layout::DataEntry))),
      file_bytes(first_block + options.blocks.size() * block_bytes) {}

void describe_region(std::byte* file, const RegionPlan& plan, const RegionOptions& options,
                     std::uint64_t generation, bool locked) {
  auto* values = reinterpret_cast<Value*>(file + plan.first_block);
  std::uninitialized_value_construct_n(values,
                                       (plan.file_bytes - plan.first_block) / sizeof(Value));
  const ProcessIdentity process = this_process();

  auto* header = new (file) layout::Header{};
  header->magic = layout::kMagic;
  header->header_bytes = sizeof(layout::Header);
  header->file_bytes = plan.file_bytes;
  header->generation = generation;
  header->pid = process.pid;
  header->start_ticks = process.start_ticks;
  header->pid_namespace = process.pid_namespace;
  header->locked = locked ? 1 : 0;
  header->started_unix_ns = clock_ns(CLOCK_REALTIME);
  header->started_ns = machine_ns();
  header->heartbeat_ns.store(header->started_ns, std::memory_order_relaxed);
  header->max_inside = options.max_inside;
  header->slots = options.slots;
  header->histograms = options.histograms ? 1 : 0;
  header->kernel_dropped_exact = options.kernel_dropped_exact ? 1 : 0;
  header->block_bytes = plan.block_bytes;
  header->listen = {plan.listen, static_cast<std::uint32_t>(options.listen.size()),
                    sizeof(layout::ListenEntry)};
  header->metrics = {plan.metrics, static_cast<std::uint32_t>(plan.metric_count),
                     sizeof(layout::MetricEntry)};
  header->blocks = {plan.block_entries, static_cast<std::uint32_t>(options.blocks.size()),
                    sizeof(layout::BlockEntry)};
  header->troubles = {plan.troubles, static_cast<std::uint32_t>(kTroubles.size()),
                      sizeof(layout::TroubleEntry)};
  header->data = {plan.data, 1, sizeof(layout::DataEntry)};
  put(header->model, options.model);
  put(header->service, options.service);

  auto* listen = reinterpret_cast<layout::ListenEntry*>(file + plan.listen);
  for (const std::string& address : options.listen) put((listen++)->address, address);
  describe_metrics(reinterpret_cast<layout::MetricEntry*>(file + plan.metrics),
                   options.max_detail());
  describe_troubles(file + plan.troubles);
  describe_blocks(reinterpret_cast<layout::BlockEntry*>(file + plan.block_entries), plan, options);

  // Pairs with the acquire load of RegionView: a reader that sees the version sees all the above.
  header->version.store(layout::kVersion, std::memory_order_release);
}

}  // namespace cpss
