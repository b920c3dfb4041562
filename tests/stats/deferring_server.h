// The counting side of a server whose service defers: one worker, and one on-demand thread with its
// starter. For tests of programs that read the region.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "stats/region.h"
#include "tests/stats/sample_server.h"

namespace cpss::test {

inline RegionOptions deferring_options(std::string path) {
  RegionOptions options = sample_options(std::move(path));
  options.blocks = {{"recv-0", StageId::receive},     {"svc-0", StageId::service},
                    {"work-0", StageId::worker},      {"starter", StageId::on_demand},
                    {"demand-0", StageId::on_demand}, {"resp-0", StageId::response},
                    {"main", StageId::server}};
  return options;
}

class DeferringServer {
 public:
  explicit DeferringServer(std::string path)
      : region(deferring_options(std::move(path))),
        receive(region.writer(0)),
        service(region.writer(1)),
        worker(region.writer(2)),
        starter(region.writer(3)),
        on_demand(region.writer(4)),
        response(region.writer(5)),
        main(region.writer(6)) {}

  // Messages that a reader can find in the request queue.
  void take_in(std::uint64_t n) { count_forwarded(receive, n); }
  // ... that the service stage has taken from there and put into the response or the worker queue.
  void serve(std::uint64_t n) {
    enter(service, n);
    service.add(Counter::forwarded, n);
  }
  void defer(std::uint64_t n) {
    serve(n);
    service.add(Counter::deferred, n);
  }
  // ... that `lane`, the worker or the on-demand thread, has taken from the worker queue, and put
  // into the response queue.
  void work(StatsWriter& lane, std::uint64_t n) {
    enter(lane, n);
    lane.add(Counter::forwarded, n);
  }
  void answer(std::uint64_t n) {
    enter(response, n);
    response.add(Counter::sent, n);
    end(response, Reason::answered, n);
  }
  void enter(StatsWriter& lane, std::uint64_t n) {
    lane.add(Counter::entered, n);
    lane.record(HistogramId::wait_ns, 1500, n);
  }
  void end(StatsWriter& lane, Reason reason, std::uint64_t n) {
    lane.book(reason, n);
    lane.add(Counter::completed, n);
    lane.add(Counter::given_back, n);
  }
  // The service answers 10, the worker 6, on-demand threads 4; 2 of the worker's get no answer.
  void run_some() {
    take_in(22);
    serve(10);
    defer(12);
    work(worker, 6);
    enter(worker, 2);
    end(worker, Reason::no_answer, 2);
    work(on_demand, 4);
    answer(20);
  }

  StatsRegion region;
  StatsWriter receive, service, worker, starter, on_demand, response, main;
};

}  // namespace cpss::test
