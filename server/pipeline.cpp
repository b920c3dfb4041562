#include "server/pipeline.h"

#include <cerrno>
#include <chrono>
#include <system_error>

#include <sys/eventfd.h>
#include <unistd.h>

namespace cpss {
namespace {

int make_event() {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  return fd;
}

WakeOptions wake_by(int event_fd) {
  WakeOptions wake;
  wake.event_fd = event_fd;
  return wake;
}

unsigned all_lanes(const PipelineOptions& options) {
  return options.receive.lanes + options.service.lanes + options.response.lanes;
}

std::string lane_name(const char* stage, unsigned number) {
  return stage + ("-" + std::to_string(number));
}

}  // namespace

std::vector<RegionBlock> blocks_of(const PipelineOptions& options) {
  std::vector<RegionBlock> blocks;
  const auto add = [&blocks](const char* name, unsigned lanes, StageId stage) {
    for (unsigned i = 0; i < lanes; ++i) blocks.push_back({lane_name(name, i), stage});
  };
  add("recv", options.receive.lanes, StageId::receive);
  add("svc", options.service.lanes, StageId::service);
  add("resp", options.response.lanes, StageId::response);
  blocks.push_back({"main", StageId::server});
  return blocks;
}

// Every message inside holds a slot; a receive batch is counted before its messages hold theirs,
// and every lane may have booked part of a batch.
std::uint64_t most_inside(const PipelineOptions& options) {
  return options.slots + std::uint64_t{all_lanes(options)} * options.batch;
}

// Its parts refer to each other, so it stays where it is made.
template <class StepType, class PlaceType>
struct Pipeline::Station {
  template <class MakeStep, class MakePlace>
  Station(std::string lane_name, const std::vector<unsigned>& cpus, StatsWriter stats,
          const MakeStep& make_step, const MakePlace& make_place)
      : name(std::move(lane_name)),
        step(make_step(events, stats)),
        place(make_place(step)),
        lane({name, cpus}, {&step}, place) {}

  const std::string name;
  EventRing events;
  StepType step;
  PlaceType place;
  Lane lane;
};

Pipeline::Pipeline(const PipelineOptions& options, Service& service,
                   std::vector<DatagramPort*> ports, const Admission& admission,
                   StatsRegion& region)
    : pool_lanes_(all_lanes(options)),
      slots_event_(make_event()),
      stop_event_(make_event()),
      pool_memory_(SlotPool::bytes(options.slots)),
      request_memory_(SlotQueue::bytes(options.slots)),
      response_memory_(SlotQueue::bytes(options.slots)),
      store_(options.slots, options.window_bytes),
      pool_(SlotPool::create(pool_memory_.data(), options.slots, wake_by(slots_event_))),
      requests_(SlotQueue::create(request_memory_.data(), options.slots)),
      responses_(SlotQueue::create(response_memory_.data(), options.slots)) {
  // In the order of blocks_of().
  build(
      receive_, "recv", options.receive, region,
      [&](EventRing& events, StatsWriter stats) {
        return ReceiveStep(
            {ports, store_, *pool_, *requests_, admission, events, options.batch, pool_lanes_},
            stats);
      },
      [&](ReceiveStep& step) {
        return ReceiveWait({ports, *pool_, options.batch, options.receive.lanes, stop_event_},
                           step);
      });
  build(
      service_, "svc", options.service, region,
      [&](EventRing& events, StatsWriter stats) {
        return ServiceStep({service, store_, *pool_, *requests_, *responses_, events, options.batch,
                            options.service.lanes, pool_lanes_},
                           stats);
      },
      [&](ServiceStep& step) {
        return QueueWait(step.intake().consumer(), options.batch, step.stats());
      });
  build(
      response_, "resp", options.response, region,
      [&](EventRing& events, StatsWriter stats) {
        return ResponseStep({ports, store_, *pool_, *responses_, events, options.batch,
                             options.response.lanes, pool_lanes_},
                            stats);
      },
      [&](ResponseStep& step) {
        return QueueWait(step.intake().consumer(), options.batch, step.stats());
      });
}

Pipeline::~Pipeline() {
  // Stations give their cached slots back to the pool, and wake by the events, until they are gone.
  response_.clear();
  service_.clear();
  receive_.clear();
  close(stop_event_);
  close(slots_event_);
}

template <class StepType, class PlaceType, class MakeStep, class MakePlace>
void Pipeline::build(Stations<StepType, PlaceType>& stations, const char* name,
                     const PoolOptions& pool, StatsRegion& region, const MakeStep& make_step,
                     const MakePlace& make_place) {
  for (unsigned i = 0; i < pool.lanes; ++i)
    stations.push_back(std::make_unique<Station<StepType, PlaceType>>(
        lane_name(name, i), pool.cpus, region.writer(next_block_++), make_step, make_place));
}

// Downstream first, so that what is received finds its way.
void Pipeline::start() {
  try {
    for (auto& station : response_) station->lane.start();
    for (auto& station : service_) station->lane.start();
    for (auto& station : receive_) station->lane.start();
  } catch (...) {
    end([] { return false; });
    throw;
  }
}

template <class AnyStations>
bool Pipeline::join_all(AnyStations& stations, const std::function<bool()>& give_up) {
  for (auto& station : stations)
    while (!station->lane.join(std::chrono::steady_clock::now() + std::chrono::milliseconds(50)))
      if (give_up()) return false;
  return true;
}

bool Pipeline::end(const std::function<bool()>& give_up) {
  NativePlatform::signal(stop_event_);
  if (!join_all(receive_, give_up)) return false;
  requests_->close();
  if (!join_all(service_, give_up)) return false;
  responses_->close();
  return join_all(response_, give_up);
}

std::uint64_t Pipeline::seize_all(StatsWriter& main) noexcept {
  std::uint64_t seized = 0;
  for (std::uint32_t slot = 0; slot < store_.slots(); ++slot)
    if (store_.seize(slot)) ++seized;
  main.book(Reason::failed_forced_end, seized);
  main.add(Counter::retired, seized);
  main.add(Counter::given_back, seized);
  return seized;
}

std::uint64_t Pipeline::take_events(
    const std::function<void(const std::string& lane, const Event&)>& each) {
  std::uint64_t lost = 0;
  const auto take_from = [&](auto& stations) {
    for (auto& station : stations) {
      Event event;
      while (station->events.take(event)) each(station->name, event);
      lost += station->events.dropped();
    }
  };
  take_from(receive_);
  take_from(service_);
  take_from(response_);
  return lost;
}

}  // namespace cpss
