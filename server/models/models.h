// The server models: which lanes run which steps on which sockets. Each has a file of its own here.
//
// Pure functions.
#pragma once

#include "server/pipeline/assignment.h"

namespace cpss {

// Each stage on its own lanes, joined by queues (SEDA: Welsh, Culler, Brewer, SOSP 2001).
Assignment seda(const PipelineOptions& options);
// One lane runs all steps (single-process event-driven). This and the next three: Pai, Druschel,
// Zwaenepoel, "Flash", USENIX 1999.
Assignment sped(const PipelineOptions& options);
// Several such lanes (symmetric multi-process event-driven).
Assignment symped(const PipelineOptions& options);
// One such lane, and workers (the paper's helpers) for messages that may block (asymmetric
// multi-process event-driven).
Assignment amped(const PipelineOptions& options);
// Processes instead of threads.
Assignment mp(const PipelineOptions& options);

// How many processes of one message each `mp` may have at once, for each of options.lanes.
inline constexpr unsigned kForksPerLane = 8;

// The assignment of the model that options.model names.
Assignment assignment_of(const PipelineOptions& options);

}  // namespace cpss
