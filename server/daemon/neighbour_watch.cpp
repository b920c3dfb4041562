#include "server/daemon/neighbour_watch.h"

#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "server/daemon/log.h"

namespace cpss {
namespace {

constexpr std::chrono::milliseconds kShortestPause{100};

}  // namespace

NeighbourWatch::NeighbourWatch(ReachMap& map)
    : map_(map),
      reading_("neighbours", [reader = NeighbourReader()]() mutable { return reader.read(); }) {}

bool NeighbourWatch::collect() {
  if (reading_.collect()) publish();
  return reading_.under_way();
}

void NeighbourWatch::look() {
  if (collect()) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_begun_ < kShortestPause) return;
  last_begun_ = now;
  if (const int error = reading_.begin(); error != 0)
    complain(error, "no thread to look into the kernel's neighbour tables");
}

void NeighbourWatch::publish() {
  if (reading_.error() != 0) {
    complain(reading_.error(), "cannot read the kernel's neighbour tables");
  } else {
    map_.begin();
    const Neighbours& found = reading_.value();
    for (const Neighbours::Entry& entry : found.entries) map_.add(entry.ip, entry.reach);
    for (const Prefix& network : found.networks) map_.add_network(network);
    map_.publish(monotonic_ns());
    ++looks_;
  }
}

void NeighbourWatch::complain(int error, const char* what) {
  if (std::exchange(complained_, true)) return;
  log::warning(fmt::format(
      "{}: {}; while replies to hosts that do not exist fill a send buffer, other hosts' replies "
      "may fail, too; allow AF_NETLINK sockets, or raise CPSS_SOCKET_BUFFER; this is said once",
      what, std::strerror(error)));
}

}  // namespace cpss
