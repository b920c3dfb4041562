// A queue of slot indexes for any number of producers and consumers that is never full.
//
// A bounded ring of cells, one for each slot there is (rounded up to a power of two), three 64-bit
// counters and a semaphore that counts ready entries:
//
//     head          published            claimed
//      v                v                   v
//   ...[a][b][c][d][e][f][ ][g][ ][ ].......         a-f ready, g written behind a gap
//      '----tokens----'
//
//   claimed    next position a producer gets (fetch-add)
//   published  all cells before it are written; a token has been or is about to be posted for each
//   head       all cells before it have been taken
//
// A cell is one 64-bit word {turn, index}. The turn says which lap over the ring wrote it, so that
// a cell of an earlier lap is not taken for a new one.
//
//   put   claims positions, writes the cells, then advances `published` over every contiguous
//         written cell, its own or others', and posts one token for each cell it passed.
//   take  with k tokens in hand reads k cells from the head, and only then moves the head by
//         compare-exchange; if another consumer was faster, it reads again. It never owns a cell,
//         so a consumer that stops anywhere keeps no producer from its cell.
//
// Two semaphores and two counters alone would be right for one producer and one consumer only: a
// token says that some cell is ready, not which. See README.md for the counter-example.
//
// Thread-safety: any number of threads, each with a Producer or a Consumer of its own; of processes
// too, if the scope is process_shared. The object and its cells live in memory handed in by the
// caller (zeroed, aligned to 64 bytes, create()); it holds no pointer, so every process may map it
// elsewhere.
//
// Invariants
//   Q1  A slot is in the queue at most once, so claimed - head <= slots <= cells: no producer ever
//       waits for a cell, and no cell is written before the head has passed its last lap.
//   Q2  head <= published <= claimed. All cells before `published` are written.
//   Q3  tokens posted = published, less those that producers between mark and post still owe;
//       tokens taken - tokens in hand = head. So a consumer that holds k tokens finds k written
//       cells at the head.
//   Q4  If the cell at `published` is written, some producer is inside put() and will pass it.
//
// Memory orders (each with its partner; the table with the stories is in README.md)
//   (a) cell store, release          -> scan load, acquire: what the other producer wrote before
//                                       its cell is visible to the producer that publishes it
//   (b) `published` read-modify-write, acq_rel -> the same: if two producers each write a cell and
//                                       then look, the later one sees the other's cell (Q4). With a
//                                       plain load both could miss: a store and a later load of
//                                       another location may be reordered, on x86 too.
//   (c) semaphore post, release      -> take, acquire: cells and slots are visible to the taker
//   (d) head compare-exchange, acq_rel -> head load, acquire: a consumer that was overtaken sees
//                                       what the one that overtook it saw, so it also sees cells
//                                       published by posts it has not synchronised with itself
//   (e) claim fetch-add, acq_rel     -> the same: orders every take of a lap before the writes of
//                                       the next (Q1)
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <utility>

#include "queue/semaphore.h"

namespace cpss {

template <class Platform>
class alignas(64) BasicSlotQueue {
 public:
  // Bytes of memory that a queue for `slots` slots needs (1 to 2^30 - 1 slots).
  static std::size_t bytes(std::uint64_t slots) noexcept {
    return sizeof(BasicSlotQueue) + std::bit_ceil(slots) * sizeof(Cell);
  }

  // Builds a queue in zeroed memory of bytes(slots), aligned to 64; the caller keeps the memory
  // until no thread uses the queue. `start` is where the counters begin (tests begin just before a
  // wrap).
  static BasicSlotQueue* create(void* memory, std::uint64_t slots, WakeOptions wake = {},
                                std::uint64_t start = 0) noexcept {
    invariant(slots > 0 && slots <= BasicSemaphore<Platform>::kMaxValue, "slots are within range");
    return new (memory) BasicSlotQueue(std::bit_ceil(slots), wake, start);
  }

  class Producer {
   public:
    explicit Producer(BasicSlotQueue& queue) noexcept : queue_(&queue) {}
    // Puts all `slots`, in order. PostResult.value is the entries ready right after the post, or 0
    // if a producer that is still writing an earlier cell will do the posting.
    PostResult put(std::span<const std::uint32_t> slots) noexcept { return queue_->put(slots); }

   private:
    BasicSlotQueue* queue_;
  };

  // One lane's access. Keeps the tokens that a wait brought until try_take() uses them.
  class Consumer {
   public:
    // `lanes` share the queue: one take is at most ready / lanes, rounded up.
    Consumer(BasicSlotQueue& queue, std::uint32_t lanes) noexcept : queue_(&queue), lanes_(lanes) {}
    ~Consumer() { give_back(); }
    Consumer(const Consumer&) = delete;
    Consumer& operator=(const Consumer&) = delete;

    // Takes up to out.size() slots, oldest first, without waiting.
    std::size_t try_take(std::span<std::uint32_t> out) noexcept {
      const auto max = static_cast<std::uint32_t>(out.size());
      if (tokens_ == 0) tokens_ = queue_->ready_.try_take(max, lanes_);
      const std::uint32_t count = std::min(tokens_, max);
      if (count == 0) return 0;
      queue_->read(out.first(count));
      tokens_ -= count;
      return count;
    }

    // Waits until try_take() will yield something (taken), or the queue is closed and empty
    // (closed), or the deadline has passed. At most `max` slots are set aside for this lane.
    TakeResult wait(std::uint32_t max, Deadline deadline = kNoDeadline) noexcept {
      if (tokens_ > 0) return {TakeStatus::taken, tokens_, 0};
      const TakeResult result = queue_->ready_.take(max, lanes_, deadline);
      tokens_ = result.tokens;
      return result;
    }

    // A wait in steps, for lanes that sleep elsewhere: see BasicSemaphore. poll_wait() sets entries
    // aside for try_take().
    bool begin_wait() noexcept { return queue_->ready_.begin_wait(); }
    TakeResult poll_wait(std::uint32_t max) noexcept {
      const TakeResult result = queue_->ready_.poll_wait(max, lanes_);
      tokens_ += result.tokens;
      return result;
    }
    std::uint32_t end_wait() noexcept { return queue_->ready_.end_wait(); }
    std::uint32_t pass_on() noexcept { return queue_->ready_.pass_on(); }
    int event_fd() const noexcept { return queue_->ready_.event_fd(); }

    // A guess: there was nothing to take.
    bool empty_guess() const noexcept { return tokens_ == 0 && ready_guess() == 0; }
    std::uint32_t ready_guess() const noexcept { return queue_->ready_guess(); }
    // Entries that a wait has set aside, which no other lane sees.
    std::uint32_t set_aside() const noexcept { return tokens_; }
    // Gives the entries that a wait has set aside to the other lanes. Returns how many it woke.
    std::uint32_t give_back() noexcept {
      if (tokens_ == 0) return 0;
      return queue_->ready_.post(std::exchange(tokens_, 0)).wakes;
    }

   private:
    BasicSlotQueue* queue_;
    std::uint32_t lanes_;
    std::uint32_t tokens_ = 0;
  };

  // For a thread that calls at intervals: see BasicSemaphore.
  std::uint32_t remind() noexcept { return ready_.remind(); }

  // After the last put: consumers get the remaining entries, then `closed`.
  void close() noexcept { ready_.close(); }

  // A guess: entries that were ready at some moment during the call.
  std::uint32_t ready_guess() const noexcept { return ready_.value_guess(); }
  // A guess: lanes that waited.
  std::uint32_t waiters_guess() const noexcept { return ready_.waiters_guess(); }
  // A guess: nothing is ready, and `consumers` lanes wait.
  bool idle_guess(std::uint32_t consumers) const noexcept { return ready_.idle_guess(consumers); }

 private:
  using Steps = typename Platform::Steps;
  friend Steps;  // a mutant's may look at what it must not
  template <class T>
  using Atomic = typename Platform::template Atomic<T>;
  using Cell = typename Platform::template Word<std::uint64_t>;

  BasicSlotQueue(std::uint64_t cells, WakeOptions wake, std::uint64_t start) noexcept
      : mask_(cells - 1),
        turn_shift_(static_cast<std::uint32_t>(std::countr_zero(cells))),
        ready_(0, wake),
        claimed_(start),
        published_(start),
        head_(start) {
    // Zeroed memory reads as "turn 0", which is right when counting starts at 0 and leaves the
    // pages untouched.
    for (std::uint64_t i = 0; start != 0 && i < cells; ++i)
      cell(start + i).store(pack(turn_of(start + i - cells), 0), std::memory_order_relaxed);
  }

  static std::uint64_t pack(std::uint32_t turn, std::uint32_t index) noexcept {
    return std::uint64_t{turn} << 32 | index;
  }
  // Laps are counted from 1, so that zeroed memory is no written cell. 32 bits are enough for them:
  // by Q1 a cell can only be confused with its own previous lap.
  std::uint32_t turn_of(std::uint64_t position) const noexcept {
    return static_cast<std::uint32_t>((position >> turn_shift_) + 1);
  }
  Cell& cell(std::uint64_t position) noexcept {
    return reinterpret_cast<Cell*>(this + 1)[position & mask_];
  }
  // Whether the cell holds an entry of this lap. Else, by Q1, it holds one of the lap before, whose
  // turn differs: so the answer is exact.
  bool written(std::uint64_t position) noexcept {
    const auto turn = static_cast<std::uint32_t>(cell(position).load(Steps::kScan) >> 32);
    return Steps::written(*this, position, turn == turn_of(Steps::in_lap_of(position)));
  }

  PostResult put(std::span<const std::uint32_t> slots) noexcept {
    const std::uint64_t count = slots.size();
    if (count == 0) return {};
    const auto write = [&] {
      const std::uint64_t first = claimed_.fetch_add(count, std::memory_order_acq_rel);  // (e)
      Platform::pause(PausePoint::queue_claimed);
      for (std::uint64_t i = 0; i < count; ++i)
        cell(first + i).store(pack(turn_of(first + i), slots[i]), Steps::kCell);  // (a)
      Platform::pause(PausePoint::queue_written);
      return publish(first, count);
    };
    const auto post = [&](std::uint64_t passed) {
      Platform::pause(PausePoint::queue_published);
      return ready_.post(static_cast<std::uint32_t>(passed));  // (c)
    };
    return Steps::put(count, write, post);
  }

  // Advances the mark over all contiguous written cells; returns how many it passed. Returns only
  // when it has seen, after its last read-modify-write of the mark, an unwritten cell there: that
  // cell's producer has its own read-modify-write still to come, and will see ours (Q4).
  std::uint64_t publish(std::uint64_t first, std::uint64_t count) noexcept {
    std::uint64_t passed = 0;
    std::uint64_t mark = first;  // in the common case no producer before us is still writing
    std::uint64_t ahead = count;
    for (;;) {
      const bool advanced = published_.compare_exchange_strong(mark, mark + ahead, Steps::kMark,
                                                               std::memory_order_relaxed);  // (b)
      if (advanced) {
        passed += ahead;
        mark += ahead;
      } else {
        mark = Steps::read_mark(published_);  // (b)
      }
      ahead = Steps::ahead([&] { return written_from(mark); }, advanced);
      if (ahead == 0) return passed;
    }
  }

  // How many cells in a row are written, from this position on.
  std::uint64_t written_from(std::uint64_t position) noexcept {
    std::uint64_t count = 0;
    while (count <= mask_ && written(position + count)) ++count;
    return count;
  }

  // The caller holds out.size() tokens.
  void read(std::span<std::uint32_t> out) noexcept {
    const std::uint64_t count = out.size();
    Platform::pause(PausePoint::queue_tokens_in_hand);
    std::uint64_t head = head_.load(Steps::kHeadLoad);  // (d)
    // Relaxed: (c) and (d) made the cells visible, and the compare-exchange proves that no consumer
    // has taken them since `head` was read, so no producer may have overwritten them.
    const auto copy = [&] {
      for (std::uint64_t i = 0; i < count; ++i)
        out[i] = static_cast<std::uint32_t>(cell(head + i).load(std::memory_order_relaxed));
      Platform::pause(PausePoint::queue_cells_read);
    };
    const auto advance = [&] {
      return head_.compare_exchange_weak(head, head + Steps::taken_cells(count), Steps::kHead,
                                         Steps::kHeadLoad);  // (d)
    };
    while (!Steps::copy_and_advance(copy, advance)) {
    }
  }

  // Constant.
  const std::uint64_t mask_;
  const std::uint32_t turn_shift_;
  // Producers and consumers, a cache line of its own (the class aligns itself).
  BasicSemaphore<Platform> ready_;
  // Producers.
  alignas(64) Atomic<std::uint64_t> claimed_;
  alignas(64) Atomic<std::uint64_t> published_;
  // Consumers.
  alignas(64) Atomic<std::uint64_t> head_;
  // The cells follow the object.
};

using SlotQueue = BasicSlotQueue<NativePlatform>;
static_assert(ImplicitLifetime<NativePlatform::Word<std::uint64_t>>, "nobody constructs the cells");
static_assert(sizeof(SlotQueue) % 64 == 0, "the cells behind the object start on a cache line");

}  // namespace cpss
