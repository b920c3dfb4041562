#include "server/plan.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>

#include "config/list_values.h"
#include "queue/invariant.h"
#include "services/work_profile.h"

namespace cpss {
namespace {

void refuse(LoadResult& loaded, Setting setting, const std::string& problem) {
  loaded.errors.push_back(error_about(loaded, setting, problem));
  loaded.exit_code = kExitConfig;
}

void check_cpus(LoadResult& loaded, Setting setting, const std::vector<unsigned>& cpus) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<unsigned> usable;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed)) usable.push_back(cpu);
  std::vector<unsigned> others;
  std::ranges::set_difference(cpus, usable, std::back_inserter(others));
  if (others.empty()) return;
  refuse(loaded, setting,
         fmt::format("names CPUs that this process may not use ({}); it may use {}",
                     fmt::join(entry_texts(others), ","), fmt::join(entry_texts(usable), ",")));
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
  check_cpus(loaded, Setting::response_cpus, settings.response_cpus);
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
  plan.pipeline = {{settings.receive_threads, settings.receive_cpus},
                   {settings.service_threads, settings.service_cpus},
                   {settings.response_threads, settings.response_cpus},
                   settings.slots,
                   settings.message_size,
                   settings.batch};
  return plan;
}

AdmissionOptions admission_options(const Settings& settings, const Service& service,
                                   std::vector<SocketAddress> own) {
  return {prefixes(settings.allow), prefixes(settings.trusted), std::move(own),
          LocalAddressSet::of_this_host(), service.reflects()};
}

}  // namespace cpss
