// Services that misbehave, each in one way, for tests of the server and of the load client.
#pragma once

#include "services/registry.h"

namespace cpss {

// The built-in services and:
//   slow          echoes after sleeping TEST_SLEEP_US microseconds for each message
//   slow-to-start echoes; its lanes do not start while the file TEST_GATE exists
//   gated         echoes, but not while the file TEST_GATE exists
//   wrong-lookup  lookup, with one byte of every TEST_EVERY-th reply changed
//   silent        answers nothing, by design
//   mute          gives no verdict
//   too-long      replies with one byte more than allowed
//   thrower       throws for requests that begin with '!', echoes others
//   crasher       ends its process for requests that begin with '!', echoes others
//   gated-deferral  echoes; defers requests that begin with '!', and then stops like `gated`
//   deferring     defers every message, echoes it then; defers again those that begin with '!'
// The busy reply of slow and gated is the request with kBusyMark as its first byte.
inline constexpr char kBusyMark = '~';

ServiceRegistry test_services();

}  // namespace cpss
