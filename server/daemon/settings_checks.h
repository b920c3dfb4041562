// Finds conflicts of settings that are good one by one: with each other, with the model, with the
// machine, with the sockets. The checks add all of them to `loaded` as the loader does it (errors,
// exit code), before anything is started.
#pragma once

#include <string>
#include <vector>

#include "config/load.h"
#include "net/address.h"
#include "net/local_addresses.h"

namespace cpss {

// Adds an error about the setting, and exit code kExitConfig.
void refuse(LoadResult& loaded, Setting setting, const std::string& problem);

// How many worker lanes the settings ask for.
unsigned worker_lanes(const LoadResult& loaded);
// Whether each message has a process of its own.
bool forks_for_each(const Settings& settings);

// The checks that are possible before the service is made. `usable_cpus`: those that this process
// may use.
void check_settings(LoadResult& loaded, const std::vector<unsigned>& usable_cpus);

// Conflicts between the settings and the sockets: a service manager has opened them, or will have
// opened them (`activated`), or they are our own.
void check_activation(LoadResult& loaded, unsigned socket_groups, bool activated);

// Whether the sockets, as they are, suit the model. `merges`: some arrivals may hold several
// datagrams.
void check_merging(LoadResult& loaded, bool merges);

// Compares the fixed address for replies, if there is one, with the bound addresses. Throws
// SocketError if its interface is not there.
void check_reply_address(LoadResult& loaded, const std::vector<SocketAddress>& own,
                         const LocalAddressSet& host);

}  // namespace cpss
