// The one table of settings. It defines parsing, validation, --help, the sample YAML file,
// docs/configuration.md and --print-config.
//
// To add a setting: an enumerator and a member in settings.h, a row here; the tests then ask to
// renew the generated pages.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/settings.h"

namespace cpss {

// The member that holds a setting; its type says how the value is written (values.h).
using SettingMember = std::variant<            //
    std::string Settings::*,                   // a name
    std::optional<std::string> Settings::*,    // a file name
    bool Settings::*,                          // a switch
    unsigned Settings::*,                      // a count
    std::optional<unsigned> Settings::*,       // a count, or none
    std::size_t Settings::*,                   // bytes
    std::chrono::nanoseconds Settings::*,      // seconds
    DeferScope Settings::*,                    // one of a few words
    OverloadPolicy Settings::*,                //
    MemoryCheck Settings::*,                   //
    Dispatch Settings::*,                      //
    ServerModel Settings::*,                   //
    SocketSharing Settings::*,                 //
    Steering Settings::*,                      //
    ProcessUse Settings::*,                    //
    std::optional<ListenAddress> Settings::*,  // an address with a port, or `source`
    std::vector<unsigned> Settings::*,         // CPU numbers
    std::vector<ListenAddress> Settings::*,    // addresses with ports
    std::vector<AddressPrefix> Settings::*>;   // address prefixes

// Inclusive; only for counts, bytes and (whole) seconds.
struct SettingRange {
  std::uint64_t min = 0;
  std::uint64_t max = 0;
};

// The models that use a setting; in any other it is an error if it is set.
class UsedBy {
 public:
  // All models.
  constexpr UsedBy() = default;
  // The models for which `traits` is true; usually a member of ModelTraits.
  template <class Traits>
  constexpr explicit UsedBy(Traits traits) : bits_(0) {
    for (const ModelTraits& model : kModels)
      if (std::invoke(traits, model)) bits_ |= bit(model.id);
  }
  constexpr bool contains(ServerModel model) const { return (bits_ & bit(model)) != 0; }
  constexpr bool all() const { return bits_ == ~0U; }

 private:
  static constexpr unsigned bit(ServerModel model) { return 1U << static_cast<unsigned>(model); }
  unsigned bits_ = ~0U;
};

struct SettingInfo {
  Setting id;
  std::string_view group;           // heading; rows of one group stand together
  std::string_view yaml_path = {};  // `section.key`, or `key` at the top; empty: not in YAML
  std::string_view variable;        // environment
  std::string_view option;          // without the leading dashes
  SettingMember member;
  std::string_view unit = {};          // for numbers
  SettingRange range = {};             // for numbers
  std::string_view default_text = {};  // as a user would write it
  UsedBy models = {};
  std::string_view empty_means = {};  // the meaning of an empty value; none: it is an error
  std::string_view help;              // its purpose, without the final stop
};

inline constexpr std::string_view kVariablePrefix = "CPSS_";

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;

inline constexpr std::string_view kAllCpus = "all CPUs the process may use";

inline constexpr std::array<SettingInfo, kSettings> kSettingTable{{
    {.id = Setting::config_file,
     .group = "Configuration file",
     .variable = "CPSS_CONFIG",
     .option = "config",
     .member = &Settings::config_file,
     .empty_means = "no file",
     .help = "YAML file with settings; --sample-config prints one"},

    {.id = Setting::listen,
     .group = "Network",
     .yaml_path = "listen",
     .variable = "CPSS_LISTEN",
     .option = "listen",
     .member = &Settings::listen,
     .default_text = "127.0.0.1:7700",
     .help = "Addresses to receive on. An IPv6 wildcard also takes IPv4, unless an IPv4 address "
             "with the "
             "same port is listed; port 0 takes any free port"},

    {.id = Setting::socket_buffer,
     .group = "Network",
     .yaml_path = "socket.buffer",
     .variable = "CPSS_SOCKET_BUFFER",
     .option = "socket-buffer",
     .member = &Settings::socket_buffer_bytes,
     .unit = "bytes",
     .range = {4 * kKiB, kGiB},
     .default_text = "4MiB",
     .help = "Socket buffer to ask of the kernel, for each direction"},

    {.id = Setting::gro,
     .group = "Network",
     .yaml_path = "socket.gro",
     .variable = "CPSS_GRO",
     .option = "gro",
     .member = &Settings::gro,
     .default_text = "true",
     .help = "Whether the kernel may hand over datagrams of one peer together (UDP_GRO). "
             "kernel_dropped then counts packets of one or more datagrams"},

    {.id = Setting::gso,
     .group = "Network",
     .yaml_path = "socket.gso",
     .variable = "CPSS_GSO",
     .option = "gso",
     .member = &Settings::gso,
     .default_text = "true",
     .help = "Whether replies of one length to one peer leave together (UDP_SEGMENT)"},

    {.id = Setting::freebind,
     .group = "Network",
     .yaml_path = "socket.freebind",
     .variable = "CPSS_FREEBIND",
     .option = "freebind",
     .member = &Settings::freebind,
     .default_text = "false",
     .help = "Whether to listen on addresses that this host does not have yet, for those that a "
             "lease or a failover brings later (IP_FREEBIND)"},

    {.id = Setting::dscp,
     .group = "Network",
     .yaml_path = "socket.dscp",
     .variable = "CPSS_DSCP",
     .option = "dscp",
     .member = &Settings::dscp,
     .unit = "(code point)",
     .range = {0, 63},
     .empty_means = "as the kernel, or whoever opened the socket, has it",
     .help = "Differentiated services code point of replies, IPv4 and IPv6 (RFC 2474): what "
             "routers go by, 46 for expedited forwarding"},

    {.id = Setting::allow,
     .group = "Access",
     .yaml_path = "access.allow",
     .variable = "CPSS_ALLOW",
     .option = "allow",
     .member = &Settings::allow,
     .empty_means = "everybody",
     .help = "Who may ask; requests of others are counted as refused and never answered"},

    {.id = Setting::trusted,
     .group = "Access",
     .yaml_path = "access.trusted",
     .variable = "CPSS_TRUSTED",
     .option = "trusted",
     .member = &Settings::trusted,
     .default_text = "127.0.0.0/8,::1",
     .empty_means = "nobody",
     .help = "Who may get replies that are longer than their requests"},

    {.id = Setting::model,
     .group = "Model",
     .yaml_path = "model.name",
     .variable = "CPSS_MODEL",
     .option = "model",
     .member = &Settings::model,
     .default_text = "seda",
     .help = "How the work is shared out. seda: each stage on threads of its own. sped: one thread "
             "does everything, in one event loop. symped: several such threads. amped: one such "
             "thread, and workers for what is deferred. mp: processes instead of threads"},

    {.id = Setting::lanes,
     .group = "Model",
     .yaml_path = "model.lanes",
     .variable = "CPSS_LANES",
     .option = "lanes",
     .member = &Settings::lanes,
     .unit = "threads or processes",
     .range = {1, 4096},
     .models = UsedBy(&ModelTraits::several_loops),
     .empty_means = "as many as CPUs the process may use, or as its control group has CPU quota "
                    "for, rounded down, but at least one",
     .help = "Threads or processes that do everything. With handoff: at least, there may be more, "
             "up to twice the CPUs. With fork: an eighth of the processes there may be at once"},

    {.id = Setting::sockets,
     .group = "Model",
     .yaml_path = "model.sockets",
     .variable = "CPSS_SOCKETS",
     .option = "sockets",
     .member = &Settings::sockets,
     .default_text = "shared",
     .models = UsedBy(&ModelTraits::several_receive),
     .help = "Which threads or processes receive from which sockets. shared: all from one for each "
             "address. reuseport: each from its own (SO_REUSEPORT). handoff: all from one, but one "
             "thread at a time, the leader, which promotes another one before it processes what it "
             "has received (symped only)"},

    {.id = Setting::steering,
     .group = "Model",
     .yaml_path = "model.steering",
     .variable = "CPSS_STEERING",
     .option = "steering",
     .member = &Settings::steering,
     .default_text = "hash",
     .models = UsedBy(&ModelTraits::several_receive),
     .help = "With reuseport: how the kernel chooses the socket for a datagram. hash: by the "
             "addresses and ports of both ends, so that a peer always meets the same thread. "
             "random. cpu: by the CPU that delivers it. round_robin: in turn, where the kernel "
             "allows the server extended BPF"},

    {.id = Setting::handoff_limit,
     .group = "Model",
     .yaml_path = "model.handoff_limit",
     .variable = "CPSS_HANDOFF_LIMIT",
     .option = "handoff-limit",
     .member = &Settings::handoff_limit,
     .unit = "messages",
     .range = {1, 1024},
     .default_text = "5",
     .models = UsedBy(&ModelTraits::handoff),
     .help = "With handoff: most messages that a thread has received and not yet answered"},

    {.id = Setting::exclusive_wake,
     .group = "Model",
     .yaml_path = "model.epollexclusive",
     .variable = "CPSS_EPOLLEXCLUSIVE",
     .option = "epollexclusive",
     .member = &Settings::exclusive_wake,
     .default_text = "true",
     .models = UsedBy(&ModelTraits::several_receive),
     .help = "Where several threads or processes share a socket: whether a datagram wakes one of "
             "those that wait for it (EPOLLEXCLUSIVE), or all, of which one gets it"},

    {.id = Setting::multi_process,
     .group = "Model",
     .yaml_path = "model.mp",
     .variable = "CPSS_MP",
     .option = "mp",
     .member = &Settings::multi_process,
     .default_text = "prefork",
     .models = UsedBy(&ModelTraits::processes),
     .help = "prefork: processes are started once and serve message after message. fork: one is "
             "started for each message"},

    {.id = Setting::service,
     .group = "Service",
     .yaml_path = "service.name",
     .variable = "CPSS_SERVICE",
     .option = "service",
     .member = &Settings::service,
     .default_text = "lookup",
     .help = "What is done with each message; --help lists the services"},

    {.id = Setting::service_threads,
     .group = "Service",
     .yaml_path = "service.threads",
     .variable = "CPSS_SERVICE_THREADS",
     .option = "service-threads",
     .member = &Settings::service_threads,
     .unit = "threads",
     .range = {1, 256},
     .default_text = "1",
     .models = UsedBy(&ModelTraits::staged),
     .help = "Threads of the service stage, which then each stage has. Where none of the three "
             "numbers is set, threads are not bound to a stage (CPSS_DISPATCH)"},

    {.id = Setting::service_cpus,
     .group = "Service",
     .yaml_path = "service.cpus",
     .variable = "CPSS_SERVICE_CPUS",
     .option = "service-cpus",
     .member = &Settings::service_cpus,
     .models = UsedBy(&ModelTraits::staged),
     .empty_means = kAllCpus,
     .help = "CPUs of the service stage"},

    {.id = Setting::defer,
     .group = "Service",
     .yaml_path = "service.defer",
     .variable = "CPSS_DEFER",
     .option = "defer",
     .member = &Settings::defer,
     .default_text = "service",
     .models = UsedBy(&ModelTraits::has_workers),
     .help = "Which messages the workers process: those the service defers, or all. Without "
             "workers, what the service defers is processed in place"},

    {.id = Setting::work,
     .group = "Service",
     .yaml_path = "service.work",
     .variable = "CPSS_WORK",
     .option = "work",
     .member = &Settings::work,
     .default_text = "fixed:0;burn",
     .help = "How long service work takes for a message, in microseconds: fixed:US, exp:US or "
             "bimodal:US,US,SHARE (of the second); then ;burn (CPU time) or ;sleep; then, if "
             "wanted, ;defer=US to defer what takes longer"},

    {.id = Setting::numbers_file,
     .group = "Service",
     .yaml_path = "numbers.file",
     .variable = "CPSS_NUMBERS",
     .option = "numbers",
     .member = &Settings::numbers_file,
     .empty_means = "the shipped sample",
     .help = "Number data of the service lookup: CSV with a header, plain or by gzip, or an image"},

    {.id = Setting::allow_empty,
     .group = "Service",
     .yaml_path = "numbers.allow_empty",
     .variable = "CPSS_ALLOW_EMPTY",
     .option = "allow-empty",
     .member = &Settings::allow_empty,
     .default_text = "false",
     .help = "Whether the service lookup starts with number data that have a header and no rows"},

    {.id = Setting::receive_threads,
     .group = "Stages",
     .yaml_path = "receive.threads",
     .variable = "CPSS_RECV_THREADS",
     .option = "recv-threads",
     .member = &Settings::receive_threads,
     .unit = "threads",
     .range = {1, 256},
     .default_text = "1",
     .models = UsedBy(&ModelTraits::staged),
     .help = "Threads of the receive stage, which then each stage has. Where none of the three "
             "numbers is set, threads are not bound to a stage (CPSS_DISPATCH)"},

    {.id = Setting::receive_cpus,
     .group = "Stages",
     .yaml_path = "receive.cpus",
     .variable = "CPSS_RECV_CPUS",
     .option = "recv-cpus",
     .member = &Settings::receive_cpus,
     .empty_means = kAllCpus,
     .help = "CPUs of the receive stage; of the threads or processes that do everything, in models "
             "that have such"},

    {.id = Setting::receive_priority,
     .group = "Stages",
     .yaml_path = "receive.priority",
     .variable = "CPSS_RECV_THREADS_RT",
     .option = "recv-threads-rt",
     .member = &Settings::receive_priority,
     .unit = "(SCHED_FIFO priority)",
     .range = {1, 99},
     .empty_means = "not in the real-time class",
     .help = "Puts the receive stage into the real-time class, at this priority"},

    {.id = Setting::receive_stats,
     .group = "Stages",
     .yaml_path = "receive.stats",
     .variable = "CPSS_RECV_STATS",
     .option = "recv-stats",
     .member = &Settings::receive_stats,
     .default_text = "true",
     .help = "Whether the receive stage measures its times, waits and calls; what the ledger needs "
             "is always counted"},

    {.id = Setting::worker_threads,
     .group = "Stages",
     .yaml_path = "worker.threads",
     .variable = "CPSS_WORKER_THREADS",
     .option = "worker-threads",
     .member = &Settings::worker_threads,
     .unit = "threads",
     .range = {0, 256},
     .default_text = "0",
     .models = UsedBy(&ModelTraits::has_workers),
     .help = "Threads of the worker stage, where messages that are deferred may block. The model "
             "amped has one where this is not set"},

    {.id = Setting::worker_cpus,
     .group = "Stages",
     .yaml_path = "worker.cpus",
     .variable = "CPSS_WORKER_CPUS",
     .option = "worker-cpus",
     .member = &Settings::worker_cpus,
     .models = UsedBy(&ModelTraits::has_workers),
     .empty_means = kAllCpus,
     .help = "CPUs of the worker stage and of on-demand threads"},

    {.id = Setting::worker_queue,
     .group = "Stages",
     .yaml_path = "worker.queue_limit",
     .variable = "CPSS_WORKER_QUEUE",
     .option = "worker-queue",
     .member = &Settings::worker_queue,
     .unit = "messages",
     .range = {1, 65'534},
     .models = UsedBy(&ModelTraits::has_workers),
     .empty_means = "half the slots; all of them where threads that receive must not wait for room "
                    "(overload policy block, model amped or no pools), within the same limits",
     .help = "Most messages that wait for a worker; what a full queue means is for the overload "
             "policy to say"},

    {.id = Setting::on_demand_threads,
     .group = "Stages",
     .yaml_path = "worker.on_demand_threads",
     .variable = "CPSS_ONDEMAND_THREADS",
     .option = "ondemand-threads",
     .member = &Settings::on_demand_threads,
     .unit = "threads",
     .range = {1, 256},
     .models = UsedBy(&ModelTraits::has_workers),
     .empty_means = "none",
     .help = "Most transient threads at once. One is started when more messages wait than workers "
             "are free; it takes the oldest and ends with it"},

    {.id = Setting::response_threads,
     .group = "Stages",
     .yaml_path = "response.threads",
     .variable = "CPSS_RESP_THREADS",
     .option = "resp-threads",
     .member = &Settings::response_threads,
     .unit = "threads",
     .range = {1, 256},
     .default_text = "1",
     .models = UsedBy(&ModelTraits::staged),
     .help = "Threads of the response stage, which then each stage has. Where none of the three "
             "numbers is set, threads are not bound to a stage (CPSS_DISPATCH)"},

    {.id = Setting::response_cpus,
     .group = "Stages",
     .yaml_path = "response.cpus",
     .variable = "CPSS_RESP_CPUS",
     .option = "resp-cpus",
     .member = &Settings::response_cpus,
     .models = UsedBy(&ModelTraits::staged),
     .empty_means = kAllCpus,
     .help = "CPUs of the response stage"},

    {.id = Setting::response_priority,
     .group = "Stages",
     .yaml_path = "response.priority",
     .variable = "CPSS_RESP_THREADS_RT",
     .option = "resp-threads-rt",
     .member = &Settings::response_priority,
     .unit = "(SCHED_FIFO priority)",
     .range = {1, 99},
     .models = UsedBy(&ModelTraits::staged),
     .empty_means = "not in the real-time class",
     .help = "Puts the response stage into the real-time class, at this priority"},

    {.id = Setting::response_stats,
     .group = "Stages",
     .yaml_path = "response.stats",
     .variable = "CPSS_RESP_STATS",
     .option = "resp-stats",
     .member = &Settings::response_stats,
     .default_text = "true",
     .help = "Whether the response stage measures its times, waits and calls; what the ledger "
             "needs is always counted"},

    {.id = Setting::reply_address,
     .group = "Stages",
     .yaml_path = "response.address",
     .variable = "CPSS_RESP_ADDR",
     .option = "resp-addr",
     .member = &Settings::reply_address,
     .default_text = "source",
     .help = "Where replies go: to the source of each request, or all to one address, which must "
             "not be our own"},

    {.id = Setting::send_wait,
     .group = "Stages",
     .yaml_path = "response.wait_ms",
     .variable = "CPSS_SEND_WAIT_MS",
     .option = "send-wait-ms",
     .member = &Settings::send_wait_ms,
     .unit = "milliseconds",
     .range = {0, 60'000},
     .default_text = "50",
     .help = "How long a reply waits for room in its socket's send buffer before it ends as failed "
             "(send_no_room)"},

    {.id = Setting::real_time_on_few_cpus,
     .group = "Stages",
     .yaml_path = "real_time.allow_small",
     .variable = "CPSS_RT_ALLOW_SMALL",
     .option = "rt-allow-small",
     .member = &Settings::real_time_on_few_cpus,
     .default_text = "false",
     .help = "Allows real-time threads where the process may use two CPUs or fewer, on which they "
             "can starve everything else"},

    {.id = Setting::slots,
     .group = "Queues",
     .yaml_path = "queue.slots",
     .variable = "CPSS_QSLOTS",
     .option = "qslots",
     .member = &Settings::slots,
     .unit = "messages",
     .range = {1, 16'000'000},
     .default_text = "8192",
     .help = "Message slots: the most messages inside the server at once"},

    {.id = Setting::message_size,
     .group = "Queues",
     .yaml_path = "queue.message_size",
     .variable = "CPSS_MSGSIZE",
     .option = "msgsize",
     .member = &Settings::message_size,
     .unit = "bytes",
     .range = {512, 65'535},
     .default_text = "1024",
     .help = "Bytes a slot has for a request, and again for its reply. A service that needs more "
             "raises it where it is not set"},

    {.id = Setting::batch,
     .group = "Queues",
     .yaml_path = "queue.batch",
     .variable = "CPSS_BATCH",
     .option = "batch",
     .member = &Settings::batch,
     .unit = "messages",
     .range = {1, 1024},
     .default_text = "64",
     .help = "Most messages of one take from a queue or a socket"},

    {.id = Setting::process_shared,
     .group = "Queues",
     .yaml_path = "queue.process_shared",
     .variable = "CPSS_SYNCH_PROCESS",
     .option = "synch-process",
     .member = &Settings::process_shared,
     .default_text = "false",
     .models = UsedBy(std::not_fn(&ModelTraits::processes)),
     .help = "Whether slots, queues and semaphores live in shared memory and can be used by "
             "several processes"},

    {.id = Setting::memory_check,
     .group = "Queues",
     .yaml_path = "queue.memory_check",
     .variable = "CPSS_MEMORY_CHECK",
     .option = "memory-check",
     .member = &Settings::memory_check,
     .default_text = "refuse",
     .help = "What to do if slots, queues, threads, socket buffers and data may come to take more "
             "memory than the machine, or the control group of the server, has. Memory is taken as "
             "it is used, so such a server would be killed when it is busy. refuse: it does not "
             "start. warn: the log says so"},

    {.id = Setting::dispatch,
     .group = "Dispatch",
     .yaml_path = "dispatch.mode",
     .variable = "CPSS_DISPATCH",
     .option = "dispatch",
     .member = &Settings::dispatch,
     .default_text = "inline",
     .models = UsedBy(&ModelTraits::staged),
     .help = "How messages get to the next stage. queued: always by its queue, to its own threads. "
             "inline: if no number of threads is set (CPSS_RECV_THREADS, CPSS_SERVICE_THREADS, "
             "CPSS_RESP_THREADS), each thread takes messages all the way, and leaves to threads "
             "that sleep what is worth it; with threads of its own for each stage, one that has "
             "nothing else to do goes on with messages itself, if the next stage is idle and has "
             "the same CPUs and scheduling class, and if the server may use one CPU only, also if "
             "it has something else to do"},

    {.id = Setting::inline_max_us,
     .group = "Dispatch",
     .yaml_path = "dispatch.inline_max_us",
     .variable = "CPSS_INLINE_MAX_US",
     .option = "inline-max-us",
     .member = &Settings::inline_max_us,
     .unit = "microseconds",
     .range = {0, 1'000'000},
     .default_text = "200",
     .models = UsedBy(&ModelTraits::staged),
     .help =
         "Longest time that a batch is expected to take which a thread runs inline: so long other "
         "messages may wait behind it"},

    {.id = Setting::spin_us,
     .group = "Dispatch",
     .yaml_path = "dispatch.spin_us",
     .variable = "CPSS_SPIN_US",
     .option = "spin-us",
     .member = &Settings::spin_us,
     .unit = "microseconds",
     .range = {0, 1'000},
     .default_text = "100",
     .help = "How long a thread that finds nothing to do looks again before it goes to sleep, "
             "where work has come that soon lately and no more threads are awake than there are "
             "CPUs. 0: it goes to sleep at once"},

    {.id = Setting::coalesce_us,
     .group = "Dispatch",
     .yaml_path = "dispatch.coalesce_us",
     .variable = "CPSS_COALESCE_US",
     .option = "coalesce-us",
     .member = &Settings::coalesce_us,
     .unit = "microseconds",
     .range = {0, 1'000},
     .default_text = "30",
     .help = "How long a receive thread pauses after a small batch where datagrams keep coming a "
             "few at a time, as fast as it can take them: fewer system calls, and more replies "
             "that leave together. 0: not at all"},

    {.id = Setting::overload,
     .group = "Overload",
     .yaml_path = "overload.policy",
     .variable = "CPSS_OVERLOAD",
     .option = "overload",
     .member = &Settings::overload,
     .default_text = "block",
     .help = "What happens when all slots are taken. block: nothing is received until one is free, "
             "and the kernel drops what its buffer cannot hold. shed: requests are received and "
             "answered that the server is busy, or not at all"},

    {.id = Setting::busy_rate,
     .group = "Overload",
     .yaml_path = "overload.busy_rate",
     .variable = "CPSS_BUSY_RATE",
     .option = "busy-rate",
     .member = &Settings::busy_rate,
     .unit = "replies a second",
     .range = {0, 10'000'000},
     .default_text = "1000",
     .help = "Most busy replies, over the whole server; what is shed beyond that gets no reply"},

    {.id = Setting::stats_file,
     .group = "Statistics",
     .yaml_path = "stats.file",
     .variable = "CPSS_STATS_FILE",
     .option = "stats-file",
     .member = &Settings::stats_file,
     .empty_means = "the default place",
     .help = "File of the statistics that getstat reads. The default place is in /run/cpss for "
             "root, else in cpss under $XDG_RUNTIME_DIR, else in a folder of the user under the "
             "temporary directory"},

    {.id = Setting::histograms,
     .group = "Statistics",
     .yaml_path = "stats.histograms",
     .variable = "CPSS_HISTOGRAMS",
     .option = "histograms",
     .member = &Settings::histograms,
     .default_text = "true",
     .help = "Whether histograms of waits, times and batch sizes are kept; counters always are"},

    {.id = Setting::drain_timeout,
     .group = "Stopping",
     .yaml_path = "drain.timeout",
     .variable = "CPSS_DRAIN_TIMEOUT",
     .option = "drain-timeout",
     .member = &Settings::drain_timeout,
     .unit = "seconds",
     .range = {0, 3600},
     .default_text = "5",
     .help = "How long messages that were received may take to be answered after SIGTERM"},

    {.id = Setting::idle_exit,
     .group = "Stopping",
     .yaml_path = "idle_exit",
     .variable = "CPSS_IDLE_EXIT",
     .option = "idle-exit",
     .member = &Settings::idle_exit,
     .unit = "seconds",
     .range = {0, 604'800},
     .default_text = "0",
     .help = "Silence after which a server ends that got its sockets from a service manager, which "
             "starts it again for the next datagram. 0: it never does"},

    {.id = Setting::user,
     .group = "Privileges",
     .yaml_path = "user",
     .variable = "CPSS_USER",
     .option = "user",
     .member = &Settings::user,
     .empty_means = "the user who starts it",
     .help =
         "User that a server started as root becomes once its sockets, its region and its data "
         "are there: USER or USER:GROUP, each by name or number. Without it root stays root. In "
         "either case the server gives up every capability"},
}};

constexpr const SettingInfo& info(Setting setting) {
  return kSettingTable[static_cast<std::size_t>(setting)];
}

// `CPSS_RECV_THREADS` for `recv-threads`: a reader of one name knows the other.
constexpr bool variable_matches_option(const SettingInfo& row) {
  const std::string_view rest = row.variable.substr(kVariablePrefix.size());
  if (!row.variable.starts_with(kVariablePrefix) || rest.size() != row.option.size()) return false;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    const char c = rest[i];
    const char lower = c == '_' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (lower != row.option[i]) return false;
  }
  return true;
}

constexpr bool setting_table_is_sound() {
  for (std::size_t i = 0; i < kSettingTable.size(); ++i) {
    const SettingInfo& row = kSettingTable[i];
    if (static_cast<std::size_t>(row.id) != i || !variable_matches_option(row)) return false;
    if (row.help.empty() || row.group.empty()) return false;
    if (row.default_text.empty() && row.empty_means.empty()) return false;
  }
  return true;
}
static_assert(setting_table_is_sound(), "a row out of order, or with names or texts missing");

}  // namespace cpss
