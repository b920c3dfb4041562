#include "server/pipeline.h"

#include <cerrno>
#include <chrono>
#include <new>
#include <system_error>
#include <tuple>

#include <sys/eventfd.h>
#include <unistd.h>

namespace cpss {
namespace {

// The lane that starts the on-demand threads.
constexpr const char* kStarterName = "starter";

int make_event() {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  return fd;
}

Scope scope_of(Sharing sharing) {
  return sharing == Sharing::process_shared ? Scope::process_shared : Scope::process_private;
}

unsigned all_lanes(const PipelineOptions& options) {
  return options.receive.lanes + options.service.lanes + options.worker.lanes +
         options.on_demand_threads + options.response.lanes;
}

// Workers and on-demand threads keep none.
unsigned lanes_that_keep_slots(const PipelineOptions& options) {
  return options.receive.lanes + options.service.lanes + options.response.lanes;
}

std::string lane_name(const char* stage, unsigned number) {
  return stage + ("-" + std::to_string(number));
}

}  // namespace

std::vector<RegionBlock> blocks_of(const PipelineOptions& options) {
  std::vector<RegionBlock> blocks;
  const auto add = [&blocks](const char* name, const PoolOptions& pool, StageId stage) {
    for (unsigned i = 0; i < pool.lanes; ++i)
      blocks.push_back({lane_name(name, i), stage, pool.detail});
  };
  add("recv", options.receive, StageId::receive);
  add("svc", options.service, StageId::service);
  add("work", options.worker, StageId::worker);
  if (options.on_demand_threads > 0) blocks.push_back({kStarterName, StageId::on_demand});
  add("demand", {.lanes = options.on_demand_threads}, StageId::on_demand);
  add("resp", options.response, StageId::response);
  blocks.push_back({"main", StageId::server});
  return blocks;
}

// Every message inside holds a slot, or is in a spare batch; a receive batch is counted before its
// messages hold theirs, and every lane may have booked part of a batch.
std::uint64_t most_inside(const PipelineOptions& options) {
  const std::uint64_t spare = options.shed ? options.receive.lanes : 0;
  return options.slots + (spare + all_lanes(options)) * options.batch;
}

// Its parts refer to each other, so it stays where it is made.
template <class StepType, class PlaceType>
struct Pipeline::Station {
  template <class MakeStep, class MakePlace>
  Station(std::string lane_name, const PoolOptions& pool, StatsWriter stats,
          const MakeStep& make_step, const MakePlace& make_place)
      : name(std::move(lane_name)),
        step(make_step(events, stats)),
        place(make_place(step)),
        lane({name, pool.cpus, pool.real_time_priority}, {&step}, place) {}

  const std::string name;
  EventRing events;
  StepType step;
  PlaceType place;
  Lane lane;
};

Pipeline::Pipeline(const PipelineOptions& options, Service& service,
                   std::vector<DatagramPort*> ports, const Admission& admission,
                   StatsRegion& region)
    : pool_lanes_(lanes_that_keep_slots(options)),
      slots_event_(make_event()),
      stop_event_(make_event()),
      longest_wait_(options.sharing == Sharing::process_shared ? LongestWait(kSharedWait)
                                                               : std::nullopt),
      reply_address_(options.reply_address),
      busy_budget_(options.busy_rate),
      pool_memory_(SlotPool::bytes(options.slots), options.sharing, "cpss-slot-pool"),
      request_memory_(SlotQueue::bytes(options.slots), options.sharing, "cpss-request-queue"),
      response_memory_(SlotQueue::bytes(options.slots), options.sharing, "cpss-response-queue"),
      store_(options.slots, options.window_bytes, options.sharing),
      pool_(SlotPool::create(pool_memory_.data(), options.slots,
                             {scope_of(options.sharing), slots_event_})),
      requests_(SlotQueue::create(request_memory_.data(), options.slots,
                                  {scope_of(options.sharing), -1})),
      responses_(SlotQueue::create(response_memory_.data(), options.slots,
                                   {scope_of(options.sharing), -1})) {
  // In the order of blocks_of().
  build_receive(options, service, ports, admission, region);
  if (options.worker.lanes > 0) {
    const Scope scope = scope_of(options.sharing);
    worker_memory_.emplace(WorkerQueue::bytes() + sizeof(Crowd), options.sharing,
                           "cpss-worker-queue");
    worker_queue_ = WorkerQueue::create(worker_memory_->data(), options.worker_queue, scope);
    crowd_ = new (worker_memory_->data() + WorkerQueue::bytes())
        Crowd(options.worker.lanes, options.on_demand_threads, scope);
  }
  build_service(options, service, region);
  if (options.worker.lanes > 0) build_workers(options, service, region);
  build_response(options, ports, region);
}

void Pipeline::build_receive(const PipelineOptions& options, const Service& service,
                             const std::vector<DatagramPort*>& ports, const Admission& admission,
                             StatsRegion& region) {
  std::optional<Shedding::Wiring> shedding;
  if (options.shed) shedding.emplace(Shedding::Wiring{service, busy_budget_, reply_address()});
  build(
      receive_, "recv", options.receive, region,
      [&](EventRing& events, StatsWriter stats) {
        return ReceiveStep({ports, store_, *pool_, *requests_, admission, events, options.batch,
                            options.receive.lanes, pool_lanes_, shedding},
                           stats);
      },
      [&](ReceiveStep& step) {
        return ReceiveWait(
            {ports, *pool_, options.batch, options.receive.lanes, stop_event_, longest_wait_},
            step);
      });
}

void Pipeline::build_service(const PipelineOptions& options, Service& service,
                             StatsRegion& region) {
  std::optional<ServiceStep::Deferral> deferral;
  if (worker_queue_ != nullptr)
    deferral.emplace(ServiceStep::Deferral{*worker_queue_, *crowd_, options.defer_all,
                                           options.shed ? &busy_budget_ : nullptr, longest_wait_});
  build(
      service_, "svc", options.service, region,
      [&](EventRing& events, StatsWriter stats) {
        return ServiceStep({service, store_, *pool_, *requests_, *responses_, events, options.batch,
                            options.service.lanes, pool_lanes_, deferral},
                           stats);
      },
      [&](ServiceStep& step) {
        return QueueWait(step.intake().consumer(), options.batch, step.stats(), longest_wait_);
      });
}

void Pipeline::build_workers(const PipelineOptions& options, Service& service,
                             StatsRegion& region) {
  build(
      worker_, "work", options.worker, region,
      [&](EventRing& events, StatsWriter stats) {
        return WorkerStep(
            {{service, store_, *pool_, *worker_queue_, *responses_, events, pool_lanes_},
             *crowd_,
             longest_wait_},
            stats);
      },
      [](WorkerStep& step) { return WorkerWait(step); });
  if (options.on_demand_threads == 0) return;
  const auto make_starter = [&](EventRing& events, StatsWriter stats) {
    return OnDemandStarter({service, store_, *pool_, *worker_queue_, *responses_, *crowd_, events,
                            pool_lanes_, options.worker.cpus, longest_wait_},
                           on_demand_places(options.on_demand_threads, region), stats);
  };
  starter_.push_back(std::make_unique<Station<OnDemandStarter, StarterWait>>(
      kStarterName, PoolOptions{.cpus = options.worker.cpus}, region.writer(next_block_++),
      make_starter, [](OnDemandStarter& starter) { return StarterWait(starter); }));
}

std::vector<OnDemandStarter::Place> Pipeline::on_demand_places(unsigned threads,
                                                               StatsRegion& region) {
  std::vector<OnDemandStarter::Place> places;
  for (unsigned i = 0; i < threads; ++i) {
    auto& [name, events] = on_demand_events_.emplace_back(
        std::piecewise_construct, std::tuple(lane_name("demand", i)), std::tuple());
    places.push_back({name, region.writer(next_block_++), events});
  }
  return places;
}

void Pipeline::build_response(const PipelineOptions& options,
                              const std::vector<DatagramPort*>& ports, StatsRegion& region) {
  build(
      response_, "resp", options.response, region,
      [&](EventRing& events, StatsWriter stats) {
        return ResponseStep({ports, store_, *pool_, *responses_, events, options.batch,
                             options.response.lanes, pool_lanes_, reply_address()},
                            stats);
      },
      [&](ResponseStep& step) {
        return QueueWait(step.intake().consumer(), options.batch, step.stats(), longest_wait_);
      });
}

Pipeline::~Pipeline() {
  // Stations give their cached slots back to the pool, and wake by the events, until they are gone.
  response_.clear();
  starter_.clear();
  worker_.clear();
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
        lane_name(name, i), pool, region.writer(next_block_++), make_step, make_place));
}

// Downstream first, so that what is received finds its way.
void Pipeline::start() {
  try {
    for (auto& station : response_) station->lane.start();
    for (auto& station : starter_) station->lane.start();
    for (auto& station : worker_) station->lane.start();
    for (auto& station : service_) station->lane.start();
    for (auto& station : receive_) station->lane.start();
  } catch (...) {
    // Nobody has closed the sockets: without slots the receive lanes end all the same.
    pool_->free_slots().close();
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
  if (worker_queue_ != nullptr) {
    worker_queue_->close();
    if (!join_all(worker_, give_up)) return false;
    // Threads that still run are joined by the starter.
    crowd_->close();
    if (!join_all(starter_, give_up)) return false;
  }
  responses_->close();
  return join_all(response_, give_up);
}

void Pipeline::stop_receiving() {
  pool_->free_slots().close();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  join_all(receive_, [deadline] { return std::chrono::steady_clock::now() >= deadline; });
}

std::uint64_t Pipeline::seize_all(StatsWriter& main) noexcept {
  std::uint64_t seized = 0;
  for (std::uint32_t slot = 0; slot < pool_->ever_used(); ++slot)
    if (store_.seize(slot)) ++seized;
  main.book(Reason::failed_forced_end, seized);
  main.add(Counter::retired, seized);
  main.add(Counter::given_back, seized);
  return seized;
}

std::uint64_t Pipeline::take_events(
    const std::function<void(const std::string& lane, const Event&)>& each) {
  std::uint64_t lost = 0;
  const auto take = [&](const std::string& lane, EventRing& ring) {
    Event event;
    while (ring.take(event)) each(lane, event);
    lost += ring.dropped();
  };
  const auto take_from = [&](auto& stations) {
    for (auto& station : stations) take(station->name, station->events);
  };
  take_from(receive_);
  take_from(service_);
  take_from(worker_);
  take_from(starter_);
  take_from(response_);
  for (auto& [name, ring] : on_demand_events_) take(name, ring);
  return lost;
}

}  // namespace cpss
