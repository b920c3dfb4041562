// The counting side of a server with one lane a stage, for tests of programs that read the region.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "stats/region.h"

namespace cpss::test {

inline RegionOptions sample_options(std::string path) {
  RegionOptions options;
  options.path = std::move(path);
  options.model = "seda";
  options.service = "lookup";
  options.listen = {"127.0.0.1:40001", "[::1]:40002"};
  options.blocks = {{"recv-0", StageId::receive},
                    {"svc-0", StageId::service},
                    {"resp-0", StageId::response},
                    {"main", StageId::server}};
  options.max_inside = 8192 + 64;
  options.slots = 8192;
  return options;
}

// Messages that a receive lane has handed on.
inline void count_forwarded(StatsWriter& receive, std::uint64_t n) {
  receive.add(Counter::received, n);
  receive.add(Counter::filled, n);
  receive.add(Counter::entered, n);
  receive.add(Counter::forwarded, n);
}

class SampleServer {
 public:
  explicit SampleServer(const RegionOptions& options)
      : region(options),
        receive(region.writer(0)),
        service(region.writer(1)),
        response(region.writer(2)),
        main(region.writer(3)) {}
  explicit SampleServer(std::string path) : SampleServer(sample_options(std::move(path))) {}

  // Messages that a reader can find in the request queue.
  void take_in(std::uint64_t n) { count_forwarded(receive, n); }
  void serve(std::uint64_t n) {
    service.add(Counter::entered, n);
    service.record(HistogramId::wait_ns, 1500, n);
    service.record(HistogramId::service_ns, 64000, n);
    service.record(HistogramId::cost_ns, 1000, n);
    service.record(HistogramId::batch, n);
    service.add(Counter::forwarded, n);
  }
  void answer(std::uint64_t n) {
    response.add(Counter::entered, n);
    response.record(HistogramId::wait_ns, 900, n);
    response.add(Counter::sent, n);
    response.book(Reason::answered, n);
    response.add(Counter::completed, n);
    response.add(Counter::given_back, n);
  }
  void answered(std::uint64_t n) {
    take_in(n);
    serve(n);
    answer(n);
  }
  void invalid(Reason reason, std::uint64_t n) {
    receive.add(Counter::received, n);
    receive.add(Counter::filled, n);
    receive.add(Counter::entered, n);
    receive.book(reason, n);
    receive.add(Counter::completed, n);
    receive.add(Counter::given_back, n);
  }

  StatsRegion region;
  StatsWriter receive, service, response, main;
};

}  // namespace cpss::test
