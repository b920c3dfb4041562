// Lists of CPUs, addresses and prefixes: reads them entry by entry, and writes them.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "config/number_values.h"
#include "config/settings.h"

namespace cpss {

// The entries of a comma list, without the blanks around them; at least one, perhaps empty.
std::vector<std::string_view> split_at_commas(std::string_view list);

// An address with its number and interface, for comparison: both notations of an IPv4 address are
// equal.
struct AddressKey {
  IpAddress ip;
  unsigned number;        // port, or length
  std::string interface;  // of a link-local address
  auto operator<=>(const AddressKey&) const = default;
};

// add() takes one entry or returns what is wrong with it; take() returns the list.
template <class List>
class ListReader;

template <>
class ListReader<std::vector<unsigned>> {
 public:
  static constexpr std::string_view kAllowed = "CPU numbers and ranges such as 0,2-3, up to 8191";
  static constexpr std::string_view kPlaceholder = "CPUS";
  Complaint add(std::string_view entry);
  std::vector<unsigned> take() { return {cpus_.begin(), cpus_.end()}; }

 private:
  std::set<unsigned> cpus_;
};

template <>
class ListReader<std::vector<ListenAddress>> {
 public:
  static constexpr std::string_view kAllowed =
      "a.b.c.d:port and [IPv6]:port, ports 0 to 65535, separated by commas";
  static constexpr std::string_view kPlaceholder = "ADDRESSES";
  Complaint add(std::string_view entry);
  std::vector<ListenAddress> take() { return std::move(addresses_); }

 private:
  std::vector<ListenAddress> addresses_;
  std::set<AddressKey> seen_;
};

template <>
class ListReader<std::vector<AddressPrefix>> {
 public:
  static constexpr std::string_view kAllowed =
      "addresses and prefixes such as 10.0.0.0/8,2001:db8::/32, separated by commas";
  static constexpr std::string_view kPlaceholder = "PREFIXES";
  Complaint add(std::string_view entry);
  std::vector<AddressPrefix> take() { return std::move(prefixes_); }

 private:
  std::vector<AddressPrefix> prefixes_;
  std::set<AddressKey> seen_;
};

// Each entry as add() takes it; runs of CPUs as ranges.
std::vector<std::string> entry_texts(const std::vector<unsigned>& cpus);
std::vector<std::string> entry_texts(const std::vector<ListenAddress>& addresses);
std::vector<std::string> entry_texts(const std::vector<AddressPrefix>& prefixes);

}  // namespace cpss
