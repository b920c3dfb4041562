#include "tools/udpblast/loss_places.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "stats/machine_clock.h"

namespace cpss::udpblast {
namespace {

constexpr std::chrono::milliseconds kPoll{20};

// These counts must have come to rest before the ledgers are compared.
bool same_counts(const Ledger& one, const Ledger& other) {
  return one.received == other.received && one.outcomes == other.outcomes &&
         one.in_flight == other.in_flight && one.kernel_dropped == other.kernel_dropped;
}

std::vector<std::string> notes_on(const Reading& after, const LossPlaces& places) {
  std::vector<std::string> notes;
  if (after.state == RegionState::stale)
    notes.push_back("the server has ended without closing its ledger: these are its last values");
  else if (after.no_sign_of_life())
    notes.push_back(
        "the server gives no sign of life: what its kernel dropped since then is counted as lost "
        "on the way");
  if (places.unexplained < 0)
    notes.push_back(
        "the server's region counts more than this run sent: other clients' messages are in it, "
        "too, and the places are not this run's alone");
  if (places[Place::server_kernel] != 0 && !after.snapshot->facts.kernel_dropped_exact)
    notes.push_back("server_kernel counts packets, each of one or more datagrams");
  return notes;
}

}  // namespace

LossPlaces loss_places(const Ledger& before, const Ledger& after, const Totals& totals) noexcept {
  LossPlaces result;
  result.total = totals[Count::sent] - totals[Count::right];

  // Differences of counters are right modulo 2^64; only a place may come out negative.
  const auto put = [&](Place place, std::uint64_t messages) {
    const auto value = static_cast<std::int64_t>(messages);
    result.messages[static_cast<std::size_t>(place)] = value > 0 ? messages : 0;
  };
  const auto ended = [&](Outcome outcome) {
    const auto i = static_cast<std::size_t>(outcome);
    return after.outcomes[i] - before.outcomes[i];
  };
  const std::uint64_t dropped = after.kernel_dropped - before.kernel_dropped;
  put(Place::to_server, totals[Count::sent] - (after.received - before.received) - dropped);
  put(Place::server_kernel, dropped);
  put(Place::invalid, ended(Outcome::invalid));
  put(Place::refused, ended(Outcome::refused));
  put(Place::shed, ended(Outcome::shed));
  put(Place::no_answer, ended(Outcome::no_answer));
  put(Place::failed, ended(Outcome::failed));
  put(Place::in_server, static_cast<std::uint64_t>(after.in_flight - before.in_flight));

  const std::uint64_t late = totals[Count::late] - totals[Count::late_busy];
  const std::uint64_t wrong =
      totals[Count::wrong] + totals[Count::unknown] + totals[Count::malformed];
  const std::uint64_t arrived = totals[Count::right] + wrong + late;
  const std::uint64_t not_arrived = ended(Outcome::answered) - arrived;
  const std::uint64_t at_client = static_cast<std::int64_t>(not_arrived) > 0
                                      ? std::min(totals[Count::kernel_dropped], not_arrived)
                                      : 0;
  put(Place::to_client, not_arrived - at_client);
  put(Place::client_kernel, at_client);
  put(Place::too_late, late);
  put(Place::wrong, wrong);

  std::uint64_t explained = 0;
  for (const std::uint64_t messages : result.messages) explained += messages;
  result.unexplained = static_cast<std::int64_t>(result.total - explained);
  return result;
}

bool listens_at(const std::vector<std::string>& listeners, const SocketAddress& address) {
  const std::string port = fmt::format(":{}", address.port());
  const std::string any = address.ip().is_v4() ? "0.0.0.0" + port : "[::]" + port;
  return std::ranges::any_of(listeners, [&](const std::string& listener) {
    // A listener at [::] takes IPv4, too.
    return listener == address.to_string() || listener == any || listener == "[::]" + port;
  });
}

std::optional<ServerRegion> ServerRegion::find(const Options& options,
                                               const std::string& default_place) {
  const bool named = options.stats_file.has_value();
  if (!named && !options.server.ip().is_loopback()) return std::nullopt;
  RegionReader reader(named ? *options.stats_file : default_place);
  Reading reading = reader.read();
  const bool live = reading.state == RegionState::live;
  if (named && !reading.snapshot) throw UnusableRegion("--stats-file: " + reading.problem);
  if (named && reading.state == RegionState::hung)
    throw UnusableRegion(
        fmt::format("--stats-file {}: its server hangs or is stopped, it gave no sign of life for "
                    "{:.1f} s: let it go on, or restart it",
                    *options.stats_file, static_cast<double>(reading.heartbeat_age_ns()) / 1e9));
  if (named && reading.state == RegionState::starting)
    throw UnusableRegion(fmt::format(
        "--stats-file {}: its server is not ready yet: wait until it is", *options.stats_file));
  if (named && !live)
    throw UnusableRegion(fmt::format("--stats-file {}: its server is not running (state {})",
                                     *options.stats_file, name_of(reading.state)));
  if (!live || (!named && !listens_at(reading.snapshot->facts.listen, options.server)))
    return std::nullopt;
  return ServerRegion(std::move(reader), std::move(*reading.snapshot));
}

LossReport ServerRegion::explain(const Totals& totals) {
  const Reading after = read_when_settled(totals[Count::sent]);
  if (!after.snapshot) return {std::nullopt, {"not known: " + after.problem}};
  if (!after.snapshot->facts.same_server(before_.facts))
    return {std::nullopt,
            {fmt::format("not known: another server (pid {}) has taken the place of the one before "
                         "the run (pid {})",
                         after.snapshot->facts.pid, before_.facts.pid)}};
  const LossPlaces places = loss_places(ledger_of(before_), ledger_of(*after.snapshot), totals);
  return {places, notes_on(after, places)};
}

// The server's main thread reads the kernel's drop counters at each tick, so a heartbeat has to
// come after the run. From then on the region is settled once every message is accounted for, or
// once no count has changed from one heartbeat to a later one.
Reading ServerRegion::read_when_settled(std::uint64_t sent) {
  const std::uint64_t run_end_ns = machine_ns();
  const Ledger before = ledger_of(before_);
  std::optional<Snapshot> last;
  for (;;) {
    Reading reading = reader_.read();
    if (reading.state != RegionState::live || machine_ns() - run_end_ns >= kSettleNs)
      return reading;
    const Snapshot& now = *reading.snapshot;
    if (!now.facts.same_server(before_.facts)) return reading;
    if (now.heartbeat_ns > run_end_ns) {
      const Ledger ledger = ledger_of(now);
      const std::uint64_t arrived =
          ledger.received - before.received + ledger.kernel_dropped - before.kernel_dropped;
      // The counters are not all read at the same moment: a residual says that a message was just
      // moving.
      if (arrived >= sent && ledger.in_flight <= before.in_flight &&
          ledger.residual == before.residual)
        return reading;
      if (!last || !same_counts(ledger_of(*last), ledger))
        last = now;
      else if (now.heartbeat_ns > last->heartbeat_ns)
        return reading;
    }
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace cpss::udpblast
