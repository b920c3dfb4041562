// Each stage implements Step; a Lane (lane.h) calls it in a loop.
#pragma once

#include <cstddef>

#include "net/datagram_socket.h"

namespace cpss {

// One lane's share of a stage. Called by that lane's thread alone.
class Step {
 public:
  virtual ~Step() = default;

  // Takes up to a batch, processes it and hands it on. Never waits for work and never holds a batch
  // back to fill it. Returns how many messages it moved; 0: there is nothing to do now.
  virtual std::size_t run() noexcept = 0;

  // Called after run(). True: another run() at once may find something. False: the lane waits, even
  // if this run() has moved messages.
  virtual bool may_look_again() const noexcept { return true; }

  // The socket in which the step needs room before it can go on; null: none. The lane waits for
  // that room, beside everything else.
  virtual DatagramSocket* blocked_on() const noexcept { return nullptr; }

  // The lane is about to wait: the step gives up everything that other lanes could use.
  virtual void before_wait() noexcept {}
};

// The one place where a lane waits.
class WaitPlace {
 public:
  virtual ~WaitPlace() = default;
  // Waits until there may be something to do. False: there never will be again, the lane ends.
  virtual bool wait() noexcept = 0;
};

}  // namespace cpss
