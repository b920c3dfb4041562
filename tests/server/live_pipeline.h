// A server model with its lanes or processes, real sockets on loopback and a stats region in a
// temporary folder, and a client to talk to it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/udp_socket.h"
#include "server/models/models.h"
#include "server/pipeline/pipeline.h"
#include "server/processes/process_group.h"
#include "stats/ledger.h"
#include "tests/server/loopback.h"
#include "tests/support/eventually.h"
#include "tests/support/temporary_folder.h"

namespace cpss::test {

// One lane in each pool, `slots` slots of 512 bytes, batches of 32.
PipelineOptions small_pipeline(std::uint32_t slots = 64);

class LiveServer {
 public:
  Engine& engine() { return *engine_; }
  StatsWriter& main() { return main_; }
  const SocketAddress& address(std::size_t socket = 0) const {
    return sockets_[socket]->local_address();
  }
  std::vector<SocketAddress> addresses() const;

  Ledger ledger() const { return ledger_of(region_.snapshot()); }
  std::uint64_t reason(std::string_view full_name) const;
  std::uint64_t total(std::string_view counter) const { return region_.snapshot().total(counter); }
  // Ticks as the main thread does until `condition` holds; false if it does not within 20 s.
  template <class Condition>
  bool tick_until(Condition condition) {
    return eventually(
        [&] {
          engine_->tick();
          return condition();
        },
        std::chrono::seconds(20), std::chrono::milliseconds(1));
  }
  bool tick_until(std::string_view counter, std::uint64_t at_least) {
    return tick_until([&] { return total(counter) >= at_least; });
  }
  // False if the counter does not reach `at_least` within 20 s.
  bool wait_for(std::string_view counter, std::uint64_t at_least) const;
  // Waits until exactly that many messages are inside and all that came are counted.
  bool wait_until_inside(std::uint64_t messages) const;
  // Waits until that many datagrams have come, and each is booked and its slot given back: a reply
  // reaches the client before that. False if that takes longer than 20 s.
  bool wait_until_at_rest(std::uint64_t received) const;

  // Ends in order, without giving up; then expects that every identity at rest holds, with nothing
  // inside.
  void end_and_expect_at_rest();
  void expect_at_rest() const;

 protected:
  LiveServer(const PipelineOptions& options, std::size_t sockets);
  std::vector<DatagramSocket*> sockets() const;
  template <class Made, class... More>
  Made& make_engine(Service& service, const PipelineOptions& options, More... more) {
    auto made = std::make_unique<Made>(options, assignment_of(options), service, sockets(),
                                       access_control_, region_, std::move(more)...);
    Made& engine = *made;
    engine_ = std::move(made);
    return engine;
  }

 private:
  TemporaryFolder folder_;
  std::vector<std::unique_ptr<UdpSocket>> sockets_;
  StatsRegion region_;
  StatsWriter main_;
  AccessControl access_control_;
  std::unique_ptr<Engine> engine_;
};

// A server whose lanes are threads.
class LivePipeline final : public LiveServer {
 public:
  LivePipeline(Service& service, const PipelineOptions& options, std::size_t sockets = 1)
      : LiveServer(options, sockets),
        pipeline_(make_engine<Pipeline>(service, options,
                                        make_lane_states(assignment_of(options), service))) {}
  Pipeline& pipeline() { return pipeline_; }

 private:
  Pipeline& pipeline_;
};

// A server whose lanes are processes.
class LiveProcesses final : public LiveServer {
 public:
  LiveProcesses(Service& service, const PipelineOptions& options, std::size_t sockets = 1)
      : LiveServer(options, sockets), group_(make_engine<ProcessGroup>(service, options)) {}
  ProcessGroup& group() { return group_; }

 private:
  ProcessGroup& group_;
};

class Client {
 public:
  void send(std::string_view text, const SocketAddress& to);
  // In one packet, which a server whose options say `merged` gets as one arrival.
  void send_as_one(std::string_view text, std::size_t times, const SocketAddress& to);
  // Waits for that many replies, at most 20 s in all.
  std::vector<Datagram> receive(std::size_t replies);
  // The replies that have come by now.
  std::vector<Datagram> receive_now() { return receive_texts(socket_, 0); }
  // Sends "0", "1", ... to the addresses in turn, a few at a time, and waits for each echo. Returns
  // how many came back right.
  unsigned ask(unsigned requests, const std::vector<SocketAddress>& to);

 private:
  UdpSocket socket_{address("127.0.0.1"), {.gso = true}};
};

}  // namespace cpss::test
