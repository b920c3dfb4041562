// The server's side of the stats region, a mapped file: readers cost the server nothing, and the
// file survives the server. Makes the file, gives each lane its writer, sets the marks.
//
// The file's layout: stats/layout.h. One server at a time may have a path, by a lock on a file
// beside it (stats/server_lock.h). The region is made without a name (stats/new_file.h), with all
// its space reserved, then put into place: a reader finds the old region or the new one, complete,
// and no write can fail later for want of space. It stays when the server ends, so that its last
// values can be read until the next server is ready: a start that fails leaves the old region in
// place. If there was no old region, the new one is in place from the beginning, and a start that
// fails removes it again. A server that is about to lose the right to put the region into place
// does so before (put_into_place()): if such a start fails later, the old region is gone.
//
// If another process truncates, removes or replaces the file of a running server, the server goes
// on, and look_after() reports it (stats/region_care.h):
//   * removed or replaced: the values go on in the file that has lost its name, where no reader
//     finds them; snapshot() is right.
//   * truncated: at the next access beyond the new end all counters of the region begin again at 0
//     in private memory (stats/file_mapping.h), lost() is true, and from then on neither the file
//     nor snapshot() balances. Readers see a file that is cut short. A restart makes a new region.
//
// Lanes must not block SIGBUS (stats/file_mapping.h).
//
// Thread-safety: construction, destruction and the marks belong to the main thread. Each writer
// belongs to one thread at a time (stats/writer.h). snapshot() and lost() are for any thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "stats/data_state.h"
#include "stats/layout.h"
#include "stats/region_care.h"
#include "stats/region_error.h"
#include "stats/region_file.h"
#include "stats/region_options.h"
#include "stats/region_view.h"
#include "stats/snapshot.h"
#include "stats/troubles.h"
#include "stats/writer.h"

namespace cpss {

class StatsRegion {
 public:
  // Throws StatsRegionError.
  explicit StatsRegion(const RegionOptions& options);
  // Removes the region of a server that never became live, if it still may.
  ~StatsRegion();
  StatsRegion(const StatsRegion&) = delete;
  StatsRegion& operator=(const StatsRegion&) = delete;

  // The writer of options.blocks[block]; valid as long as the region. It records at most the detail
  // that a block has room for (RegionOptions::max_detail()).
  StatsWriter writer(std::size_t block) const noexcept;

  // Replaces the file at the path, which is a region, or takes the free name; does nothing if it is
  // in place already. Throws StatsRegionError, and can be called again.
  void put_into_place();
  // From now on the region stays when the server ends. Puts it into place; if that fails,
  // look_after() tells why and tries again.
  void keep() noexcept;

  void set_live() noexcept;        // ready to receive: `starting` becomes `live`; heartbeat, keep()
  void heartbeat() noexcept;       // the main thread is alive: at least once a second
  void mark_clean_end() noexcept;  // state `stopped`, keep(): after the last value is written

  // `lanes` lanes are in this trouble now (0: it is over), the last time with `number`
  // (TroubleInfo::number). Readers see since when it has lasted without a break.
  void set_trouble(Trouble trouble, std::uint32_t lanes, int number) noexcept;

  // What readers see of the service's data.
  void set_data(const DataState& state) noexcept;

  // Returns news of the files as lines for the log (RegionCare::look()). For each tick of main.
  std::vector<std::string> look_after(RegionCare::TimePoint now);

  // The server's own reading, for its final ledger.
  Snapshot snapshot() const { return view_.read(); }

  const std::string& path() const noexcept { return path_; }
  // A warning for the operator about the file's place; empty: none.
  const std::string& warning() const noexcept { return file_.warning; }
  // The file was truncated, see above.
  bool lost() const noexcept { return file_.mapping->lost(); }

 private:
  layout::Header& header() const noexcept;
  layout::TroubleEntry& trouble_entry(Trouble trouble) const noexcept;

  std::string path_;
  RegionCare care_;
  RegionFile file_;
  RegionView view_;
  std::vector<Detail> details_;  // of each block
  bool keep_file_ = false;
};

}  // namespace cpss
