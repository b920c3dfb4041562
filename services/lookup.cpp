#include "services/lookup.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "numbers/e164.h"
#include "services/sample_numbers.h"

namespace cpss {
namespace {

// Messages looked up together; bounds the stack that process() uses.
constexpr std::size_t kChunk = 64;

std::optional<InvalidReason> why_invalid(const native::Header& header) {
  if (header.magic != native::kMagic) return InvalidReason::bad_magic;
  if (header.version != native::kVersion) return InvalidReason::bad_version;
  if (header.kind == static_cast<std::uint8_t>(native::Kind::reply))
    return InvalidReason::wrong_direction;
  if (header.kind != static_cast<std::uint8_t>(native::Kind::request))
    return InvalidReason::malformed;
  return std::nullopt;
}

// The header of a request; nullopt if the message has none, and then its verdict is `invalid`.
std::optional<native::Header> valid_header(Message& message) {
  const std::optional<native::Header> header = native::read_header(message.request());
  if (!header) {
    message.invalid(InvalidReason::too_short);
    return std::nullopt;
  }
  if (const auto why = why_invalid(*header)) {
    message.invalid(*why);
    return std::nullopt;
  }
  return header;
}

std::optional<E164> number_in(std::span<const std::byte> body) {
  return E164::parse_number({reinterpret_cast<const char*>(body.data()), body.size()});
}

// What a reply says of a number.
struct Row {
  const NumberData* numbers = nullptr;
  NumberMatch match;
  E164 number;

  // Bytes of it, at most `room`.
  std::size_t size(std::size_t room) const noexcept {
    return numbers == nullptr ? 0 : row_size(*numbers, match, room);
  }
  void write(std::span<std::byte> room) const noexcept {
    if (numbers != nullptr)
      write_row(*numbers, match, number, {reinterpret_cast<char*>(room.data()), room.size()});
  }
};

// Writes the reply over the request if it fits there: those bytes are in the cache already, and the
// reply window is not touched. The reply is as long as the request, with zeros behind the body;
// longer only if the peer may get more and the body needs it.
void answer(Message& message, std::uint64_t transaction, native::ReplyCode code,
            const Row& row = {}) {
  const std::size_t max = message.reply_window().size();
  if (max < native::kHeaderBytes) {
    message.no_reply();
    return;
  }
  const std::size_t asked = message.request().size();
  const std::size_t body = row.size(max - native::kHeaderBytes);
  const std::size_t length = std::min(max, std::max(asked, native::kHeaderBytes + body));
  const bool in_place = length <= asked;
  const std::span<std::byte> reply =
      (in_place ? message.request_in_place() : message.reply_window()).first(length);

  native::write_header(reply, {.kind = static_cast<std::uint8_t>(native::Kind::reply),
                               .code = static_cast<std::uint16_t>(code),
                               .body_length = static_cast<std::uint16_t>(body),
                               .transaction = transaction});
  const std::span<std::byte> rest = reply.subspan(native::kHeaderBytes);
  row.write(rest.first(body));
  std::ranges::fill(rest.subspan(body), std::byte{0});
  if (in_place)
    message.reply_in_place(length);
  else
    message.reply(length);
}

// The data that a lane reads, of one generation for a batch.
class LookupLane final : public LaneState {
 public:
  explicit LookupLane(Generations<NumberData>& numbers) : reader(numbers) {}

  Generations<NumberData>::Reader reader;
};

NumberData load(const ServiceSettings& settings) try {
  if (settings.numbers_file)
    return NumberData::load_file(*settings.numbers_file,
                                 settings.allow_empty ? Rows::may_be_none : Rows::needed,
                                 settings.input_patience);
  MemorySource sample(kSampleNumbers);
  return NumberData::load(sample, std::string(kSampleNumbersName));
} catch (const UnreadableError& error) {
  throw ServiceDataError(
      fmt::format("{}; CPSS_NUMBERS has to name number data "
                  "(scripts/import-numbers makes some)",
                  error.what()));
} catch (const NoRowsError& error) {
  throw ServiceDataError(
      fmt::format("{}; give it some, or set CPSS_ALLOW_EMPTY=1 to serve without", error.what()));
} catch (const NumberDataError& error) {
  throw ServiceDataError(error.what());
}

}  // namespace

std::unique_ptr<LaneState> LookupService::make_lane_state() const {
  return std::make_unique<LookupLane>(numbers_);
}

void LookupService::process(std::span<Message> batch, LaneState* state) noexcept {
  auto& reader = static_cast<LookupLane&>(*state).reader;
  const NumberData& numbers = reader.enter();
  for (const Message& message : batch) __builtin_prefetch(message.request().data());
  while (!batch.empty()) {
    const std::size_t count = std::min(kChunk, batch.size());
    process_chunk(batch.first(count), numbers);
    batch = batch.subspan(count);
  }
  reader.leave();
}

void LookupService::process_chunk(std::span<Message> chunk, const NumberData& numbers) noexcept {
  struct Asked {
    Message* message;
    std::uint64_t transaction;
  };
  std::array<Asked, kChunk> asked;
  std::array<E164, kChunk> asked_for;
  std::array<NumberMatch, kChunk> matches;
  std::size_t count = 0;

  for (Message& message : chunk) {
    const std::optional<native::Header> header = valid_header(message);
    if (!header) continue;
    const std::span<const std::byte> behind_header =
        message.request().subspan(native::kHeaderBytes);
    const bool whole = header->body_length <= behind_header.size();
    const auto code = static_cast<native::RequestCode>(header->code);
    if (whole && code == native::RequestCode::ping) {
      answer(message, header->transaction, native::ReplyCode::found);
      continue;
    }
    std::optional<E164> number;
    if (whole && code == native::RequestCode::lookup)
      number = number_in(behind_header.first(header->body_length));
    if (!number) {
      answer(message, header->transaction, native::ReplyCode::bad_request);
      continue;
    }
    asked[count] = {&message, header->transaction};
    asked_for[count] = *number;
    ++count;
  }

  const NumberTable& table = numbers.table();
  table.find(std::span(asked_for).first(count), std::span(matches).first(count));
  for (std::size_t i = 0; i < count; ++i) table.values().prefetch(matches[i].value);
  for (std::size_t i = 0; i < count; ++i) {
    if (matches[i].value == image::kNoValue)
      answer(*asked[i].message, asked[i].transaction, native::ReplyCode::not_found);
    else
      answer(*asked[i].message, asked[i].transaction, native::ReplyCode::found,
             {&numbers, matches[i], asked_for[i]});
  }
}

void LookupService::busy_reply(Message& message) const noexcept {
  if (const auto header = valid_header(message))
    answer(message, header->transaction, native::ReplyCode::busy);
}

FileDescriptor LookupService::prepare() const {
  return load_().release();
}

void LookupService::adopt(FileDescriptor prepared) {
  adopt(NumberData::of_prepared(std::move(prepared)));
}

DataFigures LookupService::figures() const {
  const NumberData& numbers = numbers_.current();
  const image::Header& about = numbers.about();
  return {.rows = about.rows,
          .values = about.values,
          .bytes = about.image_bytes,
          .serial = about.serial,
          .source = std::string(image::source_of(numbers.image()))};
}

std::string LookupService::description() const {
  return fmt::format("lookup: {} prefixes from {}", numbers_.current().about().prefixes, from_);
}

std::unique_ptr<Service> make_lookup(const ServiceSettings& settings) {
  const auto begin = std::chrono::steady_clock::now();
  NumberData numbers = load(settings);
  const auto took_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                           std::chrono::steady_clock::now() - begin)
                           .count();
  if (settings.announce) {
    settings.announce(
        settings.numbers_file
            ? fmt::format("lookup: {} prefixes from {}, loaded in {} ms", numbers.about().prefixes,
                          *settings.numbers_file, took_ms)
            : fmt::format("lookup: CPSS_NUMBERS is not set, using the shipped sample of {} "
                          "prefixes reserved for fiction",
                          numbers.about().prefixes));
  }
  if (!settings.numbers_file) return std::make_unique<LookupService>(std::move(numbers));
  return std::make_unique<LookupService>(
      std::move(numbers), [settings] { return load(settings); }, *settings.numbers_file);
}

}  // namespace cpss
