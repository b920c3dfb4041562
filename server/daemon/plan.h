// From the settings to the parts that the server is built of: all mistakes in the settings are
// found here, before anything is started.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/load.h"
#include "server/daemon/identity.h"
#include "server/daemon/listeners.h"
#include "server/daemon/machine.h"
#include "server/pipeline/pipeline_options.h"
#include "services/registry.h"
#include "stages/receive/access_control.h"

namespace cpss {

struct Plan {
  std::unique_ptr<Service> service;
  std::chrono::nanoseconds service_load_time{};  // how long it took to make, with its data
  PipelineOptions pipeline;
  std::optional<UserIdentity> run_as;  // none: the user who has started it
};

// Makes the service, loading its data, and the pipeline's options. Adds all problems of the
// settings to `loaded` as the loader does it (errors, exit code). Throws ServiceDataError, and
// PrivilegeError (server/daemon/privileges.h).
Plan make_plan(LoadResult& loaded, const ServiceRegistry& services, const Machine& machine,
               std::function<void(const std::string&)> announce);

// The same. Bad data must not hide problems of the settings: if it throws ServiceDataError, it has
// said those before.
Plan plan_or_complain(LoadResult& loaded, const ServiceRegistry& services, const Machine& machine,
                      std::function<void(const std::string&)> announce);

// Whether arrivals are to hold several datagrams, if the kernel can do that.
bool wants_merging(const Settings& settings);

// Which sockets to open, or which sockets of a service manager to take over; check_activation()
// checks them (server/daemon/settings_checks.h).
ListenerOptions listener_options(LoadResult& loaded, unsigned socket_groups,
                                 std::vector<int> inherited);

// What the settings and the service say about who may ask. `own`: the bound addresses; `host`: the
// addresses of the host, now.
AccessOptions access_options(const Settings& settings, const Service& service,
                             std::vector<SocketAddress> own, const LocalAddressSet& host);

}  // namespace cpss
