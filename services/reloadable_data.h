// Data of a service that are loaded anew while the server runs: a child process prepares them, and
// the main thread adopts what it has made, so that no lane and no thread waits meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/file_descriptor.h"

namespace cpss {

// What there is to say of data: DataState (stats/data_state.h) has the rest.
struct DataFigures {
  std::uint64_t rows = 0;
  std::uint64_t values = 0;
  std::uint64_t bytes = 0;
  std::uint64_t serial = 0;
  std::string source;
};

class ReloadableData {
 public:
  virtual ~ReloadableData() = default;

  // False: there is nothing that they could be loaded from again, and prepare() is not called.
  virtual bool can_be_loaded_again() const noexcept = 0;

  // In a child process of its own: loads the data anew, and returns a descriptor by which adopt()
  // gets them. Throws ServiceDataError, std::system_error, std::bad_alloc.
  virtual FileDescriptor prepare() const = 0;

  // Main thread, or in a process that serves the one that takes new data for it, as all that
  // follow: lanes have the data from their next batch on. Throws as prepare().
  virtual void adopt(FileDescriptor prepared) = 0;
  // By which adopt() of another process gets these data; valid until the next adopt().
  virtual int descriptor() const = 0;
  // Frees older data that no lane reads any more. Returns how many are left that one reads.
  virtual std::size_t reclaim() = 0;
  // The lane that reads the oldest of these: its place among those for which a LaneState was made
  // (Service::make_lane_state()).
  virtual std::optional<std::size_t> keeper() const = 0;
  // 1 for the first data, and more with each adopt().
  virtual std::uint64_t generation() const noexcept = 0;
  // What lanes have now; the text is for the log.
  virtual DataFigures figures() const = 0;
  virtual std::string description() const = 0;
};

}  // namespace cpss
