#include "tools/udpblast/native_workload.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "base/quote.h"
#include "tools/udpblast/workload.h"

namespace cpss::udpblast {
namespace {

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string code_name(std::uint16_t code) {
  static constexpr std::array<std::string_view, 5> kNames = {"found", "not found", "bad request",
                                                             "busy", "internal error"};
  return code < kNames.size() ? std::string(kNames[code]) : fmt::format("code {}", code);
}

std::string describe_reply(std::uint16_t code, std::string_view body) {
  return body.empty() ? code_name(code)
                      : fmt::format("{} {}", code_name(code), in_quotes(body, kQuotedBytes));
}

// Whether `part` is `whole` up to the end of a pair: a server leaves out whole pairs, from the end,
// if they do not fit.
bool leading_pairs_of(std::string_view whole, std::string_view part) {
  return whole.starts_with(part) &&
         (part.size() == whole.size() || part.empty() || whole[part.size()] == ';');
}

}  // namespace

NativeWorkload::NativeWorkload(std::size_t size, std::unique_ptr<const DataFile> data)
    : size_(size), data_(std::move(data)), zeros_(size) {
  const std::size_t min = native::kHeaderBytes + (data_ ? data_->longest_number() : 0);
  if (size < min)
    throw WorkloadError(fmt::format(
        "--size {}: must be at least {}, for the header{}", size, min,
        data_ ? fmt::format(" ({}) and the longest number", native::kHeaderBytes) : ""));
}

void NativeWorkload::build(std::uint64_t message, std::uint64_t transaction,
                           std::span<std::byte> window) const noexcept {
  const std::string_view number = data_ ? (*data_)[line_of(message)].number : std::string_view();
  const auto code = data_ ? native::RequestCode::lookup : native::RequestCode::ping;
  native::write_header(window, {.kind = static_cast<std::uint8_t>(native::Kind::request),
                                .code = static_cast<std::uint16_t>(code),
                                .body_length = static_cast<std::uint16_t>(number.size()),
                                .transaction = transaction});
  const std::span<std::byte> rest = window.subspan(native::kHeaderBytes);
  if (!number.empty()) std::memcpy(rest.data(), number.data(), number.size());
  std::ranges::fill(rest.subspan(number.size()), std::byte{0});
}

std::optional<std::uint64_t> NativeWorkload::transaction_of(
    std::span<const std::byte> reply) const noexcept {
  const auto header = native::read_header(reply);
  if (!header || header->magic != native::kMagic || header->version != native::kVersion ||
      header->kind != static_cast<std::uint8_t>(native::Kind::reply))
    return std::nullopt;
  return header->transaction;
}

bool NativeWorkload::right(std::uint64_t message, std::uint64_t,
                           std::span<const std::byte> reply) const noexcept {
  const auto header = native::read_header(reply);
  const Expected want = expected(message);
  if (!header || header->code != static_cast<std::uint16_t>(want.code)) return false;
  const std::span<const std::byte> rest = reply.subspan(native::kHeaderBytes);
  const std::size_t length = header->body_length;
  if (length > rest.size() || reply.size() != std::max(size_, native::kHeaderBytes + length))
    return false;
  const std::size_t padding = rest.size() - length;
  return right_body(want.body, text_of(rest.first(length))) &&
         (padding == 0 || std::memcmp(rest.data() + length, zeros_.data(), padding) == 0);
}

bool NativeWorkload::busy(std::span<const std::byte> reply) const noexcept {
  const auto header = native::read_header(reply);
  return header && header->code == static_cast<std::uint16_t>(native::ReplyCode::busy);
}

std::size_t NativeWorkload::longest_reply() const noexcept {
  return std::max(size_, native::kHeaderBytes + (data_ ? data_->longest_body() : 0));
}

std::string NativeWorkload::title() const {
  return data_ ? fmt::format("lookup with {}", data_->path()) : "ping";
}

std::string NativeWorkload::describe(std::uint64_t message) const {
  if (!data_) return "ping";
  const std::size_t line = line_of(message);
  return fmt::format("number {} ({}:{})", (*data_)[line].number, data_->path(), line + 1);
}

std::string NativeWorkload::explain(std::uint64_t message, std::uint64_t,
                                    std::span<const std::byte> reply) const {
  const auto header = native::read_header(reply);
  if (!header) return fmt::format("got {} bytes", reply.size());
  const Expected want = expected(message);
  const std::span<const std::byte> rest = reply.subspan(native::kHeaderBytes);
  if (header->body_length > rest.size())
    return fmt::format("got a reply of {} bytes that says its body has {}", reply.size(),
                       header->body_length);
  const std::string_view body = text_of(rest.first(header->body_length));
  if (header->code != static_cast<std::uint16_t>(want.code) || !right_body(want.body, body))
    return fmt::format("expected {}, got {}",
                       describe_reply(static_cast<std::uint16_t>(want.code), want.body),
                       describe_reply(header->code, body));
  const std::size_t length = std::max(size_, native::kHeaderBytes + body.size());
  if (reply.size() != length)
    return fmt::format("right content, but expected a reply of {} bytes, got {}{}", length,
                       reply.size(), reply.size() > longest_reply() ? " or more" : "");
  const auto first = std::ranges::find_if(rest.subspan(body.size()),
                                          [](std::byte b) { return b != std::byte{0}; });
  return fmt::format("right content, but byte {} behind the body is not zero",
                     native::kHeaderBytes + static_cast<std::size_t>(first - rest.begin()));
}

std::optional<std::uint64_t> NativeWorkload::one_pass() const noexcept {
  if (!data_) return std::nullopt;
  return data_->size();
}

NativeWorkload::Expected NativeWorkload::expected(std::uint64_t message) const noexcept {
  if (!data_) return {native::ReplyCode::found, {}};
  const std::string_view body = (*data_)[line_of(message)].body;
  return {body.empty() ? native::ReplyCode::not_found : native::ReplyCode::found, body};
}

// A reply longer than its request needs the server's trust (CPSS_TRUSTED), and the server's window
// bounds it too; udpblast knows neither. So pairs at the end may be missing, but only those that do
// not fit into a reply as long as the request.
bool NativeWorkload::right_body(std::string_view expected, std::string_view got) const noexcept {
  if (got == expected) return true;
  if (!leading_pairs_of(expected, got)) return false;
  const std::size_t next = expected.find(';', got.size() + (got.empty() ? 0 : 1));
  const std::size_t with_next_pair = std::min(next, expected.size());
  return native::kHeaderBytes + with_next_pair > size_;
}

}  // namespace cpss::udpblast
