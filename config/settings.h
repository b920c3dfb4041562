// What cpssd can be told: plain values, already checked.
//
// Where values come from and what is allowed is declared once, in table.h; a Settings object is
// filled by load.h. An object that is merely default-constructed holds no useful values: take
// default_settings() (load.h). No thread changes a Settings object after start.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cpss {

// Names a setting in code. The order is that of the table, of --help and of the documentation.
enum class Setting : std::uint8_t {
  config_file,
  listen,
  socket_buffer,
  allow,
  trusted,
  service,
  service_threads,
  service_cpus,
  numbers_file,
  receive_threads,
  receive_cpus,
  response_threads,
  response_cpus,
  slots,
  message_size,
  batch,
  stats_file,
  histograms,
  drain_timeout,
};
inline constexpr std::size_t kSettings = static_cast<std::size_t>(Setting::drain_timeout) + 1;

// An address to bind. `ip` is text that inet_pton(3) takes, without brackets.
struct ListenAddress {
  std::string ip;
  std::uint16_t port = 0;  // host order; 0: any free port

  bool operator==(const ListenAddress&) const = default;
};

// Addresses that share their first `length` bits; `ip` as in ListenAddress, its other bits are 0.
struct AddressPrefix {
  std::string ip;
  unsigned length = 0;  // bits of the address family: 0 to 32, 0 to 128

  bool operator==(const AddressPrefix&) const = default;
};

struct Settings {
  std::optional<std::string> config_file;  // none: no file is read

  std::vector<ListenAddress> listen;    // at least one; none twice, except with port 0
  std::size_t socket_buffer_bytes = 0;  // asked of the kernel, each direction

  std::vector<AddressPrefix> allow;    // who may ask; empty: everybody
  std::vector<AddressPrefix> trusted;  // who may get replies longer than requests; empty: nobody

  std::string service;  // a name; whether there is such a service is for the registry to say
  std::optional<std::string> numbers_file;  // none: the shipped sample

  unsigned receive_threads = 0;
  unsigned service_threads = 0;
  unsigned response_threads = 0;
  std::vector<unsigned> receive_cpus;  // rising; empty: every CPU the process may use
  std::vector<unsigned> service_cpus;
  std::vector<unsigned> response_cpus;

  unsigned slots = 0;            // messages inside the server at most
  std::size_t message_size = 0;  // bytes of a slot's window
  unsigned batch = 0;            // messages of one take or receive at most

  std::optional<std::string> stats_file;  // none: the default place
  bool histograms = false;

  std::chrono::nanoseconds drain_timeout{};

  bool operator==(const Settings&) const = default;
};

}  // namespace cpss
