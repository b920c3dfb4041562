#include "server/process_group.h"

#include <algorithm>
#include <system_error>
#include <thread>
#include <utility>

#include "server/plant.h"
#include "server/station.h"

namespace cpss {
namespace {

constexpr std::chrono::milliseconds kLook{5};  // for processes that have ended

// What one process is built with: a lane of its own, and its share of the slots, one at least.
PipelineOptions options_of_process(PipelineOptions options, std::size_t lane, std::size_t lanes) {
  const auto all = static_cast<std::size_t>(options.slots);
  options.slots = static_cast<std::uint32_t>(
      std::max<std::size_t>(all / lanes + (lane < all % lanes ? 1 : 0), 1));
  return options;
}

std::vector<std::string> names_of(const Assignment& assignment) {
  std::vector<std::string> names;
  for (const LanePlan& lane : assignment.lanes) names.push_back(lane.name);
  return names;
}

}  // namespace

ProcessGroup::ProcessGroup(const PipelineOptions& options, Assignment assignment, Service& service,
                           std::vector<DatagramPort*> ports, const Admission& admission,
                           StatsRegion& region)
    : options_(options),
      assignment_(std::move(assignment)),
      service_(service),
      ports_(std::move(ports)),
      admission_(admission),
      region_(region),
      board_(names_of(assignment_), options_.busy_rate, options_.cpus, Sharing::process_shared),
      main_(region.writer(blocks_of(assignment_, options_).size() - 1)) {
  for (std::size_t lane = 0; lane < assignment_.lanes.size(); ++lane)
    books_.emplace_back(writers_of(lane), true);
}

std::vector<StatsWriter> ProcessGroup::writers_of(std::size_t lane) const {
  const std::size_t blocks = blocks_of_lane(assignment_.lanes[lane]);
  std::vector<StatsWriter> writers;
  for (std::size_t i = 0; i < blocks; ++i) writers.push_back(region_.writer(lane * blocks + i));
  return writers;
}

void ProcessGroup::start() {
  for (std::size_t lane = 0; lane < assignment_.lanes.size(); ++lane) {
    const int error = start_process(lane);
    if (error == 0) continue;
    children_.kill_all();
    throw std::system_error(error, std::generic_category(),
                            "process " + assignment_.lanes[lane].name);
  }
}

int ProcessGroup::start_process(std::size_t lane) {
  const int error = children_.start(lane, assignment_.lanes[lane].name.c_str(), Outlives::no,
                                    [this, lane] { run_process(lane); });
  if (error == 0) main_.add(Counter::processes_started);
  return error;
}

// In the child.
void ProcessGroup::run_process(std::size_t lane) {
  const PipelineOptions options = options_of_process(options_, lane, assignment_.lanes.size());
  const LanePlan& plan = assignment_.lanes[lane];
  const Assignment alone{.lanes = {plan}, .socket_groups = assignment_.socket_groups};
  Plant plant({options, alone, service_, ports_, admission_, board_});
  Station station({plant, plan, lane, writers_of(lane)});
  station.lane().run_here();
}

void ProcessGroup::tick(StatsWriter&) {
  reap(main_, Reason::failed_dead_process);
}

void ProcessGroup::reap(StatsWriter& main, Reason lost_for) {
  children_.reap([&](std::size_t lane, bool well) {
    const std::uint64_t lost = books_[lane].book(lost_for, main);
    if (ending_) lost_at_end_ += lost;
    if (ending_ && well) return;
    main.add(Counter::processes_lost);
    // It counts as awake for good, if it was.
    if (!board_.progress(lane).waiting()) board_.awake().one_less();
    board_.progress(lane).waits(true);
    if (ending_) return;
    board_.events(lane).report(EventKind::process_died, 0);
    missing_.push_back(lane);
  });
  if (ending_) return;
  std::erase_if(missing_, [this](std::size_t lane) {
    const int error = start_process(lane);
    if (error != 0) board_.events(lane).report(EventKind::process_not_started, error);
    return error == 0;
  });
}

bool ProcessGroup::end(const std::function<bool()>& give_up) {
  ending_ = true;
  board_.stop_receiving(options_.leave_unread);
  for (;;) {
    reap(main_, Reason::failed_dead_process);
    if (children_.running() == 0) return true;
    if (give_up()) return false;
    std::this_thread::sleep_for(kLook);
  }
}

void ProcessGroup::stop_receiving() {
  children_.kill_all();
}

std::uint64_t ProcessGroup::seize_all(StatsWriter& main) noexcept {
  reap(main, Reason::failed_forced_end);
  return std::exchange(lost_at_end_, 0);
}

}  // namespace cpss
