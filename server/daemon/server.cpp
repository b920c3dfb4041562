#include "server/daemon/server.h"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <functional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "base/exit_codes.h"
#include "base/standard_error.h"
#include "config/choices.h"
#include "config/documents.h"
#include "config/help.h"
#include "config/load.h"
#include "server/daemon/address_follower.h"
#include "server/daemon/config_check.h"
#include "server/daemon/listeners.h"
#include "server/daemon/log.h"
#include "server/daemon/machine.h"
#include "server/daemon/main_stack.h"
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
#include "stats/region_description.h"

namespace cpss {
namespace {

// Reading a YAML file needs the most stack, some 70 KiB.
constexpr std::size_t kMainStackBytes = std::size_t{256} << 10;

int complain_about_settings(const LoadResult& loaded) {
  for (const std::string& error : loaded.errors) complain(error);
  return loaded.exit_code;
}

std::string help(const ServiceRegistry& services) {
  std::vector<NamedHelp> entries;
  for (const ServiceEntry& entry : services.entries())
    entries.push_back({entry.name, entry.summary});
  return help_text(entries);
}

// What to do about an error, if the process has reached a limit or lacks a right.
std::string advice(const std::error_code& error) {
  if (error == std::errc::too_many_files_open || error == std::errc::too_many_files_open_in_system)
    return ": raise 'ulimit -n'";
  if (error == std::errc::resource_unavailable_try_again)
    return ": raise 'ulimit -u' and 'ulimit -v', or set fewer threads";
  if (error == std::errc::file_too_large)
    return ": raise 'ulimit -f', or lower CPSS_QSLOTS or CPSS_MSGSIZE";
  if (error == std::errc::operation_not_permitted)
    return ": if it is for the real-time class (CPSS_RECV_THREADS_RT, CPSS_RESP_THREADS_RT), that "
           "needs root, the capability CAP_SYS_NICE or an 'ulimit -r' of the priority at least (in "
           "a unit LimitRTPRIO=, and no RestrictRealtime=); where root is refused as well, the "
           "control group has no real-time time (cpu.rt_runtime_us)";
  if (error == std::errc::address_family_not_supported)
    return ": allow AF_NETLINK and AF_UNIX, too (systemd: RestrictAddressFamilies=)";
  return {};
}

// Whether the process may have no more of something: then the settings are not at fault.
bool is_limit(int code) {
  return code == EMFILE || code == ENFILE || code == ENOMEM || code == EFBIG || code == EAGAIN;
}

int exit_code_of(const SocketError& error) {
  switch (error.code()) {
    case EADDRINUSE:
    case EADDRNOTAVAIL:  // not there yet: a lease, duplicate address detection
    case ENODEV:         // an interface likewise
      return kExitUnavailable;
    case EACCES:
    case EPERM:
      return kExitPermission;
    case EINVAL:        // an address that nothing can be answered from, an unfit inherited socket
    case EAFNOSUPPORT:  // IPv6 on a host without
      return kExitConfig;
    default:
      return kExitInternal;
  }
}

RegionOptions region_options(const Settings& settings, const PipelineOptions& pipeline,
                             const Assignment& assignment, std::vector<std::string> listen) {
  RegionOptions options;
  options.path = settings.stats_file.value_or("");
  options.model = name_of(settings.model);
  options.service = settings.service;
  options.listen = std::move(listen);
  options.blocks = blocks_of(assignment, pipeline);
  options.max_inside = max_inside(assignment, pipeline);
  options.slots = pipeline.slots;
  options.histograms = settings.histograms;
  options.kernel_dropped_exact = !pipeline.merged;
  return options;
}

// For instance `2 lanes`, `1 lane`.
std::string counted(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

// For instance `model symped: 2 lanes that run all steps`, `model seda: 1 receive, 1 service, 1
// response lane`.
std::string model_text(const PipelineOptions& options, const Assignment& assignment) {
  std::string workers;
  if (options.worker.lanes > 0)
    workers = fmt::format("{} worker, {} on-demand at most, ", options.worker.lanes,
                          options.on_demand_threads);
  const std::string lanes = [&] {
    if (assignment.process_per_message)
      return fmt::format("a process for each message, {} at most", options.slots);
    if (assignment.separate_processes) return fmt::format("processes: {}", assignment.lanes.size());
    if (traits_of(options.model).staged)
      return fmt::format("{} receive, {} service, {}{}", options.receive.lanes,
                         options.service.lanes, workers,
                         counted(options.response.lanes, "response lane"));
    if (assignment.leader_followers)
      return fmt::format("{} lanes of which one at a time is the leader, {} at most", options.lanes,
                         options.max_lanes);
    const unsigned loops = lanes_with(assignment, StageId::receive);
    return workers + counted(loops, "lane") +
           (loops == 1 ? " that runs all steps" : " that run all steps");
  }();
  return fmt::format("model {}: {}", name_of(options.model), lanes);
}

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

// Bad data must not hide problems of the settings: those are told first.
Plan plan_or_complain(LoadResult& loaded, const ServerParts& parts, const Machine& machine,
                      std::function<void(const std::string&)> announce) {
  try {
    return make_plan(loaded, parts.services, machine, std::move(announce));
  } catch (const ServiceDataError&) {
    complain_about_settings(loaded);
    throw;
  }
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

// The memory that the pipeline's options do not say, without the sockets' buffers.
MemoryNeed known_need(const ServerParts& parts, const RegionOptions& region) {
  return {.data = memory_in_use(parts.proc), .region = RegionPlan(region).file_bytes};
}

// Throws, or warns, as CPSS_MEMORY_CHECK says.
void check_memory(const Settings& settings, const PipelineOptions& pipeline,
                  const Assignment& assignment, const Machine& machine, MemoryNeed known,
                  const std::function<void(const std::string&)>& warn) {
  add_memory_of(pipeline, assignment, known);
  const auto problem = memory_problem(known, pipeline, machine);
  if (!problem) return;
  if (settings.memory_check == MemoryCheck::warn) return warn(*problem);
  throw std::runtime_error(*problem +
                           ": lower CPSS_QSLOTS or CPSS_MSGSIZE, load fewer numbers, give it more, "
                           "or set CPSS_MEMORY_CHECK=warn");
}

int serve(LoadResult& loaded, const ServerParts& parts, const char* const* environment) {
  log::set_up();
  InheritedSockets inherited = inherited_sockets(environment);
  ServiceManager manager(environment);
  for (const std::string& warning : {inherited.warning, manager.warning()})
    if (!warning.empty()) log::warning(warning);
  const Machine machine = this_machine(parts.proc);
  Plan plan = plan_or_complain(loaded, parts, machine, log::info);
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
  MemoryNeed known = known_need(parts, about);
  known.sockets = listeners.buffer_bytes();
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
  RunningServer server({signals, manager, listeners, addresses, region, *engine, assignment,
                        region.writer(about.blocks.size() - 1), receivers_of(about.blocks, region),
                        settings.idle_exit});
  // Nothing remains to be opened, and the log's thread is the only other one.
  if (may_lose_right_to_replace(region.path(), plan.run_as)) region.put_into_place();
  if (plan.run_as) give_region_to(*plan.run_as, region.path());
  give_up_privileges(plan.run_as, highest_priority(plan.pipeline));
  give_up_rights_of_standard_error();
  server.start();
  server.announce(fmt::format("ready: service {} on {}; {}; {} slots of {} bytes; counters in {}",
                              settings.service, fmt::join(listeners.address_texts(), ", "),
                              model_text(plan.pipeline, assignment), plan.pipeline.slots,
                              settings.message_size, region.path()));

  server.run();
  server.end(settings.drain_timeout);
  return kExitOk;
}

// Checks everything that a start would check, without binding its ports.
int check(LoadResult& loaded, const ServerParts& parts, const char* const* environment) {
  const Machine machine = this_machine(parts.proc);
  Plan plan = plan_or_complain(loaded, parts, machine, [](const std::string&) {});
  std::vector<std::string> not_checked;
  if (loaded.ok()) not_checked = check_as_a_start(loaded, plan, environment);
  if (!loaded.ok()) return complain_about_settings(loaded);
  plan.pipeline.merged = wants_merging(loaded.settings);
  const Assignment assignment = assignment_of(plan.pipeline);
  std::vector<std::string> listen;
  for (const ListenAddress& address : loaded.settings.listen)
    listen.push_back(address_of(address).to_string());
  std::string text;
  // Without the sockets' buffers: only the kernel knows how large it makes them.
  check_memory(loaded.settings, plan.pipeline, assignment, machine,
               known_need(parts, region_options(loaded.settings, plan.pipeline, assignment,
                                                std::move(listen))),
               [&](const std::string& problem) { text += "warning: " + problem + '\n'; });
  text += "settings are good\n";
  for (const std::string& what : not_checked) text += fmt::format("not checked: {}\n", what);
  print(text);
  return kExitOk;
}

int act(LoadResult& loaded, const ServerParts& parts, const char* const* environment) {
  switch (loaded.action) {
    case Action::help:
      print(help(parts.services));
      return kExitOk;
    case Action::version:
      print("cpssd " CPSS_VERSION "\n");
      return kExitOk;
    case Action::sample_config:
      print(sample_yaml());
      return kExitOk;
    case Action::print_config:
      print(print_config(loaded));
      return kExitOk;
    case Action::check_config:
      return check(loaded, parts, environment);
    case Action::run:
      break;
  }
  return serve(loaded, parts, environment);
}

// Turns every failure into a message and an exit code.
int run_to_exit_code(int argc, const char* const* argv, const char* const* environment,
                     const ServerParts& parts) {
  try {
    require_main_stack(kMainStackBytes, "the server's main thread needs");
    LoadResult loaded = load_settings(argc, argv, environment, parts.input_patience);
    if (!loaded.ok()) return complain_about_settings(loaded);
    return act(loaded, parts, environment);
  } catch (const ServiceDataError& error) {
    complain(error.what());
    return kExitData;
  } catch (const SocketError& error) {
    complain(error.what());
    return exit_code_of(error);
  } catch (const StatsRegionError& error) {
    complain(error.what());
    return is_limit(error.code()) ? kExitInternal : kExitRegion;
  } catch (const ServiceManagerError& error) {
    complain(error.what());
    return kExitConfig;
  } catch (const PrivilegeError& error) {
    complain(error.what());
    return kExitPermission;
  } catch (const std::bad_alloc&) {
    complain(
        "not enough memory for these settings and their data: lower CPSS_QSLOTS or CPSS_MSGSIZE, "
        "load fewer numbers, or raise 'ulimit -v'");
    return kExitInternal;
  } catch (const std::system_error& error) {
    complain(error.what() + advice(error.code()));
    if (error.code() == std::errc::address_family_not_supported) return kExitConfig;
    return error.code() == std::errc::operation_not_permitted ? kExitPermission : kExitInternal;
  } catch (const std::exception& error) {
    complain(error.what());
    return kExitInternal;
  }
}

}  // namespace

int run_server(int argc, const char* const* argv, const char* const* environment,
               const ServerParts& parts) {
  secure_signals();
  secure_standard_streams();
  const int exit_code = run_to_exit_code(argc, argv, environment, parts);
  flush_standard_error();
  return exit_code;
}

}  // namespace cpss
