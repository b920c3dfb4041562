// The server models as settings see them: which settings have a meaning for each. The function of a
// model in server/models/ makes its lanes.
//
// Pure data.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cpss {

// Which lanes run which steps on which sockets (server/models/).
enum class ServerModel : std::uint8_t { seda, sped, symped, amped, mp };

// Which lanes receive from which sockets.
enum class SocketSharing : std::uint8_t {
  shared,     // all from the same
  reuseport,  // each from its own (SO_REUSEPORT)
  handoff,    // from the same, one at a time
};

// Lanes for messages that a service defers.
enum class WorkerUse : std::uint8_t {
  none,      // the lane that runs the service processes them in place
  optional,  // as many lanes as are wanted, or none
  required,  // one lane at least
};

struct ModelTraits {
  ServerModel id;
  std::string_view name;
  bool staged = false;     // each stage has lanes of its own, and queues between them
  bool one_loop = false;   // one lane runs all steps, and must never wait for a queue
  bool processes = false;  // lanes are processes
  WorkerUse workers = WorkerUse::none;
  bool handoff = false;  // CPSS_SOCKETS=handoff has a meaning

  constexpr bool has_workers() const { return workers != WorkerUse::none; }
  constexpr bool several_receive() const { return !one_loop; }
  // Any number of lanes that each run all steps.
  constexpr bool several_loops() const { return !staged && !one_loop; }
};

inline constexpr auto kModels = std::to_array<ModelTraits>({
    {.id = ServerModel::seda, .name = "seda", .staged = true, .workers = WorkerUse::optional},
    {.id = ServerModel::sped, .name = "sped", .one_loop = true},
    {.id = ServerModel::symped, .name = "symped", .handoff = true},
    {.id = ServerModel::amped, .name = "amped", .one_loop = true, .workers = WorkerUse::required},
    {.id = ServerModel::mp, .name = "mp", .processes = true},
});

constexpr const ModelTraits& traits_of(ServerModel model) {
  return kModels[static_cast<std::size_t>(model)];
}
static_assert(
    [] {
      for (const ModelTraits& row : kModels)
        if (&traits_of(row.id) != &row) return false;
      return true;
    }(),
    "the rows stand in the enumeration's order");

}  // namespace cpss
