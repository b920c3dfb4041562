// Settings from environment variables.
#pragma once

#include "config/raw_setting.h"

namespace cpss {

// Every CPSS_ variable is a setting, or an error: a typo must not go unnoticed. Ignored are those
// that container platforms inject where a service or a container is called cpss or cpss-something:
//   CPSS_SERVICE_HOST, CPSS_SERVICE_PORT, CPSS_SERVICE_PORT_name, CPSS_PORT=udp://...,
//   CPSS_PORT_7700_UDP and with _ADDR, _PORT, _PROTO behind it (Kubernetes, "Discovering
//   services"); further _PORT_START and _PORT_END, CPSS_NAME=/..., CPSS_ENV_name (Docker, "Legacy
//   container links").
// `environment` is an environ(7) array or null.
RawSettings read_environment(const char* const* environment);

}  // namespace cpss
