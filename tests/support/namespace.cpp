#include "tests/support/namespace.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "tests/support/eventually.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

[[noreturn]] void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// Without root: become root of a user namespace first (user_namespaces(7)).
void enter_network_namespace() {
  if (::unshare(CLONE_NEWNET) == 0) return;
  if (errno != EPERM) throw_errno("unshare(CLONE_NEWNET)");
  const auto user = ::getuid();
  const auto group = ::getgid();
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) throw_errno("unshare(CLONE_NEWUSER)");
  write_file("/proc/self/setgroups", "deny");
  write_file("/proc/self/uid_map", fmt::format("0 {} 1", user));
  write_file("/proc/self/gid_map", fmt::format("0 {} 1", group));
}

void bring_loopback_up() {
  const FileDescriptor any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (::ioctl(any.get(), SIOCSIFFLAGS, &request) != 0) throw_errno("bringing lo up");
}

int open_current_namespace() {
  const int fd = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw_errno("/proc/thread-self/ns/net");
  return fd;
}

void move_to_namespace(int fd) {
  if (::setns(fd, CLONE_NEWNET) != 0) throw_errno("setns");
}

// Runs in the child: says why on `report` if there can be no namespace, else runs the function.
int child_status(const std::function<int()>& function, FileDescriptor& report) {
  try {
    enter_network_namespace();
    bring_loopback_up();
  } catch (const std::exception& error) {
    const std::string reason = fmt::format("no network namespace: {}", error.what());
    return ::write(report.get(), reason.data(), reason.size()) < 0 ? 126 : 0;
  }
  report = FileDescriptor();
  try {
    return function();
  } catch (const std::exception& error) {
    fmt::print(stderr, "in the namespace: {}\n", error.what());
    return 125;
  }
}

// Whether the host has the route to its own address: making it is the kernel's last step for a new
// address (addrconf_dad_completed()). A line is destination, prefix length, ... in hexadecimal.
bool is_routed_to_here(const IpAddress& ip) {
  std::string whole;
  for (const std::uint8_t byte : ip.bytes) whole += fmt::format("{:02x}", byte);
  whole += " 80 ";
  std::ifstream routes("/proc/thread-self/net/ipv6_route");
  for (std::string line; std::getline(routes, line);)
    if (line.starts_with(whole)) return true;
  return false;
}

std::string read_all(int fd) {
  std::string text;
  std::array<char, 256> part{};
  for (;;) {
    const ssize_t size = ::read(fd, part.data(), part.size());
    if (size > 0)
      text.append(part.data(), static_cast<std::size_t>(size));
    else if (size == 0 || errno != EINTR)
      return text;
  }
}

}  // namespace

NamespaceRun run_in_namespace(const std::function<int()>& function, std::chrono::seconds limit) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw_errno("pipe2");
  const FileDescriptor reader(ends[0]);
  FileDescriptor writer(ends[1]);
  std::fflush(nullptr);  // else the child would print again what is buffered

  const pid_t child = ::fork();
  if (child < 0) throw_errno("fork");
  if (child == 0) {
    ::alarm(static_cast<unsigned>(limit.count()));
    const int status = child_status(function, writer);
    std::fflush(nullptr);
    ::_exit(status);  // the child must not destroy the parent's objects
  }

  writer = FileDescriptor();
  NamespaceRun run;
  run.not_possible = read_all(reader.get());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (run.not_possible.empty())
    run.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return run;
}

std::string why_no_ip_command() {
  if (std::system("ip -V >/dev/null 2>&1") == 0) return {};
  return "the command 'ip' is missing (package iproute2)";
}

void ip_command(const std::string& arguments) {
  const std::string command = "ip " + arguments;
  if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
}

void add_address(const std::string& address, const std::string& interface) {
  const IpAddress ip = IpAddress::parse(address.substr(0, address.find('/'))).value();
  ip_command(
      fmt::format("address add {} dev {}{}", address, interface, ip.is_v4() ? "" : " nodad"));
  if (!ip.is_v4() && !eventually([&] { return is_routed_to_here(ip); }))
    throw std::runtime_error("the kernel does not come to have " + address);
}

OtherNamespace::OtherNamespace() : home_(open_current_namespace()) {
  enter_network_namespace();
  bring_loopback_up();
  other_ = open_current_namespace();
  move_to_namespace(home_);
}

OtherNamespace::~OtherNamespace() {
  ::close(home_);
  ::close(other_);
}

void OtherNamespace::inside(const std::function<void()>& function) const {
  move_to_namespace(other_);
  try {
    function();
  } catch (...) {
    move_to_namespace(home_);
    throw;
  }
  move_to_namespace(home_);
}

void OtherNamespace::connect(const std::string& here, const std::string& there) const {
  ip_command(fmt::format("link add {} type veth peer name {} netns /proc/{}/fd/{}", here, there,
                         ::getpid(), other_));
  ip_command(fmt::format("link set {} up", here));
  inside([&] { ip_command(fmt::format("link set {} up", there)); });
}

int send_forged(const SocketAddress& source, const SocketAddress& destination,
                std::span<const std::byte> payload) noexcept {
  const auto v4 = [](const SocketAddress& address) {
    sockaddr_in result{};
    std::memcpy(&result, address.data(), sizeof result);
    return result;
  };
  if (source.family() != AF_INET || destination.family() != AF_INET) return EAFNOSUPPORT;
  const FileDescriptor raw(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  const int on = 1;
  if (raw.get() < 0 || ::setsockopt(raw.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof on) != 0)
    return errno;

  // The kernel fills in the IP checksum, length and identification (raw(7)); a UDP checksum of 0
  // means there is none (RFC 768).
  iphdr ip{};
  ip.version = 4;
  ip.ihl = sizeof ip / 4;
  ip.ttl = 64;
  ip.protocol = IPPROTO_UDP;
  ip.saddr = v4(source).sin_addr.s_addr;
  ip.daddr = v4(destination).sin_addr.s_addr;
  udphdr udp{};
  udp.source = htons(source.port());
  udp.dest = htons(destination.port());
  udp.len = htons(static_cast<std::uint16_t>(sizeof udp + payload.size()));

  std::vector<std::byte> packet(sizeof ip + sizeof udp + payload.size());
  std::memcpy(packet.data(), &ip, sizeof ip);
  std::memcpy(packet.data() + sizeof ip, &udp, sizeof udp);
  std::copy(payload.begin(), payload.end(), packet.begin() + sizeof ip + sizeof udp);
  SocketAddress route(destination);
  route.set_port(0);
  const ssize_t taken =
      ::sendto(raw.get(), packet.data(), packet.size(), 0, route.data(), route.size());
  return taken < 0 ? errno : 0;
}

}  // namespace cpss
