// The life of a server process, from its command line to its exit code.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/patient_file.h"
#include "net/udp_socket.h"
#include "services/registry.h"

namespace cpss {

// The parts that a build of the server brings along. cpssd has the built-in services and plain
// sockets; the tests' own server adds services and sockets that misbehave.
struct ServerParts {
  ServiceRegistry services;
  // Stands between the stages and a socket; empty: the stages use the socket itself.
  std::function<std::unique_ptr<DatagramSocket>(UdpSocket&)> wrap_socket;
  // How long a file that is read at the start may give nothing.
  std::chrono::milliseconds input_patience = kInputPatience;
  // Where procfs is mounted (machine.h); tests give another folder.
  std::string proc = "/proc";
};

// Returns the exit code (exit_codes.h, config/load.h). At a forced end it does not return: it
// leaves the process, because lanes still run.
int run_server(int argc, const char* const* argv, const char* const* environment,
               const ServerParts& parts);

}  // namespace cpss
