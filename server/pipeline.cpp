#include "server/pipeline.h"

#include <cerrno>
#include <chrono>
#include <new>
#include <system_error>
#include <tuple>

#include <sys/eventfd.h>
#include <unistd.h>

#include "net/segmentation.h"

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

// Whether lanes of one pool may do the work of another's: only where the scheduler would treat it
// alike.
bool helps(const PipelineOptions& options, const PoolOptions& from, const PoolOptions& to) {
  return options.help_most && from.cpus == to.cpus &&
         from.real_time_priority == to.real_time_priority;
}

// A receive lane must not wait for a service: it would keep what others have sent from those that
// could answer it. Without workers it leaves what is deferred to a service lane
// (ServiceStep::help); under CPSS_OVERLOAD=block a service lane may wait for room in the worker
// queue.
bool receive_helps_service(const PipelineOptions& options) {
  return (options.worker.lanes == 0 || options.shed) &&
         helps(options, options.receive, options.service);
}

std::uint64_t help_most_ns(const PipelineOptions& options) {
  return static_cast<std::uint64_t>(options.help_most->count());
}

}  // namespace

std::vector<RegionBlock> blocks_of(const PipelineOptions& options) {
  std::vector<RegionBlock> blocks;
  const auto add = [&blocks](const std::string& lane, StageId stage, const PoolOptions& pool,
                             bool helper = false) {
    blocks.push_back({lane, stage, pool.detail, helper});
  };
  const auto for_each_lane = [](const char* name, const PoolOptions& pool, const auto& each) {
    for (unsigned i = 0; i < pool.lanes; ++i) each(lane_name(name, i));
  };
  for_each_lane("recv", options.receive, [&](const std::string& lane) {
    add(lane, StageId::receive, options.receive);
    if (!receive_helps_service(options)) return;
    if (helps(options, options.receive, options.response))
      add(lane, StageId::response, options.response, true);
    add(lane, StageId::service, options.service, true);
  });
  for_each_lane("svc", options.service, [&](const std::string& lane) {
    add(lane, StageId::service, options.service);
    if (helps(options, options.service, options.response))
      add(lane, StageId::response, options.response, true);
  });
  for_each_lane("work", options.worker,
                [&](const std::string& lane) { add(lane, StageId::worker, options.worker); });
  const PoolOptions on_demand{.lanes = options.on_demand_threads};
  if (on_demand.lanes > 0) add(kStarterName, StageId::on_demand, on_demand);
  for_each_lane("demand", on_demand,
                [&](const std::string& lane) { add(lane, StageId::on_demand, on_demand); });
  for_each_lane("resp", options.response,
                [&](const std::string& lane) { add(lane, StageId::response, options.response); });
  add("main", StageId::server, {});
  return blocks;
}

// Every message inside holds a slot, or is shed; or it came merged with others and waits for a slot
// in its receive lane. A receive batch is counted before its messages hold theirs, and every lane
// may have booked part of a batch.
std::uint64_t most_inside(const PipelineOptions& options) {
  const std::uint64_t per_arrival = options.merged ? kMostSegments : options.shed ? 1 : 0;
  const std::uint64_t received = options.receive.lanes * per_arrival;
  return options.slots + (received + all_lanes(options)) * options.batch;
}

struct Pipeline::Helpers {
  std::optional<ResponseStep> response;
  std::optional<ServiceStep> service;
};

// Its parts refer to each other, so it stays where it is made.
template <class StepType, class PlaceType>
struct Pipeline::Station {
  template <class MakeStep, class MakePlace>
  Station(std::string lane_name, const PoolOptions& pool, const LaneSetup& setup, StatsWriter stats,
          const MakeStep& make_step, const MakePlace& make_place)
      : name(std::move(lane_name)),
        context(setup.pool, setup.kept_slots, setup.pool_lanes),
        step(make_step(context, helpers, stats)),
        place(make_place(step)),
        // A real-time lane that looks again keeps everybody else from running.
        lane({name, pool.cpus, pool.real_time_priority, pool.real_time_priority ? 0 : setup.spin_ns,
              &setup.awake},
             {&step}, place) {}

  const std::string name;
  LaneContext context;
  Helpers helpers;
  StepType step;
  PlaceType place;
  Lane lane;
};

Pipeline::Pipeline(const PipelineOptions& options, Service& service,
                   std::vector<DatagramPort*> ports, const Admission& admission,
                   StatsRegion& region)
    : options_(options),
      awake_lanes_(options.cpus),
      ports_(std::move(ports)),
      pool_lanes_(lanes_that_keep_slots(options)),
      slots_event_(make_event()),
      stop_event_(make_event()),
      longest_wait_(options.sharing == Sharing::process_shared ? LongestWait(kSharedWait)
                                                               : std::nullopt),
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
  if (options.worker.lanes > 0) {
    const Scope scope = scope_of(options.sharing);
    worker_memory_.emplace(WorkerQueue::bytes() + sizeof(Crowd), options.sharing,
                           "cpss-worker-queue");
    worker_queue_ = WorkerQueue::create(worker_memory_->data(), options.worker_queue, scope);
    crowd_ = new (worker_memory_->data() + WorkerQueue::bytes())
        Crowd(options.worker.lanes, options.on_demand_threads, scope);
  }
  // In the order of blocks_of().
  build_receive(service, admission, region);
  build_service(service, region);
  if (options.worker.lanes > 0) build_workers(service, region);
  build_response(region);
}

Pipeline::LaneSetup Pipeline::quick_lanes() {
  return {*pool_, 2 * options_.batch, pool_lanes_,
          static_cast<std::uint64_t>(options_.spin.count()), awake_lanes_};
}

// A lane that sleeps in its service keeps no slots from others, and its own waits are long.
Pipeline::LaneSetup Pipeline::blocking_lanes() {
  return {*pool_, 0, pool_lanes_, 0, awake_lanes_};
}

void Pipeline::build_receive(Service& service, const Admission& admission, StatsRegion& region) {
  std::optional<Shedding::Wiring> shedding;
  if (options_.shed) shedding.emplace(Shedding::Wiring{service, busy_budget_, reply_address()});
  build(
      receive_, "recv", options_.receive, quick_lanes(), region,
      [&](LaneContext& lane, Helpers& helpers, StatsWriter stats) {
        return ReceiveStep(
            {ports_, store_, *pool_, *requests_, admission, options_.batch, options_.receive.lanes,
             options_.merged, options_.pause.count() > 0, shedding},
            lane, stats, service_help(service, helpers, lane, region));
      },
      [&](ReceiveStep& step) {
        return ReceiveWait({ports_, *pool_, options_.batch, options_.receive.lanes, stop_event_,
                            longest_wait_, options_.pause},
                           step);
      });
}

ServiceStep::Wiring Pipeline::service_wiring(Service& service) {
  ServiceStep::Wiring wiring{service,
                             store_,
                             *requests_,
                             *responses_,
                             service_cost_,
                             options_.batch,
                             options_.service.lanes};
  if (worker_queue_ != nullptr)
    wiring.deferral.emplace(ServiceStep::Deferral{*worker_queue_, *crowd_, options_.defer_all,
                                                  options_.shed ? &busy_budget_ : nullptr,
                                                  longest_wait_});
  return wiring;
}

ResponseStep::Wiring Pipeline::response_wiring() {
  return {ports_,           store_,         *responses_,
          response_cost_,   options_.batch, options_.response.lanes,
          options_.grouped, reply_address()};
}

std::optional<Help> Pipeline::service_help(Service& service, Helpers& helpers, LaneContext& lane,
                                           StatsRegion& region) {
  if (!receive_helps_service(options_)) return {};
  const std::optional<Help> responses = response_help(options_.receive, helpers, lane, region);
  helpers.service.emplace(service_wiring(service), lane, region.writer(next_block_++), responses);
  return Help({*requests_, options_.service.lanes, service_cost_, help_most_ns(options_),
               options_.cpus == 1},
              *helpers.service, lane);
}

std::optional<Help> Pipeline::response_help(const PoolOptions& from, Helpers& helpers,
                                            LaneContext& lane, StatsRegion& region) {
  if (!helps(options_, from, options_.response)) return {};
  helpers.response.emplace(response_wiring(), lane, region.writer(next_block_++));
  return Help({*responses_, options_.response.lanes, response_cost_, help_most_ns(options_),
               options_.cpus == 1},
              *helpers.response, lane);
}

void Pipeline::build_service(Service& service, StatsRegion& region) {
  build(
      service_, "svc", options_.service, quick_lanes(), region,
      [&](LaneContext& lane, Helpers& helpers, StatsWriter stats) {
        return ServiceStep(service_wiring(service), lane, stats,
                           response_help(options_.service, helpers, lane, region));
      },
      [&](ServiceStep& step) {
        return QueueWait(step.intake().consumer(), options_.batch, step.stats(), longest_wait_);
      });
}

void Pipeline::build_workers(Service& service, StatsRegion& region) {
  build(
      worker_, "work", options_.worker, blocking_lanes(), region,
      [&](LaneContext& lane, Helpers&, StatsWriter stats) {
        return WorkerStep({{service, store_, *worker_queue_, *responses_}, *crowd_, longest_wait_},
                          lane, stats);
      },
      [](WorkerStep& step) { return WorkerWait(step); });
  if (options_.on_demand_threads == 0) return;
  const auto make_starter = [&](LaneContext& lane, Helpers&, StatsWriter stats) {
    return OnDemandStarter({service, store_, *worker_queue_, *responses_, *crowd_,
                            options_.worker.cpus, longest_wait_},
                           on_demand_places(options_.on_demand_threads, region), lane, stats);
  };
  starter_.push_back(std::make_unique<Station<OnDemandStarter, StarterWait>>(
      kStarterName, PoolOptions{.cpus = options_.worker.cpus}, blocking_lanes(),
      region.writer(next_block_++), make_starter,
      [](OnDemandStarter& starter) { return StarterWait(starter); }));
}

std::vector<OnDemandStarter::Place> Pipeline::on_demand_places(unsigned threads,
                                                               StatsRegion& region) {
  std::vector<OnDemandStarter::Place> places;
  for (unsigned i = 0; i < threads; ++i) {
    auto& [name, lane] =
        on_demand_lanes_.emplace_back(std::piecewise_construct, std::tuple(lane_name("demand", i)),
                                      std::tuple(std::ref(*pool_), 0U, pool_lanes_));
    places.push_back({name, region.writer(next_block_++), lane});
  }
  return places;
}

void Pipeline::build_response(StatsRegion& region) {
  build(
      response_, "resp", options_.response, quick_lanes(), region,
      [&](LaneContext& lane, Helpers&, StatsWriter stats) {
        return ResponseStep(response_wiring(), lane, stats);
      },
      [&](ResponseStep& step) {
        return QueueWait(step.intake().consumer(), options_.batch, step.stats(), longest_wait_);
      });
}

Pipeline::~Pipeline() {
  // Stations give their cached slots back to the pool, and wake by the events, until they are gone.
  response_.clear();
  starter_.clear();
  worker_.clear();
  service_.clear();
  receive_.clear();
  on_demand_lanes_.clear();
  close(stop_event_);
  close(slots_event_);
}

template <class StepType, class PlaceType, class MakeStep, class MakePlace>
void Pipeline::build(Stations<StepType, PlaceType>& stations, const char* name,
                     const PoolOptions& pool, const LaneSetup& setup, StatsRegion& region,
                     const MakeStep& make_step, const MakePlace& make_place) {
  for (unsigned i = 0; i < pool.lanes; ++i)
    stations.push_back(std::make_unique<Station<StepType, PlaceType>>(
        lane_name(name, i), pool, setup, region.writer(next_block_++), make_step, make_place));
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
    for (auto& station : stations) take(station->name, station->context.events);
  };
  take_from(receive_);
  take_from(service_);
  take_from(worker_);
  take_from(starter_);
  take_from(response_);
  for (auto& [name, lane] : on_demand_lanes_) take(name, lane.events);
  return lost;
}

}  // namespace cpss
