// The one table of settings. From it come parsing, validation, --help, the sample YAML file,
// docs/configuration.md and --print-config.
//
// To add a setting: an enumerator and a member in settings.h, a row here; the tests then ask for
// the generated pages to be renewed.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/settings.h"

namespace cpss {

// The member that holds a setting; its type says how the value is written (values.h).
using SettingMember = std::variant<           //
    std::string Settings::*,                  // a name
    std::optional<std::string> Settings::*,   // a file name
    bool Settings::*,                         // a switch
    unsigned Settings::*,                     // a count
    std::size_t Settings::*,                  // bytes
    std::chrono::nanoseconds Settings::*,     // seconds
    std::vector<unsigned> Settings::*,        // CPU numbers
    std::vector<ListenAddress> Settings::*,   // addresses with ports
    std::vector<AddressPrefix> Settings::*>;  // address prefixes

// Inclusive; only for counts, bytes and (whole) seconds.
struct SettingRange {
  std::uint64_t least = 0;
  std::uint64_t most = 0;
};

struct SettingInfo {
  Setting id;
  std::string_view group;           // heading; rows of one group stand together
  std::string_view yaml_path = {};  // `section.key`, or `key` at the top; empty: not in YAML
  std::string_view variable;        // environment
  std::string_view option;          // without the leading dashes
  SettingMember member;
  std::string_view unit = {};          // of a number
  SettingRange range = {};             // of a number
  std::string_view default_text = {};  // as a user would write it
  std::string_view empty_means = {};   // what an empty value stands for; empty: it is an error
  std::string_view help;               // what it is for, without the final stop
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
     .help = "Threads of the service stage"},

    {.id = Setting::service_cpus,
     .group = "Service",
     .yaml_path = "service.cpus",
     .variable = "CPSS_SERVICE_CPUS",
     .option = "service-cpus",
     .member = &Settings::service_cpus,
     .empty_means = kAllCpus,
     .help = "CPUs of the service stage"},

    {.id = Setting::numbers_file,
     .group = "Service",
     .yaml_path = "numbers.file",
     .variable = "CPSS_NUMBERS",
     .option = "numbers",
     .member = &Settings::numbers_file,
     .empty_means = "the shipped sample",
     .help = "Number data of the service lookup: a CSV file with a header"},

    {.id = Setting::receive_threads,
     .group = "Stages",
     .yaml_path = "receive.threads",
     .variable = "CPSS_RECV_THREADS",
     .option = "recv-threads",
     .member = &Settings::receive_threads,
     .unit = "threads",
     .range = {1, 256},
     .default_text = "1",
     .help = "Threads of the receive stage"},

    {.id = Setting::receive_cpus,
     .group = "Stages",
     .yaml_path = "receive.cpus",
     .variable = "CPSS_RECV_CPUS",
     .option = "recv-cpus",
     .member = &Settings::receive_cpus,
     .empty_means = kAllCpus,
     .help = "CPUs of the receive stage"},

    {.id = Setting::response_threads,
     .group = "Stages",
     .yaml_path = "response.threads",
     .variable = "CPSS_RESP_THREADS",
     .option = "resp-threads",
     .member = &Settings::response_threads,
     .unit = "threads",
     .range = {1, 256},
     .default_text = "1",
     .help = "Threads of the response stage"},

    {.id = Setting::response_cpus,
     .group = "Stages",
     .yaml_path = "response.cpus",
     .variable = "CPSS_RESP_CPUS",
     .option = "resp-cpus",
     .member = &Settings::response_cpus,
     .empty_means = kAllCpus,
     .help = "CPUs of the response stage"},

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
