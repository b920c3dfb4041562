#include "server/daemon/config_check.h"

#include <cerrno>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>

#include "base/exit_codes.h"
#include "base/file_descriptor.h"
#include "net/local_addresses.h"
#include "server/daemon/description.h"
#include "server/daemon/failure.h"
#include "server/daemon/listeners.h"
#include "server/daemon/machine.h"
#include "server/daemon/main_stack.h"
#include "server/daemon/memory_need.h"
#include "server/daemon/plan.h"
#include "server/daemon/service_manager.h"
#include "server/daemon/settings_checks.h"
#include "server/daemon/standard_streams.h"
#include "server/models/models.h"
#include "stages/lane/stack.h"
#include "stats/region_place.h"

namespace cpss {
namespace {

// Tries it in a thread of its own, as lanes have the class.
void require_real_time(const std::optional<unsigned>& priority, const char* setting) {
  if (!priority) return;
  int error = 0;
  std::jthread([&] {
    sched_param parameters{};
    parameters.sched_priority = static_cast<int>(*priority);
    error = pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters);
  }).join();
  if (error != 0) throw std::system_error(error, std::generic_category(), setting);
}

// The right to a low UDP port is the same as that to the TCP port of this number
// (ip_unprivileged_port_start, ip(7)). So the TCP port is bound for a moment, on a loopback address
// that no program uses: this harms none.
void require_right_to_port(const SocketAddress& address) {
  constexpr std::uint16_t kFirstOfEverybody = 1024;
  if (address.port() == 0 || address.port() >= kFirstOfEverybody) return;
  const SocketAddress unused(*IpAddress::parse("127.255.255.254"), address.port());
  const FileDescriptor probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!probe.valid() || ::bind(probe.get(), unused.data(), unused.size()) == 0 || errno != EACCES)
    return;
  throw SocketError(
      fmt::format("cannot listen on {}: this process has no right to a port below {} "
                  "(CAP_NET_BIND_SERVICE, sysctl net.ipv4.ip_unprivileged_port_start)",
                  address.to_string(), kFirstOfEverybody),
      EACCES);
}

// `text` is about a socket that was opened on a port that the kernel chose. Returns it with the
// configured port instead.
std::string with_ports(std::string text, const std::vector<ListenAddress>& listen) {
  for (const ListenAddress& entry : listen) {
    SocketAddress address = address_of(entry);
    const std::string meant = address.to_string();
    address.set_port(0);
    const std::string opened = address.to_string();
    const std::size_t at = text.find(opened);
    if (at != std::string::npos) return text.replace(at, opened.size(), meant);
  }
  return text;
}

// Opens the sockets as a start does, but on ports that the kernel chooses. Returns their addresses
// with the configured ports.
std::vector<SocketAddress> require_listenable(const ListenerOptions& meant) {
  for (const ListenAddress& entry : meant.listen) require_right_to_port(address_of(entry));
  ListenerOptions options = meant;
  for (ListenAddress& entry : options.listen) entry.port = 0;
  try {
    std::vector<SocketAddress> addresses = Listeners(options).addresses();
    for (std::size_t i = 0; i < addresses.size(); ++i) addresses[i].set_port(meant.listen[i].port);
    return addresses;
  } catch (const SocketError& error) {
    throw SocketError(with_ports(error.what(), meant.listen), error.code());
  }
}

// Binds none of the ports and makes no region. Problems of settings are added to `loaded`; any
// other problem is thrown as a start throws it. Returns, a line each, what only a start can tell.
std::vector<std::string> check_as_a_start(LoadResult& loaded, const Plan& plan,
                                          const char* const* environment) {
  const Settings& settings = loaded.settings;
  const ServiceManager manager(environment);
  const LocalAddressSet host = LocalAddressSet::of_this_host();
  const Assignment assignment = assignment_of(plan.pipeline);
  const unsigned socket_groups = assignment.socket_groups;
  // A server that ends in silence gets its sockets from a manager; a check does not get them.
  const bool activated = settings.idle_exit.count() > 0;
  std::vector<std::string> not_checked;
  if (activated) {
    check_activation(loaded, socket_groups, true);
    if (!loaded.ok()) return {};
    not_checked.push_back("the sockets that the service manager will hand over (CPSS_IDLE_EXIT)");
    if (settings.reply_address)
      not_checked.push_back(
          "whether CPSS_RESP_ADDR is the address of one of them, or of another family");
  } else {
    const ListenerOptions sockets = listener_options(loaded, socket_groups, {});
    if (!loaded.ok()) return {};
    check_reply_address(loaded, require_listenable(sockets), host);
    not_checked.push_back("whether the ports are free");
    not_checked.push_back("sockets that a service manager would hand over instead");
  }
  require_stack_of_lanes(assignment);
  require_place_for_new_region(settings.stats_file.value_or(""));
  not_checked.push_back("whether another server has the stats region, and room for a new one");
  require_real_time(plan.pipeline.receive.real_time_priority, "CPSS_RECV_THREADS_RT");
  require_real_time(plan.pipeline.response.real_time_priority, "CPSS_RESP_THREADS_RT");
  not_checked.push_back(
      "whether there is memory for the sockets' buffers, and room for all threads or processes");
  return not_checked;
}

}  // namespace

void require_stack_of_lanes(const Assignment& assignment) {
  if (assignment.separate_processes)
    require_main_stack(kLaneStackBytes, "the model mp runs lanes on it, each of which is to have");
}

int check_config(LoadResult& loaded, const ServerParts& parts, const char* const* environment) {
  const Machine machine = this_machine(parts.proc);
  Plan plan = plan_or_complain(loaded, parts.services, machine, [](const std::string&) {});
  std::vector<std::string> not_checked;
  if (loaded.ok()) not_checked = check_as_a_start(loaded, plan, environment);
  if (!loaded.ok()) return complain_about_settings(loaded);
  plan.pipeline.merged = wants_merging(loaded.settings);
  const Assignment assignment = assignment_of(plan.pipeline);
  std::vector<std::string> listen;
  for (const ListenAddress& address : loaded.settings.listen)
    listen.push_back(address_of(address).to_string());
  std::string text;
  // Without the sockets' buffers: only the kernel knows how large it makes them.
  check_memory(
      loaded.settings, plan.pipeline, assignment, machine,
      known_need(region_options(loaded.settings, plan.pipeline, assignment, std::move(listen)),
                 parts.proc),
      [&](const std::string& problem) { text += "warning: " + problem + '\n'; });
  text += "settings are good\n";
  for (const std::string& what : not_checked) text += fmt::format("not checked: {}\n", what);
  print(text);
  return kExitOk;
}

}  // namespace cpss
