// Service `lookup` (the default): the row of the longest matching number prefix, in the native wire
// format (services/native_wire.h, docs/native-protocol.md).
//
// Its only state is the constant number table, and what it needs for a batch is on the stack: it
// has no lane state, allocates nothing and never throws once it is made.
#pragma once

#include <memory>
#include <span>
#include <utility>

#include "services/native_wire.h"
#include "services/number_table.h"
#include "services/service.h"
#include "services/service_settings.h"

namespace cpss {

class LookupService final : public Service {
 public:
  explicit LookupService(NumberTable table) : table_(std::move(table)) {}

  void process(std::span<Message> batch, LaneState* state) noexcept override;
  void busy_reply(Message& message) const noexcept override;

 private:
  void process_chunk(std::span<Message> chunk) const noexcept;

  NumberTable table_;
};

// With the number data of CPSS_NUMBERS, or the shipped sample; announces which, how much and how
// long it took. Throws ServiceDataError.
std::unique_ptr<Service> make_lookup(const ServiceSettings& settings);

}  // namespace cpss
