#include "tools/udpblast/options.h"

#include <functional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "tools/udpblast/option_values.h"
#include "tools/udpblast/transaction_table.h"

namespace cpss::udpblast {
namespace {

namespace po = boost::program_options;

constexpr std::size_t kLargestDatagram = 65'507;  // 65,535 less the IPv4 and UDP headers
constexpr std::uint32_t kMostClients = 65'535;
constexpr std::uint32_t kMostThreads = 128;

constexpr std::string_view kExamples = R"(Sends messages to a cpss server and checks every reply.

examples:
  udpblast -d queries.tsv                     each line of the file once
  udpblast -d queries.tsv -l 60 -S 1          for a minute, one report a second
  udpblast --service echo --count 1000000 --size 512
  udpblast -s ::1 -c 8 -T 2 -q 2000 -l 10     pings from 8 sockets of 2 threads

)";

constexpr std::string_view kExitCodes = R"(
exit codes:
  0  all right
  1  loss above --max-loss, a wrong, repeated or unknown reply, or no server
  2  could not run: bad option, unreadable data, no socket
)";

po::options_description describe_options() {
  po::options_description all("options", 100, 60);
  const auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  all.add_options()                                                                 //
      ("server,s", text("ADDRESS"), "server, an IPv4 or IPv6 address (127.0.0.1)")  //
      ("port,p", text("PORT"), "its UDP port (7700)")                               //
      ("service", text("NAME"), "what to send: lookup or echo (lookup)")            //
      ("data,d", text("FILE"),
       "for lookup: lines of a number, a TAB and the body to expect (empty: not found); "
       "without it pings are sent")                                                            //
      ("count", text("N"), "messages; more than the data has: from its beginning again")       //
      ("limit,l", text("SECONDS"), "how long to send; without --count and -l: the data once")  //
      ("size", text("BYTES"), "bytes of each message (256)")                                   //
      ("clients,c", text("N"), "sockets (1)")                                                  //
      ("threads,T", text("N"), "threads, which share the sockets out (1)")                     //
      ("outstanding,q", text("N"), "messages under way at any time, over all sockets (100)")   //
      ("timeout,t", text("SECONDS"), "after this a message without reply is lost (5)")         //
      ("stats-interval,S", text("SECONDS"), "report on standard error this often")             //
      ("max-loss", text("SHARE"), "most loss for exit code 0: ratio (0.001) or percent (0.1%) (0)")
      //
      ("no-check", "do not compare the content of replies")                               //
      ("json", "print one JSON object instead of text; docs/udpblast.md names its keys")  //
      ("help,h", "print this and end")                                                    //
      ("version", "print the version and end");
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
        throw UsageError(fmt::format("'{}': not an option; udpblast takes options only",
                                     fmt::join(option.original_tokens, " ")));
    po::store(parsed, values);
  } catch (const po::error& error) {
    throw UsageError(error.what());
  }
  return values;
}

void read_values(Reader& reader, Options& options) {
  IpAddress ip = *IpAddress::parse("127.0.0.1");
  std::uint16_t port = 7700;
  reader.read("server", [&](const std::string& text) {
    const auto parsed = IpAddress::parse(text);
    if (!parsed) throw BadValue("must be an IPv4 or IPv6 address; names are not looked up");
    ip = *parsed;
  });
  reader.read("port", [&](const std::string& text) {
    port = static_cast<std::uint16_t>(parse_whole(text, 1, 65'535));
  });
  options.server = SocketAddress(ip, port);

  reader.read("service", [&](const std::string& text) {
    if (text != "lookup" && text != "echo") throw BadValue("must be lookup or echo");
    options.service = text == "echo" ? ServiceKind::echo : ServiceKind::lookup;
  });
  reader.read("data", [&](const std::string& text) { options.data_file = text; });
  reader.read("count", [&](const std::string& text) {
    options.count = parse_whole(text, 1, kMostMessages);
  });
  reader.read("limit", [&](const std::string& text) { options.run_ns = parse_seconds_ns(text); });
  reader.read("size", [&](const std::string& text) {
    options.size = parse_whole(text, 1, kLargestDatagram);
  });
  const auto read_number = [&](const char* name, std::uint32_t& value, std::uint32_t most) {
    reader.read(name, [&](const std::string& text) {
      value = static_cast<std::uint32_t>(parse_whole(text, 1, most));
    });
  };
  read_number("clients", options.clients, kMostClients);
  read_number("threads", options.threads, kMostThreads);
  read_number("outstanding", options.outstanding, kMostOutstanding);
  reader.read("timeout",
              [&](const std::string& text) { options.timeout_ns = parse_seconds_ns(text); });
  reader.read("stats-interval",
              [&](const std::string& text) { options.interval_ns = parse_seconds_ns(text); });
  reader.read("max-loss", [&](const std::string& text) { options.max_loss = parse_share(text); });
  options.check = !reader.has("no-check");
  options.json = reader.has("json");
}

void check_combination(Reader& reader, const Options& options) {
  if (options.threads > options.clients)
    reader.fail(
        fmt::format("{} threads for {} client(s): each thread needs a socket of its own; "
                    "raise -c or lower -T",
                    options.threads, options.clients));
  if (options.clients > options.outstanding)
    reader.fail(
        fmt::format("{} clients for {} outstanding message(s): each client needs at least "
                    "one; raise -q or lower -c",
                    options.clients, options.outstanding));
  if (options.service == ServiceKind::echo && options.data_file)
    reader.fail("-d belongs to --service lookup; echo makes its own messages");
  if (!options.data_file && !options.count && !options.run_ns)
    reader.fail("nothing says when to stop: give -d FILE, --count N or -l SECONDS");
}

}  // namespace

std::variant<Options, Information> parse_options(std::span<const char* const> arguments) {
  const po::options_description all = describe_options();
  const po::variables_map values = parse_line(arguments, all);
  Reader reader(values);
  if (reader.has("help")) {
    std::ostringstream list;
    list << all;
    return Information{fmt::format("{}{}{}", kExamples, list.str(), kExitCodes)};
  }
  if (reader.has("version")) return Information{"udpblast " CPSS_VERSION "\n"};

  Options options;
  read_values(reader, options);
  reader.throw_errors();
  check_combination(reader, options);
  reader.throw_errors();
  return options;
}

}  // namespace cpss::udpblast
