#include "config/values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"

namespace cpss {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

// The errors of set_value() about one text; "" if it takes the text.
std::string complaint(Setting setting, const std::string& text, Settings& settings,
                      Notation notation = Notation::plain) {
  const std::vector<std::string> pieces{text};
  const std::vector<ValueError> errors = set_value(info(setting), pieces, notation, settings);
  std::string all;
  for (const ValueError& error : errors) all += (all.empty() ? "" : "\n") + error.text;
  return all;
}

std::string complaint(Setting setting, const std::string& text,
                      Notation notation = Notation::plain) {
  Settings settings = default_settings();
  const Settings before = settings;
  const std::string all = complaint(setting, text, settings, notation);
  EXPECT_TRUE(all.empty() || settings == before) << "a refused value must change nothing";
  return all;
}

template <class T>
T taken(Setting setting, T Settings::*member, const std::string& text) {
  Settings settings = default_settings();
  EXPECT_EQ(complaint(setting, text, settings), "") << text;
  return settings.*member;
}

TEST(CountValue, IsDecimalWithinItsRange) {
  const auto batch = [](const std::string& text) {
    return taken(Setting::batch, &Settings::batch, text);
  };
  EXPECT_EQ(batch("1"), 1U);
  EXPECT_EQ(batch("1024"), 1024U);
  EXPECT_EQ(batch("010"), 10U) << "not octal";
  EXPECT_EQ(taken(Setting::slots, &Settings::slots, "16000000"), 16'000'000U);
}

TEST(CountValue, RefusesEverythingElse) {
  const std::string range = "; allowed: 1 to 1024 messages";
  EXPECT_EQ(complaint(Setting::batch, "0"), "'0' is out of range" + range);
  EXPECT_EQ(complaint(Setting::batch, "1025"), "'1025' is out of range" + range);
  EXPECT_EQ(complaint(Setting::batch, "4294967297"), "'4294967297' is out of range" + range);
  EXPECT_EQ(complaint(Setting::batch, "99999999999999999999"),
            "'99999999999999999999' is out of range" + range);
  for (const char* text : {"-1", "+1", "0x10", "1.0", "1e2", " 1", "1 ", "one", "1,2", "1k"})
    EXPECT_EQ(complaint(Setting::batch, text),
              "'" + std::string(text) + "' is not a whole number" + range);
  EXPECT_EQ(complaint(Setting::batch, ""), "is empty; allowed: 1 to 1024 messages");
}

TEST(BytesValue, TakesSuffixesAsPowersOf1024) {
  const auto buffer = [](const std::string& text) {
    return taken(Setting::socket_buffer, &Settings::socket_buffer_bytes, text);
  };
  EXPECT_EQ(buffer("4096"), 4096U);
  EXPECT_EQ(buffer("8k"), 8192U);
  EXPECT_EQ(buffer("8K"), 8192U);
  EXPECT_EQ(buffer("8KiB"), 8192U);
  EXPECT_EQ(buffer("2M"), 2U << 20);
  EXPECT_EQ(buffer("2MiB"), 2U << 20);
  EXPECT_EQ(buffer("4 MiB"), 4U << 20);
  EXPECT_EQ(buffer("1G"), 1U << 30);
  EXPECT_EQ(buffer("1GiB"), 1U << 30);
}

TEST(BytesValue, RefusesWhatIsOutOfRangeOrMisspelt) {
  const std::string range =
      "; allowed: 4096 to 1GiB, in bytes or with k, M, G, KiB, MiB or GiB behind (powers of 1024)";
  for (const char* text : {"4095", "1073741825", "2G", "0", "18446744073709551615",
                           "17179869184G" /* 2^64 bytes */, "99999999999999999999k"})
    EXPECT_EQ(complaint(Setting::socket_buffer, text),
              "'" + std::string(text) + "' is out of range" + range);
  for (const char* text : {"4MB", "4m", "4kB", "1.5M", "M", "-4M", "4  MiB", "4Mi", "4MiBB", "k4"})
    EXPECT_EQ(complaint(Setting::socket_buffer, text),
              "'" + std::string(text) + "' is not a number of bytes" + range);
}

TEST(BytesValue, OfTheWindowHasItsOwnRange) {
  EXPECT_EQ(taken(Setting::message_size, &Settings::message_size, "512"), 512U);
  EXPECT_EQ(taken(Setting::message_size, &Settings::message_size, "65535"), 65535U);
  EXPECT_THAT(complaint(Setting::message_size, "511"), HasSubstr("out of range"));
  EXPECT_THAT(complaint(Setting::message_size, "64k"), HasSubstr("allowed: 512 to 65535, in"));
}

TEST(SecondsValue, MayHaveAFraction) {
  const auto drain = [](const std::string& text) {
    return taken(Setting::drain_timeout, &Settings::drain_timeout, text);
  };
  EXPECT_EQ(drain("0"), 0ns);
  EXPECT_EQ(drain("5"), 5s);
  EXPECT_EQ(drain("0.25"), 250ms);
  EXPECT_EQ(drain("1.000000001"), 1s + 1ns);
  EXPECT_EQ(drain("3600"), 3600s);
  EXPECT_EQ(drain("3600.0"), 3600s);
}

TEST(SecondsValue, RefusesEverythingElse) {
  const std::string range = "; allowed: 0 to 3600 seconds, also with a fraction such as 0.5";
  for (const char* text : {"3601", "3600.1", "99999999999999999999"})
    EXPECT_EQ(complaint(Setting::drain_timeout, text),
              "'" + std::string(text) + "' is out of range" + range);
  for (const char* text : {"-1", "1.", ".5", "1e3", "inf", "nan", "5s", "1,5", "1.2.3", "0x1"})
    EXPECT_EQ(complaint(Setting::drain_timeout, text),
              "'" + std::string(text) + "' is not a number of seconds" + range);
  EXPECT_EQ(complaint(Setting::drain_timeout, "0.1234567890"),
            "'0.1234567890' is finer than a nanosecond" + range);
}

TEST(SwitchValue, IsTrueOrFalse) {
  const auto on = [](const std::string& text) {
    return taken(Setting::histograms, &Settings::histograms, text);
  };
  EXPECT_TRUE(on("true"));
  EXPECT_TRUE(on("1"));
  EXPECT_FALSE(on("false"));
  EXPECT_FALSE(on("0"));
  for (const char* text : {"yes", "no", "on", "off", "y", "True", "2", "01"})
    EXPECT_EQ(
        complaint(Setting::histograms, text),
        "'" + std::string(text) + "' is neither true nor false; allowed: 0, 1, true or false");
}

TEST(SwitchValue, HasNoDigitsInYaml) {
  EXPECT_EQ(complaint(Setting::histograms, "true", Notation::yaml), "");
  EXPECT_EQ(complaint(Setting::histograms, "1", Notation::yaml),
            "'1' is neither true nor false; allowed: true or false");
}

TEST(TextValue, IsAnythingPrintable) {
  EXPECT_EQ(taken(Setting::service, &Settings::service, "my service"), "my service");
  EXPECT_EQ(complaint(Setting::service, ""), "is empty; allowed: a name");
  EXPECT_EQ(complaint(Setting::service, "a\nb"),
            "'a\\x0ab' holds a control character; allowed: a name");
  EXPECT_EQ(taken(Setting::numbers_file, &Settings::numbers_file, "/tmp/Zürich.csv"),
            "/tmp/Zürich.csv");
  EXPECT_EQ(taken(Setting::numbers_file, &Settings::numbers_file, ""), std::nullopt);
}

TEST(CpuListValue, HoldsNumbersAndRanges) {
  const auto cpus = [](const std::string& text) {
    return taken(Setting::service_cpus, &Settings::service_cpus, text);
  };
  EXPECT_THAT(cpus("0"), ElementsAre(0));
  EXPECT_THAT(cpus("5,0,2-3"), ElementsAre(0, 2, 3, 5));
  EXPECT_THAT(cpus(" 1 , 7-7 "), ElementsAre(1, 7));
  EXPECT_THAT(cpus("8191"), ElementsAre(8191));
  EXPECT_THAT(cpus(""), IsEmpty());
}

TEST(CpuListValue, RefusesEverythingElse) {
  const std::string allowed = "; allowed: CPU numbers and ranges such as 0,2-3, up to 8191";
  for (const char* text :
       {"8192", "0-8192", "-", "1-", "-1", "a", "0:3", "1-2-3", "0 1", "0-99999999999999999999"})
    EXPECT_EQ(complaint(Setting::service_cpus, text),
              "'" + std::string(text) + "' is not a CPU or a range of CPUs" + allowed);
  EXPECT_EQ(complaint(Setting::service_cpus, "3-2"),
            "'3-2' is a range that ends before it begins" + allowed);
  EXPECT_EQ(complaint(Setting::service_cpus, "0,2-3,1-2"),
            "'1-2' lists CPU 2 a second time" + allowed);
  EXPECT_EQ(complaint(Setting::service_cpus, "0,"), "'' is not a CPU or a range of CPUs" + allowed);
}

TEST(ListenValue, HoldsAddressesWithPorts) {
  const auto listen = [](const std::string& text) {
    return taken(Setting::listen, &Settings::listen, text);
  };
  EXPECT_THAT(listen("127.0.0.1:7700"), ElementsAre(ListenAddress{"127.0.0.1", 7700}));
  EXPECT_THAT(listen("0.0.0.0:0, [::]:65535"),
              ElementsAre(ListenAddress{"0.0.0.0", 0}, ListenAddress{"::", 65535}));
  EXPECT_THAT(listen("[2001:DB8:0::1]:53"), ElementsAre(ListenAddress{"2001:db8::1", 53}));
  EXPECT_THAT(listen("127.0.0.1:0,127.0.0.1:0"),
              ElementsAre(ListenAddress{"127.0.0.1", 0}, ListenAddress{"127.0.0.1", 0}));
}

TEST(ListenValue, RefusesEverythingElse) {
  const std::string allowed =
      "; allowed: a.b.c.d:port and [IPv6]:port, ports 0 to 65535, separated by commas";
  for (const char* text : {"localhost:7700",
                           "127.0.0.1",
                           "127.0.0.1:",
                           ":7700",
                           "7700",
                           "::1:7700",
                           "[::1]",
                           "[::1]7700",
                           "[::1]:",
                           "[127.0.0.1]:7700",
                           "127.1:7700",
                           "127.0.0.1:65536",
                           "127.0.0.1:-1",
                           "127.0.0.1:http",
                           "[2001:db8::1%eth0]:7700",
                           "[fe80::1%]:7700",
                           "[fe80::1%a/b]:7700",
                           "[fe80::1%sixteen-letters-]:7700",
                           "127.0.0.1%lo:7700",
                           "[]:1",
                           "256.0.0.1:1",
                           "0127.0.0.1:1"})
    EXPECT_EQ(complaint(Setting::listen, text),
              "'" + std::string(text) + "' is not an IP address with a port" + allowed);
  EXPECT_EQ(complaint(Setting::listen, ""), "is empty" + allowed);
  EXPECT_EQ(complaint(Setting::listen, std::string("1.2.3.4\0:1", 10)),
            "'1.2.3.4\\x00:1' is not an IP address with a port" + allowed);
}

TEST(ListenValue, ALinkLocalAddressHasItsInterface) {
  const std::string text = "[fe80::1%eth0]:7700,[FE80::1%eth1]:7700,[fe80::2%3]:0";
  const std::vector<ListenAddress> addresses = taken(Setting::listen, &Settings::listen, text);
  EXPECT_THAT(addresses,
              ElementsAre(ListenAddress{"fe80::1%eth0", 7700}, ListenAddress{"fe80::1%eth1", 7700},
                          ListenAddress{"fe80::2%3", 0}));
  Settings settings;
  settings.listen = addresses;
  EXPECT_EQ(value_text(info(Setting::listen), settings),
            "[fe80::1%eth0]:7700,[fe80::1%eth1]:7700,[fe80::2%3]:0");
  EXPECT_THAT(complaint(Setting::listen, "[fe80::1]:7700"),
              testing::StartsWith("'[fe80::1]:7700' is link-local, which means nothing without its "
                                  "interface, as in [fe80::1%eth0]:7700; allowed: "));
  EXPECT_THAT(complaint(Setting::reply_address, "[fe80::1]:7700"), HasSubstr("is link-local"));
  EXPECT_THAT(complaint(Setting::listen, "[fe80::1%eth0]:1,[fe80:0::1%eth0]:1"),
              HasSubstr("is listed twice"));
  EXPECT_THAT(complaint(Setting::listen, "[::]:1,[fe80::1%eth0]:1"),
              HasSubstr("cannot be listed beside [::]:1"));
}

TEST(ListenValue, TakesNoAddressTwice) {
  EXPECT_THAT(complaint(Setting::listen, "127.0.0.1:1,127.0.0.1:2,127.0.0.1:1"),
              testing::StartsWith("'127.0.0.1:1' is listed twice; allowed: "));
  EXPECT_THAT(complaint(Setting::listen, "[::1]:1,[0:0::1]:1"),
              testing::StartsWith("'[0:0::1]:1' is listed twice; "));
  EXPECT_THAT(complaint(Setting::listen, "127.0.0.1:1,[::ffff:127.0.0.1]:1"),
              HasSubstr("is listed twice"))
      << "a v4-mapped address is the IPv4 address";
}

TEST(ListenValue, TakesNoAddressBesideItsWildcard) {
  EXPECT_THAT(complaint(Setting::listen, "0.0.0.0:1,127.0.0.1:1"),
              testing::StartsWith("'127.0.0.1:1' cannot be listed beside 0.0.0.0:1: one of them is "
                                  "the wildcard, which covers the other; "));
  EXPECT_THAT(complaint(Setting::listen, "[::1]:1,[::]:1"),
              testing::StartsWith("'[::]:1' cannot be listed beside [::1]:1: "));
  EXPECT_THAT(complaint(Setting::listen, "0.0.0.0:1,[::ffff:127.0.0.1]:1"),
              HasSubstr("cannot be listed beside 0.0.0.0:1"))
      << "a v4-mapped address is the IPv4 address";
  EXPECT_THAT(taken(Setting::listen, &Settings::listen, "[::]:1,[::ffff:127.0.0.1]:1"),
              testing::SizeIs(2));
  EXPECT_THAT(taken(Setting::listen, &Settings::listen,
                    "0.0.0.0:1,[::]:1,127.0.0.1:2,0.0.0.0:0,127.0.0.1:0"),
              testing::SizeIs(5));
}

TEST(ListenValue, ReportsEachBadEntry) {
  Settings settings;
  const std::vector<std::string> pieces{"1.2.3.4:1", "x,1.2.3.4:2,y", "z"};
  const auto errors = set_value(info(Setting::listen), pieces, Notation::yaml, settings);
  ASSERT_EQ(errors.size(), 3U);
  EXPECT_EQ(errors[0].piece, 1U);
  EXPECT_THAT(errors[0].text, testing::StartsWith("'x' "));
  EXPECT_EQ(errors[1].piece, 1U);
  EXPECT_THAT(errors[1].text, testing::StartsWith("'y' "));
  EXPECT_EQ(errors[2].piece, 2U);
  EXPECT_THAT(errors[2].text, testing::StartsWith("'z' "));
  EXPECT_THAT(settings.listen, IsEmpty());
}

TEST(PrefixValue, HoldsAddressesAndPrefixes) {
  const auto allow = [](const std::string& text) {
    return taken(Setting::allow, &Settings::allow, text);
  };
  EXPECT_THAT(allow("10.0.0.0/8,192.0.2.1"),
              ElementsAre(AddressPrefix{"10.0.0.0", 8}, AddressPrefix{"192.0.2.1", 32}));
  EXPECT_THAT(allow("::/0,::1"), ElementsAre(AddressPrefix{"::", 0}, AddressPrefix{"::1", 128}));
  EXPECT_THAT(allow("0.0.0.0/0"), ElementsAre(AddressPrefix{"0.0.0.0", 0}));
  EXPECT_THAT(allow("2001:db8:8000::/33"), ElementsAre(AddressPrefix{"2001:db8:8000::", 33}));
  EXPECT_THAT(allow(""), IsEmpty());
  EXPECT_THAT(allow("fe80::/10,fe80::%eth0/64,fe80::1%eth0"),
              ElementsAre(AddressPrefix{"fe80::", 10}, AddressPrefix{"fe80::%eth0", 64},
                          AddressPrefix{"fe80::1%eth0", 128}));
}

// A name that no interface can have is refused here, not only when the interface is looked up.
// (Blanks and tabs around an item do not belong to it.)
TEST(PrefixValue, RefusesAnInterfaceWithABlankInIt) {
  for (const Setting setting : {Setting::allow, Setting::trusted}) {
    for (const char blank : {' ', '\t', '\n', '\v', '\f', '\r'})
      EXPECT_THAT(complaint(setting, std::string("fe80::1%et") + blank + "h0"),
                  HasSubstr("; allowed: "))
          << int{blank};
    EXPECT_THAT(complaint(setting, "fe80::1%eth0\r"), HasSubstr("; allowed: "));
  }
}

TEST(PrefixValue, RefusesEverythingElse) {
  const std::string allowed =
      "; allowed: addresses and prefixes such as 10.0.0.0/8,2001:db8::/32, separated by commas";
  for (const char* text : {"all", "10/8", "/8", "10.0.0.0.0/8", "[::1]", "1.2.3.4:5",
                           "2001:db8::%eth0/64", "10.0.0.0%eth0/8", "fe80::%/64"})
    EXPECT_EQ(complaint(Setting::allow, text),
              "'" + std::string(text) + "' is not an IP address or prefix" + allowed);
  for (const char* text : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/255.0.0.0"})
    EXPECT_EQ(complaint(Setting::allow, text),
              "'" + std::string(text) + "' has no length from 0 to 32 behind the slash" + allowed);
  EXPECT_THAT(complaint(Setting::allow, "::/129"), HasSubstr("from 0 to 128 behind"));
  EXPECT_EQ(complaint(Setting::allow, "10.1.2.3/8"),
            "'10.1.2.3/8' has bits beyond its length; the prefix is 10.0.0.0/8" + allowed);
  EXPECT_EQ(complaint(Setting::allow, "2001:db8::1/33"),
            "'2001:db8::1/33' has bits beyond its length; the prefix is 2001:db8::/33" + allowed);
  EXPECT_EQ(complaint(Setting::allow, "10.0.0.0/8,10.0.0.0/8"),
            "'10.0.0.0/8' is listed twice" + allowed);
  EXPECT_EQ(complaint(Setting::allow, "10.0.0.0/8,::ffff:10.0.0.0/104"),
            "'::ffff:10.0.0.0/104' is listed twice" + allowed);
}

TEST(ChoiceValue, HoldsOneOfItsWords) {
  EXPECT_EQ(taken(Setting::overload, &Settings::overload, "shed"), OverloadPolicy::shed);
  EXPECT_EQ(taken(Setting::overload, &Settings::overload, "block"), OverloadPolicy::block);
  EXPECT_EQ(taken(Setting::defer, &Settings::defer, "all"), DeferScope::all);
  for (const char* text : {"Shed", "shedding", "drop"})
    EXPECT_EQ(complaint(Setting::overload, text),
              "'" + std::string(text) + "' is none of the words it may be; allowed: block or shed");
  EXPECT_EQ(complaint(Setting::overload, ""), "is empty; allowed: block or shed");
}

TEST(OptionalCountValue, HoldsACountOrNone) {
  EXPECT_EQ(taken(Setting::on_demand_threads, &Settings::on_demand_threads, "2"), 2U);
  EXPECT_EQ(taken(Setting::on_demand_threads, &Settings::on_demand_threads, ""), std::nullopt);
  EXPECT_EQ(complaint(Setting::receive_priority, "100"),
            "'100' is out of range; allowed: 1 to 99 (SCHED_FIFO priority)");
  EXPECT_EQ(complaint(Setting::worker_queue, "0"),
            "'0' is out of range; allowed: 1 to 65534 messages");
}

TEST(AddressValue, HoldsOneAddressOrTheSource) {
  const auto reply = [](const std::string& text) {
    return taken(Setting::reply_address, &Settings::reply_address, text);
  };
  EXPECT_EQ(reply("192.0.2.1:9"), (ListenAddress{"192.0.2.1", 9}));
  EXPECT_EQ(reply("[::1]:9"), (ListenAddress{"::1", 9}));
  EXPECT_EQ(reply("source"), std::nullopt);
  const std::string allowed = "; allowed: source, or a.b.c.d:port or [IPv6]:port";
  EXPECT_EQ(complaint(Setting::reply_address, "192.0.2.1"),
            "'192.0.2.1' is not an IP address with a port" + allowed);
  EXPECT_EQ(complaint(Setting::reply_address, "192.0.2.1:0"),
            "'192.0.2.1:0' has no port to send to" + allowed);
  EXPECT_THAT(complaint(Setting::reply_address, "1.2.3.4:1,1.2.3.4:2"), HasSubstr("is not an IP"));
}

TEST(ValueError, StaysOneReadableLine) {
  const std::string text = complaint(Setting::batch, "a\n\x1b[31m" + std::string(1000, 'x'));
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_LT(text.size(), 200U);
}

// What value_text() writes, set_value() reads back.
TEST(ValueText, IsReadBack) {
  const std::vector<std::pair<Setting, std::string>> values{
      {Setting::config_file, "/etc/cpssd.yaml"},
      {Setting::listen, "127.0.0.1:1,[::1]:2"},
      {Setting::socket_buffer, "3MiB"},
      {Setting::socket_buffer, "5000"},
      {Setting::socket_buffer, "1GiB"},
      {Setting::allow, "10.0.0.0/8,192.0.2.1,::/0"},
      {Setting::service, "echo"},
      {Setting::service_cpus, "0,2-3,5"},
      {Setting::slots, "4096"},
      {Setting::histograms, "false"},
      {Setting::overload, "shed"},
      {Setting::defer, "all"},
      {Setting::on_demand_threads, "8"},
      {Setting::reply_address, "[::1]:9"},
      {Setting::reply_address, "source"},
      {Setting::drain_timeout, "0.25"},
      {Setting::drain_timeout, "0.000000001"},
      {Setting::drain_timeout, "60"},
  };
  for (const auto& [setting, text] : values) {
    Settings settings = default_settings();
    ASSERT_EQ(complaint(setting, text, settings), "") << text;
    EXPECT_EQ(value_text(info(setting), settings), text);
  }
}

TEST(ValueYaml, QuotesTextAndListsAsSequences) {
  Settings settings = default_settings();
  settings.numbers_file = "a \"b\"\\c";
  EXPECT_EQ(value_yaml(info(Setting::numbers_file), settings), R"("a \"b\"\\c")");
  EXPECT_EQ(value_yaml(info(Setting::stats_file), settings), std::nullopt);
  EXPECT_EQ(value_yaml(info(Setting::trusted), settings), R"(["127.0.0.0/8", "::1"])");
  EXPECT_EQ(value_yaml(info(Setting::allow), settings), "[]");
  EXPECT_EQ(value_yaml(info(Setting::batch), settings), "64");
}

}  // namespace
}  // namespace cpss
