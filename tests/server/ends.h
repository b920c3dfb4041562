// Ends while lanes still work: in order, all is answered; forced, what is inside is booked, and
// nobody books it again.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tests/server/gated_echo.h"
#include "tests/server/live_pipeline.h"

namespace cpss::test {

// Ends in order while the service holds up some of `messages`, and lets them go on once the end has
// waited for a while; expects that all are answered.
void expect_end_answers_all(LivePipeline& live, GatedEcho& service, Client& client,
                            std::size_t messages);

// Takes over what is inside, as a forced end does, while the service holds it up; then lets the
// lanes go on with it and ends in order. Expects that all that was received is booked once, and
// that the lanes, too late, neither book nor send anything. Returns how many messages were inside.
std::uint64_t expect_booked_by_force(LivePipeline& live, GatedEcho& service, Client& client);

// The main thread and the lanes race for each of the messages, in every round anew; expects that
// together they book each once.
void expect_race_books_each_once(const PipelineOptions& options, unsigned messages, int rounds,
                                 std::size_t sockets = 1);

}  // namespace cpss::test
