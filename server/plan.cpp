#include "server/plan.h"

#include <algorithm>
#include <chrono>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>
#include <sys/socket.h>

#include "config/list_values.h"
#include "queue/invariant.h"
#include "services/work_profile.h"

namespace cpss {
namespace {

void refuse(LoadResult& loaded, Setting setting, const std::string& problem) {
  loaded.errors.push_back(error_about(loaded, setting, problem));
  loaded.exit_code = kExitConfig;
}

std::vector<unsigned> usable_cpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<unsigned> usable;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed)) usable.push_back(cpu);
  return usable;
}

void check_cpus(LoadResult& loaded, Setting setting, const std::vector<unsigned>& cpus) {
  const std::vector<unsigned> usable = usable_cpus();
  std::vector<unsigned> others;
  std::ranges::set_difference(cpus, usable, std::back_inserter(others));
  if (others.empty()) return;
  refuse(loaded, setting,
         fmt::format("names CPUs that this process may not use ({}); it may use {}",
                     fmt::join(entry_texts(others), ","), fmt::join(entry_texts(usable), ",")));
}

// A real-time thread that is always busy leaves the rest of its CPU 5 % of the time (sched(7),
// sched_rt_runtime_us). On a large machine that is one CPU of many.
void check_real_time(LoadResult& loaded, Setting setting, const std::optional<unsigned>& priority) {
  constexpr std::size_t kFewCpus = 2;
  const std::vector<unsigned> usable = usable_cpus();
  if (!priority || loaded.settings.real_time_on_few_cpus || usable.size() > kFewCpus) return;
  refuse(loaded, setting,
         fmt::format("puts threads into the real-time class, and this process may use {} CPU{} "
                     "only: under load they can starve everything else there; set "
                     "CPSS_RT_ALLOW_SMALL=1 if that is wanted",
                     usable.size(), usable.size() == 1 ? "" : "s"));
}

// The kernel would send what goes to 0.0.0.0 or :: to this very host.
void check_reply_ip(LoadResult& loaded) {
  const std::optional<ListenAddress>& to = loaded.settings.reply_address;
  if (to && IpAddress::parse(to->ip).value().is_unspecified())
    refuse(loaded, Setting::reply_address, "is an address to listen on, not one to send to");
}

// Settings that mean nothing without workers are mistakes.
void check_workers(LoadResult& loaded) {
  if (loaded.settings.worker_threads > 0) return;
  const auto needs_workers = [&](Setting setting, bool used) {
    if (used) refuse(loaded, setting, "needs workers: set CPSS_WORKER_THREADS");
  };
  needs_workers(Setting::defer, loaded.settings.defer == DeferScope::all);
  needs_workers(Setting::worker_queue, loaded.settings.worker_queue.has_value());
  needs_workers(Setting::worker_cpus, !loaded.settings.worker_cpus.empty());
  needs_workers(Setting::on_demand_threads, loaded.settings.on_demand_threads.has_value());
}

// Every CPU that some stage may use.
std::set<unsigned> all_cpus(const Settings& settings) {
  std::set<unsigned> all;
  const auto add = [&all](const std::vector<unsigned>& cpus) {
    const std::vector<unsigned> usable = cpus.empty() ? usable_cpus() : cpus;
    all.insert(usable.begin(), usable.end());
  };
  add(settings.receive_cpus);
  add(settings.service_cpus);
  if (settings.worker_threads > 0) add(settings.worker_cpus);
  add(settings.response_cpus);
  return all;
}

PipelineOptions pipeline_options(const Settings& settings) {
  const auto detail = [](bool stats) { return stats ? Detail::histograms : Detail::books; };
  PipelineOptions options;
  options.receive = {settings.receive_threads, settings.receive_cpus, settings.receive_priority,
                     detail(settings.receive_stats)};
  options.service = {.lanes = settings.service_threads, .cpus = settings.service_cpus};
  options.worker = {.lanes = settings.worker_threads, .cpus = settings.worker_cpus};
  options.response = {settings.response_threads, settings.response_cpus, settings.response_priority,
                      detail(settings.response_stats)};
  options.on_demand_threads = settings.on_demand_threads.value_or(0);
  options.worker_queue =
      settings.worker_queue.value_or(std::clamp(settings.slots / 2, 1U, WorkerQueue::kMostEntries));
  options.defer_all = settings.defer == DeferScope::all;
  options.shed = settings.overload == OverloadPolicy::shed;
  options.busy_rate = settings.busy_rate;
  options.sharing = settings.process_shared ? Sharing::process_shared : Sharing::process_private;
  if (settings.reply_address)
    options.reply_address = SocketAddress(IpAddress::parse(settings.reply_address->ip).value(),
                                          settings.reply_address->port);
  if (settings.handover == Handover::help)
    options.help_most = std::chrono::microseconds(settings.help_most_us);
  options.cpus = static_cast<unsigned>(all_cpus(settings).size());
  options.pause = std::chrono::microseconds(settings.coalesce_us);
  options.spin = std::chrono::microseconds(settings.spin_us);
  options.slots = settings.slots;
  options.window_bytes = settings.message_size;
  options.batch = settings.batch;
  return options;
}

// Checked whichever service runs, so that a bad value is found before it is needed.
void check_work(LoadResult& loaded) {
  try {
    WorkProfile::parse(loaded.settings.work);
  } catch (const WorkProfileError& error) {
    refuse(loaded, Setting::work, error.what());
    loaded.settings.work = WorkProfile().text();  // what follows needs a good one
  }
}

std::string service_names(const ServiceRegistry& services) {
  std::vector<std::string_view> names;
  for (const ServiceEntry& entry : services.entries()) names.push_back(entry.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

// A service may raise a window that nobody set; one that was set too small is an error.
void fit_window(LoadResult& loaded, const Service& service) {
  Settings& settings = loaded.settings;
  if (settings.message_size >= service.least_window()) return;
  if (loaded.is_set(Setting::message_size)) {
    refuse(loaded, Setting::message_size,
           fmt::format("is too small for service '{}', which needs at least {} bytes",
                       settings.service, service.least_window()));
  }
  settings.message_size = service.least_window();
}

PrefixSet prefixes(const std::vector<AddressPrefix>& list) {
  std::vector<Prefix> result;
  for (const AddressPrefix& entry : list) {
    const auto prefix = Prefix::make(entry.ip, entry.length);
    // A prefix left out could turn "these may ask" into "everybody may".
    invariant(prefix.has_value(), "the loader lets good prefixes through only");
    result.push_back(*prefix);
  }
  return PrefixSet(std::move(result));
}

}  // namespace

Plan make_plan(LoadResult& loaded, const ServiceRegistry& services,
               std::function<void(const std::string&)> announce) {
  const Settings& settings = loaded.settings;
  check_cpus(loaded, Setting::receive_cpus, settings.receive_cpus);
  check_cpus(loaded, Setting::service_cpus, settings.service_cpus);
  check_cpus(loaded, Setting::worker_cpus, settings.worker_cpus);
  check_cpus(loaded, Setting::response_cpus, settings.response_cpus);
  check_real_time(loaded, Setting::receive_priority, settings.receive_priority);
  check_real_time(loaded, Setting::response_priority, settings.response_priority);
  check_reply_ip(loaded);
  check_workers(loaded);
  check_work(loaded);

  Plan plan;
  const ServiceEntry* entry = services.find(settings.service);
  if (entry == nullptr) {
    refuse(loaded, Setting::service, "is not a service; there are: " + service_names(services));
    return plan;
  }
  plan.service = entry->make({.numbers_file = settings.numbers_file,
                              .work = settings.work,
                              .announce = std::move(announce)});
  fit_window(loaded, *plan.service);
  plan.pipeline = pipeline_options(settings);
  return plan;
}

void check_reply_address(LoadResult& loaded, const std::vector<SocketAddress>& own) {
  if (!loaded.settings.reply_address) return;
  const SocketAddress to(IpAddress::parse(loaded.settings.reply_address->ip).value(),
                         loaded.settings.reply_address->port);
  const LocalAddressSet host = LocalAddressSet::of_this_host();
  for (const SocketAddress& address : own) {
    // An IPv6 wildcard may take IPv4 too.
    const bool taken = to.family() == address.family() || address.family() == AF_INET6;
    const bool here = address.ip() == to.ip() ||
                      (address.ip().is_unspecified() && taken && host.contains(to.ip()));
    if (here && address.port() == to.port())
      refuse(
          loaded, Setting::reply_address,
          fmt::format("is our own address ({}): replies would be requests", address.to_string()));
    else if (to.family() != address.family())
      refuse(loaded, Setting::reply_address,
             fmt::format("cannot be reached from {}, which is of another address family",
                         address.to_string()));
  }
}

AdmissionOptions admission_options(const Settings& settings, const Service& service,
                                   std::vector<SocketAddress> own) {
  return {prefixes(settings.allow), prefixes(settings.trusted), std::move(own),
          LocalAddressSet::of_this_host(), service.reflects()};
}

}  // namespace cpss
