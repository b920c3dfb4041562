// The server's side of the stats region, a mapped file: reading it costs the server nothing, and
// it survives it. Makes the file, hands each lane its writer, sets the marks.
//
// What the file looks like: stats/layout.h. Who may have it: one server at a time for a path, held
// by a lock file beside it (stats/server_lock.h). It is made without a name (stats/new_file.h),
// with all its space reserved, then put into place: a reader finds the old region or the new one,
// complete, and no write can fail later for want of space. It stays when the server ends, as its
// last word, until the next one is ready: a start that fails leaves what was there. Where nothing
// was, it is in place from the beginning, and a start that fails takes it away again. A server that
// is about to lose the right to put it into place does so before (put_into_place()): of such a
// start, what fails later leaves nothing of what was there.
//
// If somebody truncates, removes or replaces the file of a running server, the server goes on, and
// look_after() tells (stats/region_care.h):
//   * removed or replaced: its values go on in the file that has lost its name, where no reader
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
  // Of a server that never became live nothing is left, if it may still remove it.
  ~StatsRegion();
  StatsRegion(const StatsRegion&) = delete;
  StatsRegion& operator=(const StatsRegion&) = delete;

  // The writer of options.blocks[block]; valid as long as the region. It keeps no more than a block
  // has room for (RegionOptions::max_detail()).
  StatsWriter writer(std::size_t block) const noexcept;

  // In place of what is at the path, which is a region or nothing; does nothing if it is there
  // already. Throws StatsRegionError, and can be called again.
  void put_into_place();
  // It is this server's last word, whatever happens now: put into place, or look_after() tells why
  // not and tries again; and it stays.
  void keep() noexcept;

  void set_live() noexcept;        // ready to receive: state `starting` becomes `live`; a heartbeat
  void heartbeat() noexcept;       // the main thread is alive: at least once a second
  void mark_clean_end() noexcept;  // state `stopped`: after the last value is written. Both keep it

  // So many lanes are in this trouble now, the last time with this number (TroubleInfo::number); 0:
  // none is. Readers see since when that has been so without a break.
  void set_trouble(Trouble trouble, std::uint32_t lanes, int number) noexcept;

  // What happened to the files, as lines for the log (RegionCare::look()). With each tick.
  std::vector<std::string> look_after(RegionCare::TimePoint now);

  // The server's own reading, for its final ledger.
  Snapshot snapshot() const { return view_.read(); }

  const std::string& path() const noexcept { return path_; }
  // What an operator should know about the file's place; empty where it is fine.
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
