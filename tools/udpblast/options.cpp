#include "tools/udpblast/options.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "base/quote.h"
#include "net/segmentation.h"
#include "tools/udpblast/option_values.h"
#include "tools/udpblast/send_schedule.h"
#include "tools/udpblast/transactions.h"

namespace cpss::udpblast {
namespace {

namespace po = boost::program_options;

constexpr std::uint32_t kMaxClients = 65'535;
constexpr std::uint32_t kMaxThreads = 128;

constexpr std::array kServices = {
    std::pair<std::string_view, ServiceKind>{"lookup", ServiceKind::lookup},
    std::pair<std::string_view, ServiceKind>{"echo", ServiceKind::echo},
    std::pair<std::string_view, ServiceKind>{"work", ServiceKind::work}};

constexpr std::string_view kExamples = R"(Sends messages to a cpss server and checks every reply.

examples:
  udpblast -d queries.tsv                     each line of the file once
  udpblast -d queries.tsv -l 60 -S 1          for a minute, one report a second
  udpblast --service echo --count 1000000 --size 512
  udpblast -s ::1 -c 8 -T 2 -q 2000 -l 10     pings from 8 sockets of 2 threads
  udpblast -s fe80::1%eth0 --count 1000       a link-local address, with its interface
  udpblast -Q 50000 -l 10                     50,000 pings a second, whatever comes back
  udpblast --service work --work 'bimodal:10,2000,0.01' -Q 10000 -l 10
  udpblast --burst 500/100 -l 10              500 pings at once, ten times a second
  udpblast --segment 32 -q 512 -l 10          32 pings in a packet

  on two hosts, for a server that replies to a fixed address (CPSS_RESP_ADDR):
  udpblast verify -s 192.0.2.7 -p 7800 --seed 42 --count 100000
  udpblast send -s 192.0.2.1 -Q 10000 --seed 42 --count 100000

usage: udpblast [send | verify] [OPTION...]
Without send or verify: both in one.
)";

constexpr std::string_view kExitCodes = R"(
exit codes:
  0  all right
  1  loss above --max-loss, more planned messages missed than --max-missed, a wrong, repeated or
     unknown reply, or no server
  2  could not run: bad option, unreadable data or stats region, no socket

docs/udpblast.md says what is measured, how, and what each figure means.
)";

using PartSet = unsigned;
constexpr PartSet set_of(Part part) {
  return 1U << static_cast<unsigned>(part);
}
constexpr PartSet kBoth = set_of(Part::both);
constexpr PartSet kSend = set_of(Part::send);
constexpr PartSet kVerify = set_of(Part::verify);
constexpr PartSet kAll = kBoth | kSend | kVerify;

std::string_view name_of(Part part) {
  return part == Part::send ? "send" : part == Part::verify ? "verify" : "udpblast";
}

struct OptionInfo {
  const char* name;   // "server,s"
  const char* value;  // the name of its value; null: it takes none
  const char* help;
  PartSet parts;  // in which it has a meaning
};

struct OptionGroup {
  const char* title;
  std::vector<OptionInfo> options;
};

// In the order of --help.
const std::vector<OptionGroup>& option_groups() {
  static const std::vector<OptionGroup> groups = {
      {"where to",
       {{"server,s", "ADDRESS",
         "server, an IPv4 or IPv6 address or a host's name (127.0.0.1); verify: where the replies "
         "arrive",
         kAll},
        {"port,p", "PORT", "its UDP port (7700)", kAll},
        {"source", "ADDRESS",
         "address of this host that the messages leave from (the routing table's choice)",
         kBoth | kSend},
        {"clients,c", "N", "sockets (1)", kBoth | kSend},
        {"threads,T", "N", "threads, which share the sockets out (1)", kBoth | kSend}}},
      {"what",
       {{"service", "NAME", "what to send: lookup, echo or work (lookup)", kAll},
        {"work", "SPEC",
         "for work: the server's CPSS_WORK, so that the latencies of short and long messages are "
         "told apart",
         kBoth},
        {"data,d", "FILE",
         "for lookup: lines of a number, a TAB and the body to expect (empty: not found); without "
         "it pings are sent",
         kAll},
        {"size", "BYTES", "bytes of each message (256)", kAll},
        {"segment", "N",
         "N messages at a time leave as one packet (UDP_SEGMENT), and replies may be merged "
         "(UDP_GRO)",
         kBoth | kSend}}},
      {"how many and how fast",
       {{"count", "N", "messages; more than the data has: from its beginning again", kAll},
        {"limit,l", "SECONDS",
         "how long to send, verify: to wait; without --count and -l: the data once", kAll},
        {"outstanding,q", "N",
         "most messages under way, over all sockets (100; with -Q or --burst: no limit)", kBoth},
        {"rate,Q", "N", "open loop: N messages a second, over all threads, whatever comes back",
         kBoth | kSend},
        {"burst", "N/GAP_MS", "open loop: N messages at once every GAP_MS milliseconds",
         kBoth | kSend}}},
      {"what counts as right",
       {{"timeout,t", "SECONDS",
         "after this a message without reply is lost (5); verify: end when nothing comes",
         kBoth | kVerify},
        {"max-loss", "SHARE", "most loss for exit code 0: ratio (0.001) or percent (0.1%) (0)",
         kBoth | kVerify},
        {"max-missed", "SHARE",
         "with -Q or --burst: most planned messages that were not sent, for exit code 0: ratio or "
         "percent (1%; send: 0)",
         kBoth | kSend},
        {"no-check", nullptr, "do not compare the content of replies", kBoth | kVerify},
        {"seed", "N", "of the transaction ids: verify needs the one that send had",
         kSend | kVerify}}},
      {"what is told",
       {{"stats-interval,S", "SECONDS", "report on standard error this often", kAll},
        {"stats-file", "FILE",
         "the server's stats region, to tell where messages were lost (its default place, for a "
         "server on this host)",
         kBoth},
        {"json", nullptr, "print one JSON object instead of text", kAll},
        {"help,h", nullptr, "print this and end", kAll},
        {"version", nullptr, "print the version and end", kAll}}},
  };
  return groups;
}

po::options_description describe_options() {
  po::options_description all("", 100, 60);
  for (const OptionGroup& group : option_groups()) {
    po::options_description description(group.title, 100, 60);
    for (const OptionInfo& option : group.options) {
      if (option.value != nullptr)
        description.add_options()(option.name, po::value<std::string>()->value_name(option.value),
                                  option.help);
      else
        description.add_options()(option.name, option.help);
    }
    all.add(description);
  }
  return all;
}

// Takes the values out of the parsed line, and keeps the errors until all are known.
class Reader {
 public:
  explicit Reader(const po::variables_map& values) : values_(values) {}

  bool has(const char* name) const { return values_.count(name) != 0; }

  // Calls take(text) if the option was given.
  void read(const char* name, const std::function<void(const std::string&)>& take) {
    if (!has(name)) return;
    const std::string& text = values_[name].as<std::string>();
    try {
      take(text);
    } catch (const BadValue& bad) {
      fail(fmt::format("--{} {}: {}", name, text, bad.what()));
    }
  }

  void fail(std::string line) { errors_.push_back(std::move(line)); }

  void throw_errors() const {
    if (errors_.empty()) return;
    throw UsageError(fmt::format("{}", fmt::join(errors_, "\n")));
  }

 private:
  const po::variables_map& values_;
  std::vector<std::string> errors_;
};

// `option`: with its value, if that stands behind a '='.
std::string unknown_option(const std::string& option) {
  const std::string name = option.substr(0, option.find('='));
  // getstat has an option --file.
  const char* meant = name == "--file"
                          ? "; the data are in --data FILE, the server's stats region is "
                            "--stats-file FILE"
                          : "";
  return fmt::format("unrecognised option {}{}", in_quotes(name), meant);
}

po::variables_map parse_line(std::span<const char* const> arguments,
                             const po::options_description& all) {
  namespace style = po::command_line_style;
  po::variables_map values;
  try {
    // Without allow_guessing: --co must not become --count.
    const po::parsed_options parsed =
        po::command_line_parser(std::vector<std::string>(arguments.begin(), arguments.end()))
            .options(all)
            .style(style::unix_style & ~style::allow_guessing)
            .run();
    for (const po::option& option : parsed.options)
      if (option.position_key >= 0)
        throw UsageError(
            fmt::format("{}: not an option; udpblast takes options only, after send or verify",
                        in_quotes(fmt::format("{}", fmt::join(option.original_tokens, " ")))));
    po::store(parsed, values);
  } catch (const po::invalid_command_line_syntax& error) {
    const std::string name = error.get_option_name();
    if (error.kind() != po::invalid_syntax::empty_adjacent_parameter)
      throw UsageError(error.what());
    if (all.find_nothrow(name.substr(2), false) == nullptr) throw UsageError(unknown_option(name));
    throw UsageError(
        fmt::format("{0}=: its value is missing; write {0}=VALUE, or leave the option away", name));
  } catch (const po::unknown_option& error) {
    throw UsageError(unknown_option(error.get_option_name()));
  } catch (const po::error& error) {
    throw UsageError(error.what());
  }
  return values;
}

std::string file_name(const std::string& text) {
  if (text.empty()) throw BadValue("must name a file; leave the option away where there is none");
  return text;
}

void read_values(Reader& reader, Options& options) {
  std::uint16_t port = 7700;
  reader.read("port", [&](const std::string& text) {
    // 0 for verify: the replies may arrive at any free port, as long as the user tells the server.
    port =
        static_cast<std::uint16_t>(parse_whole(text, options.part == Part::verify ? 0 : 1, 65'535));
  });
  // If one of --source and --server is an address, it decides the family of the other; of two names
  // the server's first address does.
  bool source_is_name = false;
  const auto take_source = [&](const std::string& text, sa_family_t family) {
    options.source = find_host(text, 0, family, "--server").address;
    if (options.source->ip().is_multicast() || options.source->ip().is_broadcast())
      throw BadValue("is a group's address: messages leave from one of this host's own");
  };
  reader.read("source", [&](const std::string& text) {
    source_is_name = !is_numeric_host(text);
    if (!source_is_name) take_source(text, AF_UNSPEC);
  });
  options.server = SocketAddress(*IpAddress::parse("127.0.0.1"), port);
  reader.read("server", [&](const std::string& text) {
    Host host =
        find_host(text, port, options.source ? options.source->family() : sa_family_t{AF_UNSPEC});
    options.server = host.address;
    options.server_others = std::move(host.others);
    if (!is_numeric_host(text)) options.server_name = text;
  });
  if (source_is_name)
    reader.read("source",
                [&](const std::string& text) { take_source(text, options.server.family()); });

  reader.read("service", [&](const std::string& text) {
    const auto service =
        std::ranges::find(kServices, text, &std::pair<std::string_view, ServiceKind>::first);
    if (service == kServices.end()) throw BadValue("must be lookup, echo or work");
    options.service = service->second;
  });
  reader.read("work", [&](const std::string& text) {
    try {
      options.work = WorkProfile::parse(text);
    } catch (const WorkProfileError& error) {
      throw BadValue(error.what());
    }
  });
  reader.read("data", [&](const std::string& text) { options.data_file = file_name(text); });
  reader.read("count",
              [&](const std::string& text) { options.count = parse_whole(text, 1, kMaxMessages); });
  reader.read("limit", [&](const std::string& text) { options.run_ns = parse_seconds_ns(text); });
  reader.read("size", [&](const std::string& text) {
    options.size = parse_whole(text, 1, kMaxSegmentedBytes);
  });
  const auto read_number = [&](const char* name, std::uint32_t& value, std::uint32_t max) {
    reader.read(name, [&](const std::string& text) {
      value = static_cast<std::uint32_t>(parse_whole(text, 1, max));
    });
  };
  read_number("clients", options.clients, kMaxClients);
  read_number("threads", options.threads, kMaxThreads);
  read_number("segment", options.segments, std::uint32_t{kMinSegments});
  reader.read("outstanding", [&](const std::string& text) {
    options.outstanding = static_cast<std::uint32_t>(parse_whole(text, 1, kMaxOutstanding));
  });
  reader.read("timeout",
              [&](const std::string& text) { options.timeout_ns = parse_seconds_ns(text); });
  reader.read("stats-interval",
              [&](const std::string& text) { options.interval_ns = parse_seconds_ns(text); });
  reader.read("max-loss", [&](const std::string& text) { options.max_loss = parse_share(text); });
  reader.read("max-missed",
              [&](const std::string& text) { options.max_missed = parse_share(text); });
  reader.read("rate",
              [&](const std::string& text) { options.rate = parse_whole(text, 1, kHighestRate); });
  reader.read("burst", [&](const std::string& text) { options.burst = parse_burst(text); });
  reader.read("stats-file", [&](const std::string& text) { options.stats_file = file_name(text); });
  reader.read("seed", [&](const std::string& text) {
    options.seed = parse_whole(text, 0, std::numeric_limits<std::uint64_t>::max());
  });
  options.check = !reader.has("no-check");
  options.json = reader.has("json");
}

// An option without a meaning in this part is an error: its user expects it to do something.
void check_part(Reader& reader, Part part) {
  for (const OptionGroup& group : option_groups())
    for (const OptionInfo& option : group.options) {
      const std::string_view name = option.name;
      const std::string long_name(name.substr(0, name.find(',')));
      if (!reader.has(long_name.c_str()) || (option.parts & set_of(part)) != 0) continue;
      reader.fail(
          part == Part::both
              ? fmt::format("--{}: belongs to udpblast send and udpblast verify", long_name)
              : fmt::format("--{}: means nothing to udpblast {}", long_name, name_of(part)));
    }
}

void check_verify(Reader& reader, const Options& options) {
  if (options.part != Part::verify) return;
  if (!options.seed)
    reader.fail("--seed is missing: udpblast verify needs the one that udpblast send printed");
  if (!options.data_file && !options.count)
    reader.fail("--count is missing: udpblast verify has to know how many messages to expect");
  if (options.count.value_or(0) > kMaxVerified)
    reader.fail(fmt::format("--count {}: must be at most {} for udpblast verify", *options.count,
                            kMaxVerified));
}

void check_combination(Reader& reader, const Options& options) {
  if (options.threads > options.clients)
    reader.fail(
        fmt::format("{} threads for {} client(s): each thread needs a socket of its own; "
                    "raise -c or lower -T",
                    options.threads, options.clients));
  const std::uint32_t outstanding = options.outstanding.value_or(kDefaultOutstanding);
  const bool limited = options.outstanding || !options.open_loop();
  if (options.part == Part::both && limited && options.clients > outstanding)
    reader.fail(
        fmt::format("{} clients for {} outstanding message(s): each client needs at least "
                    "one; raise -q or lower -c",
                    options.clients, outstanding));
  if (options.segments * options.size > kMaxSegmentedBytes)
    reader.fail(fmt::format(
        "--segment {} of --size {}: {} bytes do not fit into one packet, which "
        "has {} at most",
        options.segments, options.size, options.segments * options.size, kMaxSegmentedBytes));
  if (options.part == Part::both && limited && options.segments > 1 &&
      options.segments > outstanding / options.clients)
    reader.fail(
        fmt::format("--segment {}: each client may have {} outstanding message(s) only; "
                    "raise -q or lower -c",
                    options.segments, outstanding / options.clients));
  if (options.rate && options.burst)
    reader.fail("-Q and --burst exclude each other: each is a plan of its own");
  if (options.max_missed && !options.open_loop())
    reader.fail("--max-missed belongs to -Q and --burst: without a plan no message is missed");
  if (options.source && options.source->family() != options.server.family())
    reader.fail(fmt::format("--source {}: cannot reach {}, which is of another address family",
                            options.source->ip().to_string(), options.server.to_string()));
  if (options.service != ServiceKind::lookup && options.data_file)
    reader.fail("-d belongs to --service lookup; echo and work make their own messages");
  if (options.service != ServiceKind::work && options.work)
    reader.fail("--work belongs to --service work");
  if (options.part != Part::verify && !options.data_file && !options.count && !options.run_ns)
    reader.fail("nothing says when to stop: give -d FILE, --count N or -l SECONDS");
  check_verify(reader, options);
}

}  // namespace

std::string Options::server_text() const {
  return server_name.empty() ? server.to_string()
                             : fmt::format("{} ({})", server_name, server.to_string());
}

std::variant<Options, Information> parse_options(std::span<const char* const> arguments) {
  Options options;
  if (!arguments.empty())
    for (const Part part : {Part::send, Part::verify})
      if (arguments.front() == name_of(part)) options.part = part;
  if (options.part != Part::both) arguments = arguments.subspan(1);

  const po::options_description all = describe_options();
  const po::variables_map values = parse_line(arguments, all);
  Reader reader(values);
  if (reader.has("help")) {
    std::ostringstream list;
    list << all;
    return Information{fmt::format("{}{}{}", kExamples, list.str(), kExitCodes)};
  }
  if (reader.has("version")) return Information{"udpblast " CPSS_VERSION "\n"};

  read_values(reader, options);
  check_part(reader, options.part);
  reader.throw_errors();
  check_combination(reader, options);
  reader.throw_errors();
  return options;
}

}  // namespace cpss::udpblast
