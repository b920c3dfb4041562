// Where each message that was not answered right was lost: reads the server's stats region before
// and after the run (ServerRegion), and compares the client's ledger with the server's
// (loss_places()).
//
// A message's way: from here to the server's socket; the server's kernel; the server, which ends it
// for some reason or answers it; the way back; the client's kernel; the client, for which the reply
// may be too late or wrong. S, R, D and A are the messages sent, received, dropped by the server's
// kernel and answered; a is the answers that arrived (right, wrong, unknown, malformed, and late
// ones that do not say "busy"):
//   to_server     = S - R - D
//   server_kernel = D
//   invalid, refused, shed, no_answer, failed, in_server: the server's ledger, R less A in all
//   client_kernel = of A - a, as many as were dropped at the client's sockets
//   to_client     = A - a less those
//   too_late      = late replies that do not say "busy"
//   wrong         = wrong, unknown and malformed replies
// A busy reply belongs to a message that was shed, whether or not and whenever it arrived. The sum
// of all places is S - right, and `unexplained`, the rest of that, is 0, as long as the server's
// own ledger balances and no other client sends to it. A place that comes out negative counts as 0.
//
// ServerRegion is for the main thread, outside the run: it waits for the server.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stats/ledger.h"
#include "stats/location.h"
#include "stats/reader.h"
#include "tools/udpblast/options.h"
#include "tools/udpblast/tally.h"

namespace cpss::udpblast {

enum class Place : std::uint8_t {
  to_server,
  server_kernel,
  invalid,
  refused,
  shed,
  no_answer,
  failed,
  in_server,
  to_client,
  client_kernel,
  too_late,
  wrong,
};

struct PlaceInfo {
  Place id;
  std::string_view name;  // the key in JSON
  std::string_view help;
};

// docs/udpblast.md has the same table. In the order of a message's way.
inline constexpr auto kPlaces = std::to_array<PlaceInfo>({
    {Place::to_server, "to_server", "on the way to the server, or still unread in its socket"},
    {Place::server_kernel, "server_kernel", "dropped by the server's kernel: its socket was full"},
    {Place::invalid, "invalid", "the server: not a message of its service"},
    {Place::refused, "refused", "the server: refused by its policy"},
    {Place::shed, "shed", "the server: too much to do, with or without a busy reply"},
    {Place::no_answer, "no_answer", "the server: its service chose silence"},
    {Place::failed, "failed", "the server: its service failed, or the reply could not be sent"},
    {Place::in_server, "in_server", "still inside the server"},
    {Place::to_client, "to_client", "answered, and lost on the way back"},
    {Place::client_kernel, "client_kernel", "answered, and dropped at udpblast's own sockets"},
    {Place::too_late, "too_late", "answered, after the time-out"},
    {Place::wrong, "wrong", "answered, with a wrong, unknown or malformed reply"},
});

constexpr bool places_in_order() {
  for (std::size_t i = 0; i < kPlaces.size(); ++i)
    if (static_cast<std::size_t>(kPlaces[i].id) != i) return false;
  return kPlaces.size() == static_cast<std::size_t>(Place::wrong) + 1;
}
static_assert(places_in_order());

struct LossPlaces {
  std::array<std::uint64_t, kPlaces.size()> messages{};
  std::uint64_t total = 0;       // messages that were not answered right
  std::int64_t unexplained = 0;  // total less the sum of the places

  std::uint64_t operator[](Place place) const noexcept {
    return messages[static_cast<std::size_t>(place)];
  }
  bool operator==(const LossPlaces&) const = default;
};

// Compares the client's ledger with the server's, as read before and after the run; both readings
// are of the same server. A pure function, any thread.
LossPlaces loss_places(const Ledger& before, const Ledger& after, const Totals& totals) noexcept;

// The region that --stats-file names cannot be used. what() says why and what to do.
class UnusableRegion : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What the report says of the places.
struct LossReport {
  std::optional<LossPlaces> places;
  // Remarks on the places, or why there are none; lines without '\n'.
  std::vector<std::string> notes;
};

// The server's stats region, read before and after the run.
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
