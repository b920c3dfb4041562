#include "services/lookup.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "services/e164.h"
#include "services/number_csv.h"
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

// Writes the reply over the request if it fits there: those bytes are in the cache already, and the
// reply window is not touched. The reply is as long as the request, with zeros behind the body;
// longer only if the peer may get more and the body needs it.
void answer(Message& message, std::uint64_t transaction, native::ReplyCode code,
            std::string_view row = {}) {
  const std::size_t max = message.reply_window().size();
  if (max < native::kHeaderBytes) {
    message.no_reply();
    return;
  }
  const std::size_t asked = message.request().size();
  const std::string_view body = leading_pairs(row, max - native::kHeaderBytes);
  const std::size_t length = std::min(max, std::max(asked, native::kHeaderBytes + body.size()));
  const bool in_place = length <= asked;
  const std::span<std::byte> reply =
      (in_place ? message.request_in_place() : message.reply_window()).first(length);

  native::write_header(reply, {.kind = static_cast<std::uint8_t>(native::Kind::reply),
                               .code = static_cast<std::uint16_t>(code),
                               .body_length = static_cast<std::uint16_t>(body.size()),
                               .transaction = transaction});
  const std::span<std::byte> rest = reply.subspan(native::kHeaderBytes);
  if (!body.empty()) std::memcpy(rest.data(), body.data(), body.size());
  std::ranges::fill(rest.subspan(body.size()), std::byte{0});
  if (in_place)
    message.reply_in_place(length);
  else
    message.reply(length);
}

}  // namespace

void LookupService::process(std::span<Message> batch, LaneState*) noexcept {
  for (const Message& message : batch) __builtin_prefetch(message.request().data());
  while (!batch.empty()) {
    const std::size_t count = std::min(kChunk, batch.size());
    process_chunk(batch.first(count));
    batch = batch.subspan(count);
  }
}

void LookupService::process_chunk(std::span<Message> chunk) const noexcept {
  struct Asked {
    Message* message;
    std::uint64_t transaction;
  };
  std::array<Asked, kChunk> asked;
  std::array<E164, kChunk> numbers;
  std::array<std::string_view, kChunk> rows;
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
    numbers[count] = *number;
    ++count;
  }

  table_.find(std::span(numbers).first(count), std::span(rows).first(count));
  for (std::size_t i = 0; i < count; ++i) {
    const auto code = rows[i].empty() ? native::ReplyCode::not_found : native::ReplyCode::found;
    answer(*asked[i].message, asked[i].transaction, code, rows[i]);
  }
}

void LookupService::busy_reply(Message& message) const noexcept {
  if (const auto header = valid_header(message))
    answer(message, header->transaction, native::ReplyCode::busy);
}

std::unique_ptr<Service> make_lookup(const ServiceSettings& settings) {
  const auto begin = std::chrono::steady_clock::now();
  const Rows rows = settings.allow_empty ? Rows::may_be_none : Rows::needed;
  NumberTable table = settings.numbers_file
                          ? load_numbers(*settings.numbers_file, rows, settings.input_patience)
                          : parse_numbers(kSampleNumbers, kSampleNumbersName);
  const auto took_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                           std::chrono::steady_clock::now() - begin)
                           .count();
  if (settings.announce) {
    settings.announce(
        settings.numbers_file
            ? fmt::format("lookup: {} prefixes from {}, loaded in {} ms", table.size(),
                          *settings.numbers_file, took_ms)
            : fmt::format("lookup: CPSS_NUMBERS is not set, using the shipped sample of {} "
                          "prefixes reserved for fiction",
                          table.size()));
  }
  return std::make_unique<LookupService>(std::move(table));
}

}  // namespace cpss
