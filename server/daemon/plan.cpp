#include "server/daemon/plan.h"

#include <algorithm>
#include <chrono>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/socket.h>

#include "base/exit_codes.h"
#include "config/choices.h"
#include "config/list_values.h"
#include "config/table.h"
#include "config/values.h"
#include "queue/invariant.h"
#include "queue/worker_queue.h"
#include "server/daemon/address_follower.h"
#include "server/daemon/failure.h"
#include "server/daemon/privileges.h"
#include "server/daemon/settings_checks.h"
#include "server/models/models.h"
#include "services/work_profile.h"

namespace cpss {
namespace {

// Every CPU that some lane may use.
std::set<unsigned> all_cpus(const Settings& settings, const Machine& machine) {
  std::set<unsigned> all;
  const auto add = [&](const std::vector<unsigned>& cpus) {
    const std::vector<unsigned>& usable = cpus.empty() ? machine.cpus : cpus;
    all.insert(usable.begin(), usable.end());
  };
  add(settings.receive_cpus);
  const ModelTraits& model = traits_of(settings.model);
  if (model.staged) add(settings.service_cpus);
  if (model.staged) add(settings.response_cpus);
  if (model.workers == WorkerUse::required || settings.worker_threads > 0)
    add(settings.worker_cpus);
  return all;
}

// Sets which lanes there are, and each one's share of the server's resources.
void set_model(PipelineOptions& options, const Settings& settings, const Machine& machine) {
  const unsigned cpus = machine.at_once();
  options.model = settings.model;
  options.sockets = settings.sockets;
  options.process_use = settings.multi_process;
  options.lanes = settings.lanes.value_or(cpus);
  options.exclusive_wake = settings.exclusive_wake;
  options.handoff_limit = settings.handoff_limit;
  options.max_lanes = std::max(2 * cpus, options.lanes);
  if (!traits_of(settings.model).processes) return;
  // Each process has at least one slot; a process for one message has exactly one.
  options.slots = forks_for_each(settings) ? std::min(settings.slots, kForksPerLane * options.lanes)
                                           : std::max(settings.slots, options.lanes);
}

// How many lanes share all the work of the server: where nothing says that each stage is to have
// threads of its own. 0: there are pools.
//   * A pool that is set is the article's pipeline; so is dispatch by queues alone.
//   * Lanes that have sockets of their own cannot leave them to others.
//   * Stages that the scheduler treats differently do not share threads.
//   * Who waits for room in the worker queue takes no datagrams meanwhile: that is for threads of
//     the service stage. Where a worker queue of unset size holds every slot, nobody has to.
unsigned sharing_lanes(const LoadResult& loaded, const Machine& machine) {
  const Settings& settings = loaded.settings;
  if (!traits_of(settings.model).staged || settings.dispatch != Dispatch::run_inline ||
      settings.inline_max_us == 0 || settings.sockets != SocketSharing::shared)
    return 0;
  for (const Setting pool :
       {Setting::receive_threads, Setting::service_threads, Setting::response_threads})
    if (loaded.is_set(pool)) return 0;
  if (settings.receive_priority || settings.response_priority ||
      settings.receive_cpus != settings.service_cpus ||
      settings.receive_cpus != settings.response_cpus)
    return 0;
  const bool bounded = settings.worker_queue || settings.slots > WorkerQueue::kMaxEntries;
  if (worker_lanes(loaded) > 0 && settings.overload == OverloadPolicy::block && bounded) return 0;
  return machine.at_once(settings.receive_cpus.empty() ? machine.cpus.size()
                                                       : settings.receive_cpus.size()) +
         1;
}

unsigned worker_queue_places(const Settings& settings, bool sharing) {
  const bool holds_all =
      (sharing || traits_of(settings.model).one_loop) && settings.overload == OverloadPolicy::block;
  return settings.worker_queue.value_or(
      std::clamp(holds_all ? settings.slots : settings.slots / 2, 1U, WorkerQueue::kMaxEntries));
}

PipelineOptions pipeline_options(const LoadResult& loaded, const Machine& machine) {
  const Settings& settings = loaded.settings;
  const auto detail = [](bool stats) { return stats ? Detail::histograms : Detail::essential; };
  PipelineOptions options;
  options.receive = {settings.receive_threads, settings.receive_cpus, settings.receive_priority,
                     detail(settings.receive_stats)};
  options.service = {.lanes = settings.service_threads, .cpus = settings.service_cpus};
  options.worker = {.lanes = worker_lanes(loaded), .cpus = settings.worker_cpus};
  options.response = {settings.response_threads, settings.response_cpus, settings.response_priority,
                      detail(settings.response_stats)};
  options.on_demand_threads = settings.on_demand_threads.value_or(0);
  options.sharing_lanes = sharing_lanes(loaded, machine);
  options.worker_queue = worker_queue_places(settings, options.sharing_lanes > 0);
  options.defer_all = settings.defer == DeferScope::all;
  options.shed = settings.overload == OverloadPolicy::shed;
  options.busy_rate = settings.busy_rate;
  options.sharing = settings.process_shared ? Sharing::process_shared : Sharing::process_private;
  if (settings.reply_address) options.reply_address = address_of(*settings.reply_address);
  if (settings.dispatch == Dispatch::run_inline)
    options.inline_max = std::chrono::microseconds(settings.inline_max_us);
  options.cpus = machine.at_once(all_cpus(settings, machine).size());
  if (settings.sockets != SocketSharing::handoff)
    options.coalesce = std::chrono::microseconds(settings.coalesce_us);
  options.send_wait = std::chrono::milliseconds(settings.send_wait_ms);
  if (!machine.less_than_one()) options.spin = std::chrono::microseconds(settings.spin_us);
  options.slots = settings.slots;
  options.window_bytes = settings.message_size;
  options.batch = settings.batch;
  set_model(options, settings, machine);
  return options;
}

std::optional<UserIdentity> identity_of(LoadResult& loaded) {
  if (loaded.settings.user.empty()) return std::nullopt;
  try {
    return find_identity(loaded.settings.user);
  } catch (const NoSuchIdentity& error) {
    refuse(loaded, Setting::user, error.what());
    return std::nullopt;
  }
}

std::string service_names(const ServiceRegistry& services) {
  std::vector<std::string_view> names;
  for (const ServiceEntry& entry : services.entries()) names.push_back(entry.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

// A service may raise a window size that is not set; a window that was set too small is an error.
void fit_window(LoadResult& loaded, const Service& service) {
  Settings& settings = loaded.settings;
  if (settings.message_size >= service.min_window()) return;
  if (loaded.is_set(Setting::message_size)) {
    refuse(loaded, Setting::message_size,
           fmt::format("is too small for service '{}', which needs at least {} bytes",
                       settings.service, service.min_window()));
  }
  settings.message_size = service.min_window();
}

PrefixSet prefixes(const std::vector<AddressPrefix>& list) {
  std::vector<Prefix> result;
  for (const AddressPrefix& entry : list) {
    const auto prefix = Prefix::make(entry.ip, entry.length);
    // Without this prefix "these may ask" could turn into "everybody may".
    invariant(prefix.has_value(), "the loader lets good prefixes through only");
    result.push_back(*prefix);
  }
  return PrefixSet(std::move(result));
}

}  // namespace

Plan make_plan(LoadResult& loaded, const ServiceRegistry& services, const Machine& machine,
               std::function<void(const std::string&)> announce) {
  const Settings& settings = loaded.settings;
  check_settings(loaded, machine.cpus);

  Plan plan;
  plan.run_as = identity_of(loaded);
  if (plan.run_as) require_right_to_become(*plan.run_as);
  const ServiceEntry* entry = services.find(settings.service);
  if (entry == nullptr) {
    refuse(loaded, Setting::service, "is not a service; there are: " + service_names(services));
    return plan;
  }
  const auto begin = std::chrono::steady_clock::now();
  plan.service = entry->make({.numbers_file = settings.numbers_file,
                              .allow_empty = settings.allow_empty,
                              .work = settings.work,
                              .announce = std::move(announce),
                              .input_patience = loaded.input_patience});
  plan.service_load_time = std::chrono::steady_clock::now() - begin;
  fit_window(loaded, *plan.service);
  plan.pipeline = pipeline_options(loaded, machine);
  return plan;
}

Plan plan_or_complain(LoadResult& loaded, const ServiceRegistry& services, const Machine& machine,
                      std::function<void(const std::string&)> announce) {
  try {
    return make_plan(loaded, services, machine, std::move(announce));
  } catch (const ServiceDataError&) {
    complain_about_settings(loaded);
    throw;
  }
}

bool wants_merging(const Settings& settings) {
  return settings.gro && settings.sockets != SocketSharing::handoff;
}

ListenerOptions listener_options(LoadResult& loaded, unsigned socket_groups,
                                 std::vector<int> inherited) {
  const Settings& settings = loaded.settings;
  check_activation(loaded, socket_groups, !inherited.empty());
  return {.listen = settings.listen,
          .buffer_bytes = settings.socket_buffer_bytes,
          .gro = wants_merging(settings),
          .gso = settings.gso,
          .freebind = settings.freebind,
          .dscp = settings.dscp,
          .per_address = socket_groups,
          .steering = settings.steering,
          .inherited = std::move(inherited)};
}

AccessOptions access_options(const Settings& settings, const Service& service,
                             std::vector<SocketAddress> own, const LocalAddressSet& host) {
  return {prefixes(settings.allow), prefixes(settings.trusted), std::move(own), host,
          service.reflects()};
}

}  // namespace cpss
