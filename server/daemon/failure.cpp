#include "server/daemon/failure.h"

#include <cerrno>
#include <exception>
#include <new>
#include <string>
#include <system_error>

#include "base/exit_codes.h"
#include "net/udp_socket.h"
#include "server/daemon/privileges.h"
#include "server/daemon/service_manager.h"
#include "server/daemon/standard_streams.h"
#include "services/registry.h"
#include "stats/region.h"

namespace cpss {
namespace {

// What to do about an error, if the process has reached a limit or lacks a right.
std::string advice(const std::error_code& error) {
  if (error == std::errc::too_many_files_open || error == std::errc::too_many_files_open_in_system)
    return ": raise 'ulimit -n'";
  if (error == std::errc::resource_unavailable_try_again)
    return ": raise 'ulimit -u' and 'ulimit -v', or set fewer threads";
  if (error == std::errc::file_too_large)
    return ": raise 'ulimit -f', or lower CPSS_QSLOTS or CPSS_MSGSIZE";
  if (error == std::errc::operation_not_permitted)
    return ": if it is for the real-time class (CPSS_RECV_THREADS_RT, CPSS_RESP_THREADS_RT), that "
           "needs root, the capability CAP_SYS_NICE or an 'ulimit -r' of the priority at least (in "
           "a unit LimitRTPRIO=, and no RestrictRealtime=); where root is refused as well, the "
           "control group has no real-time time (cpu.rt_runtime_us)";
  if (error == std::errc::address_family_not_supported)
    return ": allow AF_NETLINK and AF_UNIX, too (systemd: RestrictAddressFamilies=)";
  return {};
}

// Whether the process may have no more of something: then the settings are not at fault.
bool is_limit(int code) {
  return code == EMFILE || code == ENFILE || code == ENOMEM || code == EFBIG || code == EAGAIN;
}

int exit_code_of(const SocketError& error) {
  switch (error.code()) {
    case EADDRINUSE:
    case EADDRNOTAVAIL:  // not there yet: a lease, duplicate address detection
    case ENODEV:         // an interface likewise
      return kExitUnavailable;
    case EACCES:
    case EPERM:
      return kExitPermission;
    case EINVAL:        // an address that nothing can be answered from, an unfit inherited socket
    case EAFNOSUPPORT:  // IPv6 on a host without
      return kExitConfig;
    default:
      return kExitInternal;
  }
}

}  // namespace

int complain_about_settings(const LoadResult& loaded) {
  for (const std::string& error : loaded.errors) complain(error);
  return loaded.exit_code;
}

int complain_about_exception() {
  try {
    throw;
  } catch (const ServiceDataError& error) {
    complain(error.what());
    return kExitData;
  } catch (const SocketError& error) {
    complain(error.what());
    return exit_code_of(error);
  } catch (const StatsRegionError& error) {
    complain(error.what());
    return is_limit(error.code()) ? kExitInternal : kExitRegion;
  } catch (const ServiceManagerError& error) {
    complain(error.what());
    return kExitConfig;
  } catch (const PrivilegeError& error) {
    complain(error.what());
    return kExitPermission;
  } catch (const std::bad_alloc&) {
    complain(
        "not enough memory for these settings and their data: lower CPSS_QSLOTS or CPSS_MSGSIZE, "
        "load fewer numbers, or raise 'ulimit -v'");
    return kExitInternal;
  } catch (const std::system_error& error) {
    complain(error.what() + advice(error.code()));
    if (error.code() == std::errc::address_family_not_supported) return kExitConfig;
    return error.code() == std::errc::operation_not_permitted ? kExitPermission : kExitInternal;
  } catch (const std::exception& error) {
    complain(error.what());
    return kExitInternal;
  }
}

}  // namespace cpss
