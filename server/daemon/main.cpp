// cpssd: the server with the built-in services.
#include <unistd.h>

#include "server/daemon/server.h"

int main(int argc, char** argv) {
  return cpss::run_server(argc, argv, environ,
                          {.services = cpss::built_in_services(), .wrap_socket = {}});
}
