// Service `lookup` (the default): answers with the row of the longest matching number prefix, in
// the native wire format (services/native_wire.h, docs/native-protocol.md).
//
// Its only state are the number data, which may be replaced while lanes read them (generations.h);
// its data for a batch are on the stack. It allocates nothing for a message, and never throws for
// one.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "numbers/number_data.h"
#include "services/generations.h"
#include "services/native_wire.h"
#include "services/reloadable_data.h"
#include "services/service.h"
#include "services/service_settings.h"

namespace cpss {

class LookupService final : public Service, public ReloadableData {
 public:
  using Load = std::function<NumberData()>;
  // `load`: loads the data again, from `from`; empty: they are never loaded anew.
  explicit LookupService(NumberData numbers, Load load = {}, std::string from = {})
      : load_(std::move(load)), from_(std::move(from)), numbers_(std::move(numbers)) {}

  std::unique_ptr<LaneState> make_lane_state() const override;
  ReloadableData* reloadable_data() override { return this; }
  void process(std::span<Message> batch, LaneState* state) noexcept override;
  void busy_reply(Message& message) const noexcept override;

  // ReloadableData
  bool can_be_loaded_again() const noexcept override { return load_ != nullptr; }
  FileDescriptor prepare() const override;
  void adopt(FileDescriptor prepared) override;
  int descriptor() const override { return numbers_.current().descriptor(); }
  std::size_t reclaim() override { return numbers_.reclaim(); }
  std::optional<std::size_t> keeper() const override { return numbers_.keeper(); }
  std::uint64_t generation() const noexcept override { return numbers_.number(); }
  DataFigures figures() const override;
  std::string description() const override;

  // These data answer from the next batch of each lane on.
  void adopt(NumberData numbers) { numbers_.publish(std::move(numbers)); }

 private:
  static void process_chunk(std::span<Message> chunk, const NumberData& numbers) noexcept;

  const Load load_;
  const std::string from_;                   // for the log: an image may name what it was built of
  mutable Generations<NumberData> numbers_;  // its readers are registered by a constant service
};

// With the number data of CPSS_NUMBERS, or the shipped sample. Announces which data it took, how
// many prefixes they have and, for a file, how long it took to load. Throws ServiceDataError, and
// std::system_error as NumberData::load_file() does.
std::unique_ptr<Service> make_lookup(const ServiceSettings& settings);

}  // namespace cpss
