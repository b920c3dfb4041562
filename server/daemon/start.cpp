#include "server/daemon/start.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/exit_codes.h"
#include "base/standard_error.h"
#include "server/daemon/address_follower.h"
#include "server/daemon/config_check.h"
#include "server/daemon/description.h"
#include "server/daemon/failure.h"
#include "server/daemon/listeners.h"
#include "server/daemon/log.h"
#include "server/daemon/machine.h"
#include "server/daemon/memory_need.h"
#include "server/daemon/plan.h"
#include "server/daemon/privileges.h"
#include "server/daemon/running_server.h"
#include "server/daemon/service_manager.h"
#include "server/daemon/settings_checks.h"
#include "server/daemon/signals.h"
#include "server/daemon/standard_streams.h"
#include "server/models/models.h"
#include "server/pipeline/lane_states.h"
#include "server/pipeline/pipeline.h"
#include "server/processes/process_group.h"
#include "stats/region.h"

namespace cpss {
namespace {

// The writers of the receive blocks, for reading.
std::vector<StatsWriter> receivers_of(const std::vector<RegionBlock>& blocks,
                                      const StatsRegion& region) {
  std::vector<StatsWriter> receivers;
  for (std::size_t i = 0; i < blocks.size(); ++i)
    if (blocks[i].stage == StageId::receive) receivers.push_back(region.writer(i));
  return receivers;
}

std::optional<unsigned> highest_priority(const PipelineOptions& pipeline) {
  return std::max(pipeline.receive.real_time_priority, pipeline.response.real_time_priority);
}

std::unique_ptr<Engine> make_engine(const PipelineOptions& options, const Assignment& assignment,
                                    Service& service, std::vector<DatagramSocket*> sockets,
                                    const AccessControl& access_control, StatsRegion& region,
                                    LaneStates lane_states) {
  if (assignment.separate_processes)
    return std::make_unique<ProcessGroup>(options, assignment, service, std::move(sockets),
                                          access_control, region);
  return std::make_unique<Pipeline>(options, assignment, service, std::move(sockets),
                                    access_control, region, std::move(lane_states));
}

}  // namespace

int serve(LoadResult& loaded, const ServerParts& parts, const char* const* environment) {
  log::set_up();
  InheritedSockets inherited = inherited_sockets(environment);
  ServiceManager manager(environment);
  for (const std::string& warning : {inherited.warning, manager.warning()})
    if (!warning.empty()) log::warning(warning);
  const Machine machine = this_machine(parts.proc);
  Plan plan = plan_or_complain(loaded, parts.services, machine, log::info);
  const Assignment assignment = assignment_of(plan.pipeline);
  const ListenerOptions sockets =
      listener_options(loaded, assignment.socket_groups, std::move(inherited.sockets));
  if (!loaded.ok()) return complain_about_settings(loaded);
  const Settings& settings = loaded.settings;

  require_stack_of_lanes(assignment);
  Listeners listeners(sockets);
  plan.pipeline.stop_reading = listeners.inherited();
  for (const auto& socket : listeners.sockets()) {
    plan.pipeline.merged |= socket->merges();
    plan.pipeline.grouped |= socket->max_segments() > 1;
  }
  check_merging(loaded, plan.pipeline.merged);
  AddressFollower addresses;
  check_reply_address(loaded, listeners.addresses(), addresses.now());
  if (!loaded.ok()) return complain_about_settings(loaded);
  LaneStates lane_states = make_lane_states(assignment, *plan.service);
  // From here on an end signal ends the server in good order, and the region that it leaves says
  // so. Nothing from here to the lanes' start may take its time, except the start of processes,
  // which a signal ends.
  EndSignals signals(assignment.separate_processes || assignment.process_per_message);
  const RegionOptions about =
      region_options(settings, plan.pipeline, assignment, listeners.address_texts());
  MemoryNeed known = known_need(about, parts.proc);
  known.sockets = listeners.buffer_bytes();
  const auto memory_left =
      check_memory(settings, plan.pipeline, assignment, machine, known, log::warning);
  StatsRegion region(about);
  if (!region.warning().empty()) log::warning(region.warning());
  for (const std::string& note : listeners.inherited_notes()) log::warning(note);
  for (const std::string& note : listeners.buffer_notes()) log::info(note);

  std::vector<std::unique_ptr<DatagramSocket>> wrappers;
  std::vector<DatagramSocket*> used;
  for (const auto& socket : listeners.sockets()) {
    used.push_back(socket.get());
    if (!parts.wrap_socket) continue;
    wrappers.push_back(parts.wrap_socket(*socket));
    used.back() = wrappers.back().get();
  }

  AccessOptions who_may_ask =
      access_options(settings, *plan.service, listeners.addresses(), addresses.now());
  if (assignment.separate_processes) who_may_ask.sharing = Sharing::process_shared;
  AccessControl access_control(std::move(who_may_ask));
  addresses.serve(access_control, listeners.addresses(), plan.pipeline.reply_address);
  const auto engine = make_engine(plan.pipeline, assignment, *plan.service, used, access_control,
                                  region, std::move(lane_states));
  RunningServer server({signals,
                        manager,
                        listeners,
                        addresses,
                        region,
                        {plan.service->reloadable_data(), plan.service_load_time,
                         lanes_with_state(assignment), memory_left},
                        *engine,
                        assignment,
                        region.writer(about.blocks.size() - 1),
                        receivers_of(about.blocks, region),
                        settings.idle_exit});
  // Nothing remains to be opened, and the log's thread is the only other one.
  if (may_lose_right_to_replace(region.path(), plan.run_as)) region.put_into_place();
  if (plan.run_as) give_region_to(*plan.run_as, region.path());
  give_up_privileges(plan.run_as, highest_priority(plan.pipeline));
  give_up_rights_of_standard_error();
  server.start();
  server.announce(
      ready_line(settings, plan.pipeline, assignment, listeners.address_texts(), region.path()));

  server.run();
  server.end(settings.drain_timeout);
  return kExitOk;
}

}  // namespace cpss
