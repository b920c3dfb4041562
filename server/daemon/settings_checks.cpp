#include "server/daemon/settings_checks.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/exit_codes.h"
#include "config/choices.h"
#include "config/list_values.h"
#include "config/table.h"
#include "config/values.h"
#include "queue/worker_queue.h"
#include "server/daemon/address_follower.h"
#include "server/daemon/listeners.h"
#include "services/work_profile.h"

namespace cpss {

void refuse(LoadResult& loaded, Setting setting, const std::string& problem) {
  loaded.errors.push_back(error_about(loaded, setting, problem));
  loaded.exit_code = kExitConfig;
}

namespace {

// For a problem that may be gone at another start.
void refuse_for_now(LoadResult& loaded, Setting setting, const std::string& problem) {
  const bool alone = loaded.ok();
  refuse(loaded, setting, problem);
  if (alone) loaded.exit_code = kExitUnavailable;
}

void check_cpus(LoadResult& loaded, Setting setting, const std::vector<unsigned>& cpus,
                const std::vector<unsigned>& usable) {
  std::vector<unsigned> others;
  std::ranges::set_difference(cpus, usable, std::back_inserter(others));
  if (others.empty()) return;
  refuse(loaded, setting,
         fmt::format("names CPUs that this process may not use ({}); it may use {}",
                     fmt::join(entry_texts(others), ","), fmt::join(entry_texts(usable), ",")));
}

// A real-time thread that is always busy leaves 5 % of the time of its CPU to all other threads
// there (sched(7), sched_rt_runtime_us). On a large machine that is one CPU of many.
void check_real_time(LoadResult& loaded, Setting setting, const std::optional<unsigned>& priority,
                     const std::vector<unsigned>& usable) {
  constexpr std::size_t kFewCpus = 2;
  if (!priority || loaded.settings.real_time_on_few_cpus || usable.size() > kFewCpus) return;
  refuse(loaded, setting,
         fmt::format("puts threads into the real-time class, and this process may use {} CPU{} "
                     "only: under load they can starve everything else there; set "
                     "CPSS_RT_ALLOW_SMALL=1 if that is wanted",
                     usable.size(), usable.size() == 1 ? "" : "s"));
}

// Without this check an entry would match no peer, for as long as the server runs.
void check_interfaces(LoadResult& loaded, Setting setting,
                      const std::vector<AddressPrefix>& prefixes) {
  for (const AddressPrefix& prefix : prefixes) {
    const ScopedAddress address = ScopedAddress::parse(prefix.ip).value();
    if (!address.interface_index())
      refuse_for_now(loaded, setting,
                     fmt::format("names the interface {}, which this host does not have now",
                                 address.interface));
  }
}

// The kernel would send a reply to 0.0.0.0 or :: to this very host.
void check_reply_ip(LoadResult& loaded) {
  const std::optional<ListenAddress>& to = loaded.settings.reply_address;
  if (to && ScopedAddress::parse(to->ip).value().ip.is_unspecified())
    refuse(loaded, Setting::reply_address, "is an address to listen on, not one to send to");
}

std::string models_with_handoff() {
  std::vector<std::string_view> names;
  for (const ModelTraits& model : kModels)
    if (model.handoff) names.push_back(model.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

// It is a mistake to set a setting that the model, as it is set up, does not use.
void check_model(LoadResult& loaded) {
  const Settings& settings = loaded.settings;
  const auto refuse_if_set = [&](Setting setting, const std::string& problem) {
    if (loaded.is_set(setting)) refuse(loaded, setting, problem);
  };
  for (const SettingInfo& row : kSettingTable)
    if (!row.models.contains(settings.model))
      refuse_if_set(row.id, fmt::format("means nothing to the model {}, only to: {}",
                                        name_of(settings.model), used_by_text(row)));

  // From here on only settings that the model uses, or one mistake would be told twice.
  const auto refuse_if_used = [&](Setting setting, const std::string& problem) {
    if (info(setting).models.contains(settings.model)) refuse_if_set(setting, problem);
  };
  const bool leader_followers = settings.sockets == SocketSharing::handoff;
  const bool own_sockets = settings.sockets == SocketSharing::reuseport;
  if (leader_followers && !traits_of(settings.model).handoff)
    refuse_if_used(Setting::sockets,
                   fmt::format("is for the model {} only", models_with_handoff()));
  if (forks_for_each(settings)) {
    refuse_if_used(Setting::sockets, "means nothing with CPSS_MP=fork: there is one that receives");
    refuse_if_used(Setting::exclusive_wake,
                   "means nothing with CPSS_MP=fork: there is one that receives");
  } else if (own_sockets || leader_followers) {
    refuse_if_used(Setting::exclusive_wake, "has a meaning with CPSS_SOCKETS=shared only");
  }
  if (!own_sockets)
    refuse_if_used(Setting::steering, "has a meaning with CPSS_SOCKETS=reuseport only");
  if (!leader_followers)
    refuse_if_used(Setting::handoff_limit, "has a meaning with CPSS_SOCKETS=handoff only");
  for (const Setting setting : {Setting::gro, Setting::coalesce_us})
    if (leader_followers)
      refuse_if_used(setting,
                     "has no meaning with CPSS_SOCKETS=handoff: a leader receives a few datagrams, "
                     "one by one");
}

// In a model that may have workers, settings that mean nothing without workers are mistakes.
void check_workers(LoadResult& loaded) {
  const Settings& settings = loaded.settings;
  const ModelTraits& model = traits_of(settings.model);
  if (model.workers == WorkerUse::required && worker_lanes(loaded) == 0)
    refuse(loaded, Setting::worker_threads,
           fmt::format("leaves the model {} without workers", model.name));
  if (model.one_loop && model.has_workers()) {
    // The loop must not wait for room in the worker queue, so the queue holds every slot.
    const bool blocks = settings.overload == OverloadPolicy::block;
    if (blocks && settings.slots > WorkerQueue::kMaxEntries)
      refuse(loaded, Setting::slots,
             fmt::format("is more than the worker queue can hold, {}, and in the model {} that "
                         "holds every slot",
                         WorkerQueue::kMaxEntries, model.name));
    if (blocks && settings.worker_queue)
      refuse(loaded, Setting::worker_queue,
             fmt::format("would make the loop of the model {} wait for room: choose "
                         "CPSS_OVERLOAD=shed",
                         model.name));
  }
  if (worker_lanes(loaded) > 0 || model.workers != WorkerUse::optional) return;
  const auto needs_workers = [&](Setting setting, bool used) {
    if (used) refuse(loaded, setting, "needs workers: set CPSS_WORKER_THREADS");
  };
  needs_workers(Setting::defer, settings.defer == DeferScope::all);
  needs_workers(Setting::worker_queue, settings.worker_queue.has_value());
  needs_workers(Setting::worker_cpus, !settings.worker_cpus.empty());
  needs_workers(Setting::on_demand_threads, settings.on_demand_threads.has_value());
}

// Checked whichever service runs, so that a bad value is found before it is needed.
void check_work(LoadResult& loaded) {
  try {
    WorkProfile::parse(loaded.settings.work);
  } catch (const WorkProfileError& error) {
    refuse(loaded, Setting::work, error.what());
    loaded.settings.work = WorkProfile().text();  // the steps that follow need a good one
  }
}

}  // namespace

// A model that needs workers, as amped does, has one unless it is set otherwise.
unsigned worker_lanes(const LoadResult& loaded) {
  const bool needs_one = traits_of(loaded.settings.model).workers == WorkerUse::required;
  return needs_one && !loaded.is_set(Setting::worker_threads) ? 1 : loaded.settings.worker_threads;
}

bool forks_for_each(const Settings& settings) {
  return traits_of(settings.model).processes && settings.multi_process == ProcessUse::fork;
}

void check_settings(LoadResult& loaded, const std::vector<unsigned>& usable_cpus) {
  const Settings& settings = loaded.settings;
  check_cpus(loaded, Setting::receive_cpus, settings.receive_cpus, usable_cpus);
  check_cpus(loaded, Setting::service_cpus, settings.service_cpus, usable_cpus);
  check_cpus(loaded, Setting::worker_cpus, settings.worker_cpus, usable_cpus);
  check_cpus(loaded, Setting::response_cpus, settings.response_cpus, usable_cpus);
  check_real_time(loaded, Setting::receive_priority, settings.receive_priority, usable_cpus);
  check_real_time(loaded, Setting::response_priority, settings.response_priority, usable_cpus);
  check_reply_ip(loaded);
  check_interfaces(loaded, Setting::allow, settings.allow);
  check_interfaces(loaded, Setting::trusted, settings.trusted);
  check_model(loaded);
  check_workers(loaded);
  check_work(loaded);
}

void check_activation(LoadResult& loaded, unsigned socket_groups, bool activated) {
  const Settings& settings = loaded.settings;
  if (!activated && settings.idle_exit.count() > 0)
    refuse(loaded, Setting::idle_exit,
           "is for servers that get their sockets from a service manager (LISTEN_FDS)");
  if (activated && loaded.is_set(Setting::listen))
    refuse(loaded, Setting::listen,
           "is in the way of the sockets of the service manager "
           "(LISTEN_FDS): take one of the two away");
  if (activated && loaded.is_set(Setting::freebind))
    refuse(loaded, Setting::freebind,
           "is for sockets of our own, and the service manager has opened some (LISTEN_FDS): use "
           "its own setting (FreeBind=)");
  // Slots name their socket by a number of 16 bits.
  constexpr std::size_t kMaxSockets = 65'536;
  if (settings.listen.size() * socket_groups > kMaxSockets)
    refuse(loaded, Setting::listen,
           fmt::format("is {} addresses with {} sockets each: there may be {} sockets in all",
                       settings.listen.size(), socket_groups, kMaxSockets));
  if (activated && settings.sockets == SocketSharing::reuseport)
    refuse(loaded, Setting::sockets,
           "opens sockets of its own, and the service manager has opened "
           "some (LISTEN_FDS): take one of the two away");
}

void check_merging(LoadResult& loaded, bool merges) {
  if (merges && loaded.settings.sockets == SocketSharing::handoff)
    refuse(loaded, Setting::sockets,
           "is of datagrams one by one, and the socket that the service manager has handed over "
           "merges them (UDP_GRO, left on by an earlier server): restart the manager's socket");
}

void check_reply_address(LoadResult& loaded, const std::vector<SocketAddress>& own,
                         const LocalAddressSet& host) {
  if (!loaded.settings.reply_address) return;
  const SocketAddress to = address_of(*loaded.settings.reply_address);
  for (const SocketAddress& address : own) {
    if (own_address_for(to, std::span(&address, 1), host) != nullptr)
      refuse(
          loaded, Setting::reply_address,
          fmt::format("is our own address ({}): replies would be requests", address.to_string()));
    else if (to.family() != address.family())
      refuse(loaded, Setting::reply_address,
             fmt::format("cannot be reached from {}, which is of another address family",
                         address.to_string()));
  }
}

}  // namespace cpss
