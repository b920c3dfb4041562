// From settings to what the server is built of: everything that can be wrong is found here, before
// anything is started.
#pragma once

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
  PipelineOptions pipeline;
  std::optional<Identity> run_as;  // none: who has started it
};

// Makes the service, loading its data, and the pipeline's options. What is wrong with settings is
// added to `loaded` as the loader does it (errors, exit code), all of it. Throws ServiceDataError,
// and PrivilegeError (server/daemon/privileges.h).
Plan make_plan(LoadResult& loaded, const ServiceRegistry& services, const Machine& machine,
               std::function<void(const std::string&)> announce);

// Whether arrivals are to hold several datagrams, where the kernel can do that.
bool wants_merging(const Settings& settings);

// What speaks against sockets that a service manager has opened, or will have (`activated`), or
// against opening our own is added to `loaded`.
void check_activation(LoadResult& loaded, unsigned socket_groups, bool activated);

// What sockets to open, or those to take over that a service manager has opened, checked as above.
ListenerOptions listener_options(LoadResult& loaded, unsigned socket_groups,
                                 std::vector<int> inherited);

// Whether the sockets, as they are, suit the model: `merges`, some arrivals may hold several
// datagrams. What does not is added to `loaded`.
void check_merging(LoadResult& loaded, bool merges);

// The fixed address for replies, if there is one, against the bound addresses: what is wrong with
// it is added to `loaded`.
// Throws SocketError where its interface is not there.
void check_reply_address(LoadResult& loaded, const std::vector<SocketAddress>& own,
                         const LocalAddressSet& host);

// What the settings and the service say about who may ask; `own`: the bound addresses, `host`:
// those of the host, now.
AccessOptions access_options(const Settings& settings, const Service& service,
                             std::vector<SocketAddress> own, const LocalAddressSet& host);

}  // namespace cpss
