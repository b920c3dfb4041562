// SIGHUP: the service's data are loaded anew while messages go on (services/reloadable_data.h).
//
//   request() ─► a child process prepares the data ─► a descriptor (SCM_RIGHTS, unix(7)) ─► adopt()
//
// A child, never a thread: it may need as much memory as the data do, find them wrong, or be
// killed, and nothing here changes. It gets no more memory than the server leaves
// (server/daemon/memory_need.h), is the first one that the kernel kills for want of memory, and has
// what CPU time nobody else wants. Requests while it works are one more reload behind it.
//
// What there is to say of the data goes to the stats region, whenever it changes.
//
// Main thread; nothing waits but the destructor, for a child that it has killed.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/file_descriptor.h"
#include "server/pipeline/engine.h"
#include "services/reloadable_data.h"
#include "stats/data_state.h"
#include "stats/region.h"

namespace cpss {

class DataReload {
 public:
  struct Source {
    ReloadableData* data = nullptr;                 // null: the service has none
    std::chrono::nanoseconds load_time = {};        // of the first ones
    std::vector<std::string> lanes = {};            // in the order of ReloadableData::keeper()
    std::optional<std::uint64_t> memory_left = {};  // bytes beside the first ones; none: no limit
  };
  DataReload(Source source, StatsRegion& region);
  // Ends a reload that is under way.
  ~DataReload() { cancel(); }
  DataReload(const DataReload&) = delete;
  DataReload& operator=(const DataReload&) = delete;

  // False: there is nothing that could be loaded again, which is said in the log.
  bool request();
  // To be called several times a second. `elsewhere`: what processes still read. True: a reload has
  // ended, well or not, and no other one has begun.
  bool tick(const OlderData& elsewhere);
  bool under_way() const noexcept { return child_ > 0; }
  void cancel() noexcept;

 private:
  void begin();
  // For the child: what the server has left, without what the data take more than at its start.
  std::uint64_t memory_left() const;
  [[noreturn]] void run_child(int answer) const noexcept;
  void take_answer();
  void adopt(FileDescriptor prepared);
  void fail(const std::string& why);
  // What the region is to show after a change of the data, or of who reads which.
  void note_new_data(std::chrono::nanoseconds load_time);
  void note_older(const OlderData& elsewhere);
  void show();
  // Why there is no answer.
  void child_died();

  const Source source_;
  ReloadableData* const data_;
  StatsRegion& region_;
  DataState state_;
  DataState shown_;
  bool wanted_ = false;  // one more
  pid_t child_ = 0;      // 0: none
  FileDescriptor answer_;
  std::chrono::steady_clock::time_point begin_;
  bool told_of_old_ = false;                // that lanes keep older data
  std::uint64_t first_bytes_ = 0;           // of the first data
  std::vector<std::uint64_t> older_bytes_;  // of those before; some may be freed already
};

}  // namespace cpss
