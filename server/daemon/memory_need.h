// How much memory a server may come to use, compared with the memory there is. Slots and queues
// become memory only as they are used: a server that is promised more than there is starts all the
// same, and is killed when it is busy.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "config/settings.h"
#include "server/daemon/machine.h"
#include "server/pipeline/assignment.h"
#include "stats/region_options.h"

namespace cpss {

// Max memory, in bytes.
struct MemoryNeed {
  std::uint64_t data = 0;     // in use before any lane runs: program, number table
  std::uint64_t slots = 0;    // and the queues that hold them
  std::uint64_t lanes = 0;    // stacks, receive memory, processes
  std::uint64_t sockets = 0;  // the kernel's buffers
  std::uint64_t region = 0;

  std::uint64_t total() const noexcept { return data + slots + lanes + sockets + region; }
};

// What the pipeline's options do not say, without the sockets' buffers. `proc`: where procfs is
// mounted.
MemoryNeed known_need(const RegionOptions& region, const std::string& proc);

// Fills in how much slots and lanes may use; the caller fills in the rest.
void add_memory_of(const PipelineOptions& options, const Assignment& assignment, MemoryNeed& need);

// The problem, with both figures and a breakdown; none: there is enough memory, or it is not known.
std::optional<std::string> memory_problem(const MemoryNeed& need, const PipelineOptions& options,
                                          const Machine& machine);

// Compares `known`, with the memory of slots and lanes, with the machine's. Throws
// std::runtime_error, or warns, as CPSS_MEMORY_CHECK says. Returns how many bytes there are beside
// all that; none: that is not known, or there is too little already.
std::optional<std::uint64_t> check_memory(const Settings& settings, const PipelineOptions& pipeline,
                                          const Assignment& assignment, const Machine& machine,
                                          MemoryNeed known,
                                          const std::function<void(const std::string&)>& warn);

}  // namespace cpss
