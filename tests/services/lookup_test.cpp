#include "services/lookup.h"

#include <array>
#include <atomic>
#include <deque>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/sample_numbers.h"
#include "tests/numbers/made_numbers.h"
#include "tests/services/exchange.h"
#include "tests/support/sanitizers.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using native::ReplyCode;

constexpr std::uint64_t kTransaction = 0x0123456789abcdef;

LookupService make_service() {
  return LookupService(test::numbers_of(
      "prefix,gateway,carrier\n44,gw1.example.net,Somebody\n4477,gw2.example.net,\n1,,\n"));
}

std::string header_bytes(const native::Header& header) {
  std::string bytes(native::kHeaderBytes, '\0');
  native::write_header(std::as_writable_bytes(std::span(bytes)), header);
  return bytes;
}

// A good request, padded with bytes other than zero.
std::string request(std::string_view body, std::size_t size,
                    std::uint64_t transaction = kTransaction) {
  std::string bytes = header_bytes({.kind = 1,
                                    .code = 0,
                                    .body_length = static_cast<std::uint16_t>(body.size()),
                                    .transaction = transaction});
  bytes += body;
  if (bytes.size() < size) bytes.resize(size, '\x5a');
  return bytes;
}

// The whole expected reply.
std::string reply(ReplyCode code, std::string_view body, std::size_t size,
                  std::uint64_t transaction = kTransaction) {
  std::string bytes = header_bytes({.kind = 2,
                                    .code = static_cast<std::uint16_t>(code),
                                    .body_length = static_cast<std::uint16_t>(body.size()),
                                    .transaction = transaction});
  bytes += body;
  bytes.resize(std::max(size, bytes.size()), '\0');
  return bytes;
}

void expect_reply(const std::string& asked, const std::string& wanted, bool trusted = false) {
  LookupService service = make_service();
  Exchange exchange(asked, trusted);
  exchange.ask(service);
  EXPECT_EQ(exchange.message().verdict(), Verdict::reply);
  EXPECT_FALSE(exchange.message().reply_too_long());
  EXPECT_EQ(exchange.reply(), wanted);
}

void expect_invalid(const std::string& asked, InvalidReason why) {
  LookupService service = make_service();
  Exchange exchange(asked, true);
  exchange.ask(service);
  EXPECT_EQ(exchange.message().verdict(), Verdict::invalid);
  EXPECT_EQ(exchange.message().invalid_reason(), why);
  EXPECT_EQ(exchange.request_memory(), asked);
}

TEST(Lookup, FindsTheRowOfTheLongestPrefix) {
  expect_reply(request("4420", 256),
               reply(ReplyCode::found, "prefix=44;gateway=gw1.example.net;carrier=Somebody", 256));
  expect_reply(request("+447700", 100),
               reply(ReplyCode::found, "prefix=4477;gateway=gw2.example.net", 100));
  expect_reply(request("1", 64), reply(ReplyCode::found, "prefix=1", 64));
}

TEST(Lookup, SaysWhenNoPrefixMatches) {
  expect_reply(request("+39", 64), reply(ReplyCode::not_found, "", 64));
  expect_reply(request("4", 17), reply(ReplyCode::not_found, "", 17));
}

TEST(Lookup, AnswersAPing) {
  std::string ping = request("", 40);
  ping[5] = 1;
  expect_reply(ping, reply(ReplyCode::found, "", 40));
  ping.resize(native::kHeaderBytes);
  expect_reply(ping, reply(ReplyCode::found, "", native::kHeaderBytes));
}

TEST(Lookup, IsAskedBadlyByWhatIsNoNumber) {
  for (const std::string_view body :
       {"", "+", "++44", "44a", " 44", "44 ", "1234567890123456", "+1234567890123456"})
    expect_reply(request(body, 64), reply(ReplyCode::bad_request, "", 64));
  expect_reply(request({"44\0", 3}, 64), reply(ReplyCode::bad_request, "", 64));
}

TEST(Lookup, IsAskedBadlyByAnUnknownCode) {
  for (const char code : {'\x02', '\x03', '\x04', '\x7f'}) {
    std::string asked = request("44", 64);
    asked[5] = code;
    expect_reply(asked, reply(ReplyCode::bad_request, "", 64));
  }
  std::string high = request("44", 64);
  high[4] = 1;
  expect_reply(high, reply(ReplyCode::bad_request, "", 64));
}

TEST(Lookup, IsAskedBadlyByABodyBeyondTheDatagram) {
  for (const char code : {'\0', '\1'}) {
    for (const int beyond : {1, 2, 1000, 65'000}) {
      std::string asked = request("44", 18);
      const int length = 2 + beyond;
      asked[5] = code;
      asked[6] = static_cast<char>(length >> 8);
      asked[7] = static_cast<char>(length);
      expect_reply(asked, reply(ReplyCode::bad_request, "", 18));
    }
  }
}

TEST(Lookup, NeverAnswersWhatIsNotItsProtocol) {
  const std::string good = request("44", 64);
  for (std::size_t size = 0; size < native::kHeaderBytes; ++size)
    expect_invalid(good.substr(0, size), InvalidReason::too_short);
  const auto with = [&](std::size_t at, int value) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(value);
    return bytes;
  };
  expect_invalid(with(0, 0x44), InvalidReason::bad_magic);
  expect_invalid(with(1, 0), InvalidReason::bad_magic);
  expect_invalid(with(2, 0), InvalidReason::bad_version);
  expect_invalid(with(2, 2), InvalidReason::bad_version);
  expect_invalid(with(3, 2), InvalidReason::wrong_direction);
  for (const int kind : {0, 3, 255}) expect_invalid(with(3, kind), InvalidReason::malformed);
  // The first mistake is named.
  std::string all_wrong = with(0, 0);
  all_wrong[2] = 9;
  all_wrong[3] = 2;
  expect_invalid(all_wrong, InvalidReason::bad_magic);
}

TEST(Lookup, NeverRepliesMoreThanTheRequestToAnUntrustedPeer) {
  const std::string_view all = "prefix=44;gateway=gw1.example.net;carrier=Somebody";
  for (std::size_t size = 18; size < 18 + all.size() + 5; ++size)
    expect_reply(request("44", size),
                 reply(ReplyCode::found, leading_pairs(all, size - native::kHeaderBytes), size));
}

TEST(Lookup, RepliesMoreThanTheRequestToATrustedPeerOnlyIfTheBodyNeedsIt) {
  const std::string_view all = "prefix=44;gateway=gw1.example.net;carrier=Somebody";
  expect_reply(request("44", 18), reply(ReplyCode::found, all, 0), true);
  expect_reply(request("44", 300), reply(ReplyCode::found, all, 300), true);
  expect_reply(request("39", 18), reply(ReplyCode::not_found, "", 18), true);
}

TEST(Lookup, NeverRepliesMoreThanTheWindowAllows) {
  LookupService service = make_service();
  for (std::size_t limit = native::kHeaderBytes; limit < 80; ++limit) {
    for (const std::size_t size : {18U, 40U, 100U}) {
      Exchange exchange(request("44", size), true, limit);
      exchange.ask(service);
      ASSERT_EQ(exchange.message().verdict(), Verdict::reply);
      EXPECT_LE(exchange.message().reply_length(), limit);
      EXPECT_FALSE(exchange.message().reply_too_long());
    }
  }
}

TEST(Lookup, IsSilentWhereNoHeaderFits) {
  LookupService service = make_service();
  Exchange exchange(request("44", 18), false, native::kHeaderBytes - 1);
  exchange.ask(service);
  EXPECT_EQ(exchange.message().verdict(), Verdict::no_reply);
}

TEST(Lookup, AnswersEachMessageOfABatchAsIfItWereAlone) {
  LookupService service = make_service();
  std::mt19937_64 random(1);
  for (const std::size_t size : {1U, 2U, 63U, 64U, 65U, 300U}) {
    std::deque<Exchange> alone;
    std::deque<Exchange> together;
    std::vector<Message> batch;
    for (std::size_t i = 0; i < size; ++i) {
      std::string asked =
          request(std::to_string(random() % 100'000), 20 + random() % 100, random());
      if (random() % 4 == 0) asked[random() % 8] = static_cast<char>(random());
      if (random() % 10 == 0) asked.resize(random() % 20);
      const bool trusted = random() % 2 == 0;
      alone.emplace_back(asked, trusted).ask(service);
      batch.push_back(together.emplace_back(asked, trusted).message());
    }
    service.process(batch, service.make_lane_state().get());
    for (std::size_t i = 0; i < size; ++i) {
      together[i].message() = batch[i];
      EXPECT_NE(batch[i].verdict(), Verdict::none);
      EXPECT_EQ(batch[i].verdict(), alone[i].message().verdict());
      EXPECT_EQ(batch[i].invalid_reason(), alone[i].message().invalid_reason());
      EXPECT_EQ(together[i].reply(), alone[i].reply());
    }
  }
}

TEST(Lookup, GivesEveryMutatedRequestAVerdictWithinItsLimits) {
  LookupService service = make_service();
  std::mt19937_64 random(2);
  for (int i = 0; i < 50'000; ++i) {
    std::string asked = request("+447700900123", 16 + random() % 60);
    for (std::size_t changes = random() % 4; changes > 0; --changes)
      asked[random() % asked.size()] = static_cast<char>(random());
    if (random() % 8 == 0) asked.resize(random() % (asked.size() + 1));
    Exchange exchange(asked);
    exchange.ask(service);
    ASSERT_NE(exchange.message().verdict(), Verdict::none);
    ASSERT_LE(exchange.message().reply_length(), asked.size());
    ASSERT_EQ(exchange.request_memory().size(), asked.size());
  }
}

// --- the busy reply ---

void expect_busy_reply(const std::string& asked, bool trusted = false) {
  const LookupService service = make_service();
  Exchange exchange(asked, trusted);
  exchange.ask_while_busy(service);
  EXPECT_EQ(exchange.message().verdict(), Verdict::reply);
  EXPECT_FALSE(exchange.message().reply_too_long());
  EXPECT_EQ(exchange.reply(), reply(ReplyCode::busy, "", asked.size()));
}

TEST(Lookup, SaysBusyInAReplyAsLongAsTheRequest) {
  for (const bool trusted : {false, true}) {
    expect_busy_reply(request("4420", 256), trusted);
    expect_busy_reply(request("4420", 20), trusted);
    expect_busy_reply(request("", native::kHeaderBytes), trusted);
    expect_busy_reply(request("not a number", 64), trusted);
  }
}

TEST(Lookup, SaysBusyToAPingToo) {
  std::string ping = request("", 40);
  ping[5] = 1;
  expect_busy_reply(ping);
}

TEST(Lookup, IsNeverBusyForWhatIsNotItsProtocol) {
  LookupService service = make_service();
  std::mt19937_64 random(3);
  for (int i = 0; i < 20'000; ++i) {
    std::string asked = request("4420", 16 + random() % 60);
    for (std::size_t changes = random() % 4; changes > 0; --changes)
      asked[random() % 16] = static_cast<char>(random());
    if (random() % 4 == 0) asked.resize(random() % 20);
    Exchange served(asked);
    served.ask(service);
    Exchange busy(asked);
    busy.ask_while_busy(service);
    ASSERT_EQ(busy.message().verdict(), served.message().verdict());
    ASSERT_EQ(busy.message().invalid_reason(), served.message().invalid_reason());
    ASSERT_LE(busy.reply().size(), asked.size());
  }
}

// Bytes of the hex dumps in a page, one string for each dump. Only rows of a dump begin with two
// hexadecimal digits and a space.
std::vector<std::string> dumps_in(const std::string& page) {
  constexpr std::size_t kTextColumn = 49;  // behind 16 bytes and two gaps
  std::ifstream file(page);
  std::vector<std::string> dumps;
  bool in_dump = false;
  for (std::string line; std::getline(file, line);) {
    const bool is_row = line.find_first_not_of("0123456789abcdef") == 2 && line[2] == ' ';
    if (is_row) {
      if (!in_dump) dumps.emplace_back();
      std::istringstream row(line.substr(0, kTextColumn));
      for (unsigned byte; row >> std::hex >> byte;) dumps.back() += static_cast<char>(byte);
    }
    in_dump = is_row;
  }
  return dumps;
}

TEST(Lookup, AnswersTheExampleOfItsPageWithTheSample) {
  const std::vector<std::string> dumps = dumps_in(CPSS_SOURCE_DIR "/docs/native-protocol.md");
  ASSERT_EQ(dumps.size(), 2U);
  const std::unique_ptr<Service> service = make_lookup({});
  Exchange exchange(dumps[0]);
  exchange.ask(*service);
  EXPECT_EQ(exchange.reply(), dumps[1]);
}

// A lane that is within a batch goes on with what it has begun to read.
TEST(Lookup, AnswersFromNewDataFromTheNextBatchOn) {
  LookupService service = make_service();
  Exchange before(request("4420", 256));
  before.ask(service);
  EXPECT_THAT(before.reply(), testing::HasSubstr("gw1.example.net"));
  service.adopt(test::numbers_of("prefix,gateway\n44,gw9.example.net\n"));
  EXPECT_EQ(service.reclaim(), 0u);
  Exchange after(request("4420", 256));
  after.ask(service);
  EXPECT_THAT(after.reply(), testing::HasSubstr("prefix=44;gateway=gw9.example.net"));
}

// Every reply is of one generation: a batch is.
TEST(Lookup, ManyLanesAnswerWhileDataAreReplaced) {
  constexpr int kReplacements = kThreadSanitizer ? 10 : 200;  // it makes a load take a second
  LookupService service(test::numbers_of("prefix,v\n1,0\n2,0\n"));
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0}, asked{0};
  std::vector<std::unique_ptr<LaneState>> states;
  for (int i = 0; i < 3; ++i) states.push_back(service.make_lane_state());
  std::vector<std::thread> lanes;
  for (const auto& state : states)
    lanes.emplace_back([&] {
      while (!stop) {
        Exchange first(request("1", 64)), second(request("2", 64));
        std::array batch{first.message(), second.message()};
        service.process(batch, state.get());
        if (first.request_memory().substr(native::kHeaderBytes + 9) !=
            second.request_memory().substr(native::kHeaderBytes + 9))
          ++wrong;
        ++asked;
      }
    });
  for (int i = 1; i <= kReplacements || asked < 1'000; ++i) {
    service.adopt(test::numbers_of(fmt::format("prefix,v\n1,{0}\n2,{0}\n", i)));
    EXPECT_LE(service.reclaim(), 3u);
  }
  stop = true;
  for (std::thread& lane : lanes) lane.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(service.reclaim(), 0u);
}

TEST(SampleNumbers, AreGoodAndNested) {
  const NumberData numbers = test::numbers_of(kSampleNumbers);
  EXPECT_GE(numbers.about().prefixes, 20U);
  EXPECT_EQ(test::row_of(numbers, "447700900123"),
            "prefix=447700900123;gateway=gw13.example.net;rn=447700900999;"
            "carrier=Ported Sample Mobile;country=GB");
  EXPECT_EQ(test::row_of(numbers, "447700900124"),
            "prefix=4477009001;gateway=gw14.example.net;carrier=Sample Mobile Virtual;country=GB");
  EXPECT_EQ(test::row_of(numbers, "447700900999"),
            "prefix=447700900;gateway=gw13.example.net;carrier=Sample Mobile;country=GB");
}

std::string complaint_about(const ServiceSettings& settings) {
  try {
    make_lookup(settings);
    return "";
  } catch (const ServiceDataError& error) {
    return error.what();
  }
}

TEST(MakeLookup, AnnouncesTheSample) {
  std::vector<std::string> lines;
  make_lookup({.numbers_file = {}, .announce = [&](const std::string& l) { lines.push_back(l); }});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], testing::MatchesRegex("lookup: CPSS_NUMBERS is not set, using the shipped "
                                              "sample of [0-9]+ prefixes reserved for fiction"));
}

TEST(MakeLookup, AnnouncesTheFileAndRefusesABadOne) {
  const TemporaryFolder folder;
  const std::string path = folder.write("numbers.csv", "prefix\n44\n45\n");
  std::vector<std::string> lines;
  const ServiceSettings settings{.numbers_file = path,
                                 .announce = [&](const std::string& l) { lines.push_back(l); }};
  EXPECT_NE(make_lookup(settings), nullptr);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], testing::StartsWith("lookup: 2 prefixes from " + path + ", loaded in "));

  write_file(path, "prefix\n44\n44\n");
  EXPECT_THROW(make_lookup(settings), ServiceDataError);
  std::remove(path.c_str());
  EXPECT_EQ(complaint_about(settings),
            path +
                ": cannot be read: No such file or directory; CPSS_NUMBERS has to name number "
                "data (scripts/import-numbers makes some)");
  EXPECT_EQ(lines.size(), 1U);
}

TEST(MakeLookup, TakesAFileWithoutRowsOnlyIfToldTo) {
  const TemporaryFolder folder;
  ServiceSettings settings{.numbers_file = folder.write("numbers.csv", "prefix,gateway\n"),
                           .announce = {}};
  EXPECT_EQ(complaint_about(settings),
            *settings.numbers_file +
                ": has no rows, only the columns 'prefix', 'gateway'; give it "
                "some, or set CPSS_ALLOW_EMPTY=1 to serve without");
  settings.allow_empty = true;
  EXPECT_NE(make_lookup(settings), nullptr);
}

}  // namespace
}  // namespace cpss
