#include "stats/ledger.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "stats/format_count.h"
#include "stats/queue_flow.h"

namespace cpss {
namespace {

using Relation = Identity::Relation;

// Counters wrap only in theory; a difference of two counters is right modulo 2^64.
std::int64_t difference(std::uint64_t a, std::uint64_t b) noexcept {
  return static_cast<std::int64_t>(a - b);
}
std::int64_t as_signed(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>(value);
}

std::uint64_t sum_of_reasons(const Snapshot& snapshot) noexcept {
  return std::accumulate(snapshot.reasons.begin(), snapshot.reasons.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const ReasonCount& r) { return sum + r.count; });
}

std::uint64_t sum_of_outcome(const Snapshot& snapshot, std::string_view outcome) noexcept {
  std::uint64_t sum = 0;
  for (const ReasonCount& reason : snapshot.reasons)
    if (reason.outcome == outcome) sum += reason.count;
  return sum;
}

bool is_pipeline_stage(const StageSnapshot& stage) noexcept {
  return stage.name != kServerStage;
}

bool is_fed_by_a_queue(const StageSnapshot& stage) noexcept {
  return is_pipeline_stage(stage) && stage.name != "receive";
}

// For each stage and queue: in = out, or in >= out while messages are between the two.
std::vector<Identity> stage_identities(const Snapshot& snapshot, Relation relation) {
  const std::string_view sign = relation == Relation::equal ? "=" : ">=";
  std::vector<Identity> result;
  for (const StageSnapshot& stage : snapshot.stages)
    if (is_pipeline_stage(stage))
      result.push_back({fmt::format("{}: entered {} forwarded + completed", stage.name, sign),
                        as_signed(stage.counter("entered")), relation,
                        as_signed(stage.counter("forwarded") + stage.counter("completed"))});
  for (const QueueFlow& flow : queue_flows(snapshot))
    result.push_back({fmt::format("{} {} {}", flow.put_text, sign, flow.taken_text),
                      as_signed(flow.put), relation, as_signed(flow.taken)});
  return result;
}

// A forced end, or the death of a process, takes messages out of stages and queues. Then these
// identities do not balance one by one, but their residuals add up to the messages that the main
// thread completed.
std::vector<Identity> stage_identities_after_forced_end(const Snapshot& snapshot,
                                                        std::uint64_t taken, Relation relation) {
  std::int64_t inside = 0;
  for (const Identity& identity : stage_identities(snapshot, relation))
    inside += identity.residual();
  return {{fmt::format("left behind in stages and queues {} booked by the main thread",
                       relation == Relation::equal ? "=" : ">="),
           inside, relation, as_signed(taken)}};
}

std::vector<Identity> wait_identities(const Snapshot& snapshot) {
  std::vector<Identity> result;
  if (!snapshot.facts.histograms) return result;
  for (const StageSnapshot& stage : snapshot.stages)
    if (is_fed_by_a_queue(stage) && !stage.essential_only)
      result.push_back({fmt::format("{}: waits recorded = entered", stage.name),
                        as_signed(stage.histogram("wait_ns").count()), Relation::equal,
                        as_signed(stage.counter("entered"))});
  return result;
}

std::vector<Identity> pipeline_identities(const Snapshot& snapshot, Relation relation) {
  const StageSnapshot* server = snapshot.stage(kServerStage);
  const std::uint64_t taken = server != nullptr ? server->counter("completed") : 0;
  return taken == 0 ? stage_identities(snapshot, relation)
                    : stage_identities_after_forced_end(snapshot, taken, relation);
}

// For a server in which nothing moves: because it holds no message (`empty`), or although it does.
std::vector<Identity> unmoved_identities(const Snapshot& snapshot, const Ledger& ledger,
                                         std::uint64_t ended, bool empty) {
  std::vector<Identity> result = {
      {"received = answered + no_answer + invalid + refused + shed + failed + in_flight",
       as_signed(ledger.received), Relation::equal, as_signed(ended) + ledger.in_flight}};
  if (empty)
    result.push_back({"filled = given_back", as_signed(snapshot.total("filled")), Relation::equal,
                      as_signed(snapshot.total("given_back"))});
  result.push_back({"completed by all stages = all outcomes",
                    as_signed(snapshot.total("completed")), Relation::equal, as_signed(ended)});
  result.push_back({"sent >= answered", as_signed(ledger.sent), Relation::at_least,
                    as_signed(ledger.outcomes[static_cast<std::size_t>(Outcome::answered)])});
  for (auto&& part : {pipeline_identities(snapshot, empty ? Relation::equal : Relation::at_least),
                      wait_identities(snapshot)})
    result.insert(result.end(), part.begin(), part.end());
  return result;
}

}  // namespace

bool Identity::holds() const noexcept {
  switch (relation) {
    case Relation::equal:
      return left == right;
    case Relation::at_least:
      return left >= right;
    case Relation::at_most:
      return left <= right;
  }
  return false;
}

Ledger ledger_of(const Snapshot& snapshot) {
  Ledger ledger;
  ledger.received = snapshot.total("received");
  for (std::size_t i = 0; i < kOutcomeNames.size(); ++i)
    ledger.outcomes[i] = sum_of_outcome(snapshot, kOutcomeNames[i]);
  // All reasons, also those of an outcome that only a newer server has.
  const std::uint64_t ended = sum_of_reasons(snapshot);
  ledger.in_flight = difference(snapshot.total("filled"), snapshot.total("given_back"));
  ledger.residual = difference(ledger.received, ended) - ledger.in_flight;
  ledger.sent = snapshot.total("sent");
  ledger.kernel_dropped = snapshot.total("kernel_dropped");
  ledger.kernel_dropped_exact = snapshot.facts.kernel_dropped_exact;
  ledger.at_rest = unmoved_identities(snapshot, ledger, ended, true);
  ledger.standing = unmoved_identities(snapshot, ledger, ended, false);
  ledger.live = {{"received before - outcomes <= most that fit inside",
                  difference(snapshot.received_before, ended), Relation::at_most,
                  as_signed(snapshot.facts.max_inside)},
                 {"received after - outcomes >= 0", difference(ledger.received, ended),
                  Relation::at_least, 0}};
  return ledger;
}

std::string format_identity(const Identity& identity) {
  // For an inequality people need the distance from breaking; the residual would say little.
  const bool equation = identity.relation == Relation::equal;
  const std::int64_t rest =
      identity.relation == Relation::at_most ? -identity.residual() : identity.residual();
  return fmt::format("{:<6}  {}: {} and {}, {} {}", identity.holds() ? "holds" : "BROKEN",
                     identity.text, format_signed_count(identity.left),
                     format_signed_count(identity.right), equation ? "residual" : "room left",
                     format_signed_count(rest));
}

std::string format_ledger(const Ledger& ledger) {
  std::string text;
  const auto row = [&](std::string_view sign, std::string_view name, const std::string& value) {
    text += fmt::format("  {:1} {:<15}{:>20}\n", sign, name, value);
  };
  row("", "received", format_count(ledger.received));
  for (std::size_t i = 0; i < kOutcomeNames.size(); ++i)
    row(i == 0 ? "=" : "+", kOutcomeNames[i], format_count(ledger.outcomes[i]));
  row("+", "in_flight", format_signed_count(ledger.in_flight));
  row("+", "residual", format_signed_count(ledger.residual));
  row("", "sent", format_count(ledger.sent));
  row("", "kernel_dropped", format_count(ledger.kernel_dropped));
  if (!ledger.kernel_dropped_exact)
    text += "    (kernel_dropped counts packets, each of one or more datagrams)\n";
  return text;
}

}  // namespace cpss
