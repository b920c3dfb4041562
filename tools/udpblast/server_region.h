// Reads the server's stats region before and after the run, to tell where messages were lost.
//
// For the main thread, outside the run.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "stats/ledger.h"
#include "stats/location.h"
#include "stats/reader.h"
#include "tools/udpblast/loss_places.h"
#include "tools/udpblast/options.h"

namespace cpss::udpblast {

// The region that --stats-file names cannot be used. what() says why and what to do.
class UnusableRegion : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Where the messages of a run were lost, by the server's ledger.
struct LossReport {
  std::optional<LossPlaces> places;
  // Remarks on the places, or why there are none; lines without '\n'.
  std::vector<std::string> notes;
};

class ServerRegion {
 public:
  // Reads the region that --stats-file names; or, if the server's address is loopback, the one at
  // the default place if it is that server's; nullopt if there is none. Throws UnusableRegion if a
  // named one cannot be read, or its server does not run, is not ready or hangs.
  static std::optional<ServerRegion> find(const Options& options,
                                          const std::string& default_place = default_region_path());

  // After the run. Waits until the server has done with all messages, or its counters stand still,
  // at most kSettleNs.
  LossReport explain(const Totals& totals);

 private:
  ServerRegion(RegionReader reader, Snapshot before)
      : reader_(std::move(reader)), before_(std::move(before)) {}

  Reading read_when_settled(std::uint64_t sent);

  RegionReader reader_;
  Snapshot before_;
};

inline constexpr std::uint64_t kSettleNs = 1'000'000'000;

// Whether a server with these listeners ("127.0.0.1:7700", "[::]:7700") receives datagrams sent to
// `address`.
bool listens_at(const std::vector<std::string>& listeners, const SocketAddress& address);

}  // namespace cpss::udpblast
