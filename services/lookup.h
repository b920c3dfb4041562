// Service `lookup` (the default): answers with the row of the longest matching number prefix, in
// the native wire format (services/native_wire.h, docs/native-protocol.md).
//
// Its only state is the constant number table; its data for a batch are on the stack. It has no
// lane state, allocates nothing and never throws once it is made.
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

// With the number data of CPSS_NUMBERS, or the shipped sample. Announces which data it took, how
// many prefixes they have and, for a file, how long it took to load. Throws ServiceDataError, and
// std::system_error as load_numbers() does.
std::unique_ptr<Service> make_lookup(const ServiceSettings& settings);

}  // namespace cpss
