#include "tools/udpblast/loss_places.h"

#include <algorithm>

namespace cpss::udpblast {

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

}  // namespace cpss::udpblast
