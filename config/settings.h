// The settings of cpssd: plain values, already checked.
//
// table.h declares once where values come from and which are allowed; load.h fills a Settings
// object. A default-constructed object holds no useful values: use default_settings() (load.h). No
// thread changes a Settings object after start.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/steering.h"
#include "config/server_models.h"

namespace cpss {

// Names a setting in code. The order is that of the table, of --help and of the documentation.
enum class Setting : std::uint8_t {
  config_file,
  listen,
  socket_buffer,
  gro,
  gso,
  freebind,
  dscp,
  allow,
  trusted,
  model,
  lanes,
  sockets,
  steering,
  handoff_limit,
  exclusive_wake,
  multi_process,
  service,
  service_threads,
  service_cpus,
  defer,
  work,
  numbers_file,
  allow_empty,
  receive_threads,
  receive_cpus,
  receive_priority,
  receive_stats,
  worker_threads,
  worker_cpus,
  worker_queue,
  on_demand_threads,
  response_threads,
  response_cpus,
  response_priority,
  response_stats,
  reply_address,
  send_wait,
  real_time_on_few_cpus,
  slots,
  message_size,
  batch,
  process_shared,
  memory_check,
  dispatch,
  inline_max_us,
  spin_us,
  coalesce_us,
  overload,
  busy_rate,
  stats_file,
  histograms,
  drain_timeout,
  idle_exit,
  user,
};
inline constexpr std::size_t kSettings = static_cast<std::size_t>(Setting::user) + 1;

// An address to bind. `ip` is text that inet_pton(3) takes, without brackets; after a link-local
// address comes its interface (`fe80::1%eth0`), which need not exist.
struct ListenAddress {
  std::string ip;
  std::uint16_t port = 0;  // host order; 0: any free port

  bool operator==(const ListenAddress&) const = default;
};

// Addresses that share their first `length` bits; `ip` as in ListenAddress, its other bits are 0. A
// link-local prefix may have an interface: then it holds only the addresses on that link.
struct AddressPrefix {
  std::string ip;
  unsigned length = 0;  // bits of the address family: 0 to 32, 0 to 128

  bool operator==(const AddressPrefix&) const = default;
};

// Which messages go to the worker stage.
enum class DeferScope : std::uint8_t {
  service,  // those the service defers
  all,
};

// The treatment of messages that find no free slot.
enum class OverloadPolicy : std::uint8_t {
  block,  // they wait in the kernel, which drops those that do not fit
  shed,   // receive takes them, and answers "busy" or not at all
};

// The reaction to a server that may come to use more memory than there is.
enum class MemoryCheck : std::uint8_t {
  refuse,  // it does not start
  warn,    // the log says so
};

// Which lane runs the next stage's step for a batch.
enum class Dispatch : std::uint8_t {
  run_inline,  // the lane that has the batch, if that saves a hop; else the next stage's lanes
  queued,      // the next stage's lanes
};

// The use of the processes of the model `mp`.
enum class ProcessUse : std::uint8_t {
  prefork,  // each serves message after message
  fork,     // each serves one message
};

struct Settings {
  std::optional<std::string> config_file;  // none: no file is read

  std::vector<ListenAddress> listen;    // at least one; none twice, except with port 0
  std::size_t socket_buffer_bytes = 0;  // asked of the kernel, each direction
  bool gro = false;                     // segmentation offload, where the kernel has it
  bool gso = false;
  bool freebind = false;         // listens on addresses that the host does not have yet
  std::optional<unsigned> dscp;  // of replies; none: unchanged

  std::vector<AddressPrefix> allow;    // peers that may ask; empty: all
  std::vector<AddressPrefix> trusted;  // that may get replies longer than requests; empty: none

  ServerModel model = ServerModel::seda;
  std::optional<unsigned> lanes;  // none: as many as can run at once (server/daemon/machine.h)
  SocketSharing sockets = SocketSharing::shared;
  Steering steering = Steering::hash;
  unsigned handoff_limit = 0;   // messages that a lane takes before it promotes another lane
  bool exclusive_wake = false;  // a datagram wakes only one of the lanes that wait for it
  ProcessUse multi_process = ProcessUse::prefork;

  std::string service;  // a name; the registry says whether there is such a service
  std::string work;     // how long service `work` takes; services/work_profile.h reads it
  std::optional<std::string> numbers_file;  // none: the shipped sample
  bool allow_empty = false;                 // the number data may have no rows

  unsigned receive_threads = 0;
  unsigned service_threads = 0;
  unsigned worker_threads = 0;
  unsigned response_threads = 0;
  std::vector<unsigned> receive_cpus;  // rising; empty: every CPU the process may use
  std::vector<unsigned> service_cpus;
  std::vector<unsigned> worker_cpus;
  std::vector<unsigned> response_cpus;
  std::optional<unsigned> receive_priority;  // SCHED_FIFO; none: not in the real-time class
  std::optional<unsigned> response_priority;
  bool real_time_on_few_cpus = false;
  bool receive_stats = false;  // false: only what the ledger needs
  bool response_stats = false;

  DeferScope defer = DeferScope::service;
  std::optional<unsigned> worker_queue;        // messages; none: half the slots, or all (table.h)
  std::optional<unsigned> on_demand_threads;   // max. at once; none: there are none
  std::optional<ListenAddress> reply_address;  // none: to the source of the request
  unsigned send_wait_ms = 0;                   // how long a reply waits for room in its socket

  unsigned slots = 0;            // max. messages inside the server
  std::size_t message_size = 0;  // bytes of a slot's window
  unsigned batch = 0;            // max. messages of one take or receive
  Dispatch dispatch = Dispatch::run_inline;
  unsigned inline_max_us = 0;   // longest batch to run inline
  unsigned coalesce_us = 0;     // pause between small batches received; 0: none
  unsigned spin_us = 0;         // longest look for work before a wait; 0: none
  bool process_shared = false;  // queues, pool and semaphores in shared memory
  MemoryCheck memory_check = MemoryCheck::refuse;

  OverloadPolicy overload = OverloadPolicy::block;
  unsigned busy_rate = 0;  // busy replies a second, whole server

  std::optional<std::string> stats_file;  // none: the default place
  bool histograms = false;

  std::chrono::nanoseconds drain_timeout{};
  std::chrono::nanoseconds idle_exit{};  // silence after which an activated server ends; 0: never

  std::string user;  // to become after set-up (server/daemon/identity.h); empty: no change

  bool operator==(const Settings&) const = default;
};

}  // namespace cpss
