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

template <class StepType, class PlaceType>
struct Pipeline::Station {
  std::string name;
  EventRing events;
  std::unique_ptr<StepType> step;
  std::unique_ptr<PlaceType> place;
  std::unique_ptr<Lane> lane;

  void make_lane(const std::vector<unsigned>& cpus) {
    lane = std::make_unique<Lane>(LaneOptions{name, cpus}, std::vector<Step*>{step.get()}, *place);
  }
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
  build_receive(options.receive, options, ports, admission, region);
  build_service(options.service, options, service, region);
  build_response(options.response, options, ports, region);
}

Pipeline::~Pipeline() {
  // Stations give their cached slots back to the pool, and wake by the events, until they are gone.
  response_.clear();
  service_.clear();
  receive_.clear();
  close(stop_event_);
  close(slots_event_);
}

void Pipeline::build_receive(const PoolOptions& pool, const PipelineOptions& options,
                             const std::vector<DatagramPort*>& ports, const Admission& admission,
                             StatsRegion& region) {
  for (unsigned i = 0; i < pool.lanes; ++i) {
    auto station = std::make_unique<Station<ReceiveStep, ReceiveWait>>();
    station->name = lane_name("recv", i);
    station->step = std::make_unique<ReceiveStep>(
        ReceiveStep::Wiring{ports, store_, *pool_, *requests_, admission, station->events,
                            options.batch, pool_lanes_},
        region.writer(next_block_++));
    station->place = std::make_unique<ReceiveWait>(
        ReceiveWait::Wiring{ports, *pool_, options.batch, pool.lanes, stop_event_}, *station->step);
    station->make_lane(pool.cpus);
    receive_.push_back(std::move(station));
  }
}

void Pipeline::build_service(const PoolOptions& pool, const PipelineOptions& options,
                             Service& service, StatsRegion& region) {
  for (unsigned i = 0; i < pool.lanes; ++i) {
    auto station = std::make_unique<Station<ServiceStep, QueueWait>>();
    station->name = lane_name("svc", i);
    station->step = std::make_unique<ServiceStep>(
        ServiceStep::Wiring{service, store_, *pool_, *requests_, *responses_, station->events,
                            options.batch, pool.lanes, pool_lanes_},
        region.writer(next_block_++));
    station->place = std::make_unique<QueueWait>(station->step->intake().consumer(), options.batch,
                                                 station->step->stats());
    station->make_lane(pool.cpus);
    service_.push_back(std::move(station));
  }
}

void Pipeline::build_response(const PoolOptions& pool, const PipelineOptions& options,
                              const std::vector<DatagramPort*>& ports, StatsRegion& region) {
  for (unsigned i = 0; i < pool.lanes; ++i) {
    auto station = std::make_unique<Station<ResponseStep, QueueWait>>();
    station->name = lane_name("resp", i);
    station->step = std::make_unique<ResponseStep>(
        ResponseStep::Wiring{ports, store_, *pool_, *responses_, station->events, options.batch,
                             pool.lanes, pool_lanes_},
        region.writer(next_block_++));
    station->place = std::make_unique<QueueWait>(station->step->intake().consumer(), options.batch,
                                                 station->step->stats());
    station->make_lane(pool.cpus);
    response_.push_back(std::move(station));
  }
}

// Downstream first, so that what is received finds its way.
void Pipeline::start() {
  try {
    for (auto& station : response_) station->lane->start();
    for (auto& station : service_) station->lane->start();
    for (auto& station : receive_) station->lane->start();
  } catch (...) {
    end([] { return false; });
    throw;
  }
}

template <class Stations>
bool Pipeline::join_all(Stations& stations, const std::function<bool()>& give_up) {
  for (auto& station : stations)
    while (!station->lane->join(std::chrono::steady_clock::now() + std::chrono::milliseconds(50)))
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
