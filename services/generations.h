// Data that are replaced while lanes read them: each lane reads one generation of them at a time,
// and none is freed while a lane reads it.
//
//   main:  publish(new) ─► current ◄─ enter() ─ a lane: marks what it reads, and looks again
//          reclaim() frees old ones that no lane has marked
//
// What a lane shows of itself is one word: the generation that it reads, or none. So a publication
// never waits for a lane, nor a lane for a publication, and a lane that sleeps holds nothing back.
// (Hazard pointers: Michael, IEEE TPDS 15(6), 2004. A lane has one; there are two or three old
// generations at most, and some dozens of lanes.)
//
// Invariant: a generation that is not current and not marked is read by nobody, ever again.
// Memory orders (each with its partner): the lane stores its mark, and then loads `current` again;
// main stores `current`, and then loads the marks. All four are seq_cst: so either main sees the
// mark, or the lane sees that there is a newer generation, and marks that. leave() stores with
// release, and main loads with acquire: what the lane has read is read before it is freed.
//
// Thread-safety: main alone publishes and reclaims, or, in a process that serves, the thread that
// takes over new data (server/processes/data_channel.h): it is called main here as well. A Reader
// is one lane's. Readers are made, and destroyed, while no other thread uses the object.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cpss {

template <class Data>
class Generations {
 public:
  explicit Generations(Data first) : current_(new Generation(std::move(first), 1)) {}
  ~Generations() {
    delete current_.load(std::memory_order_relaxed);
    for (Generation* old : old_) delete old;
  }
  Generations(const Generations&) = delete;
  Generations& operator=(const Generations&) = delete;

  // One lane's access.
  class Reader {
   public:
    explicit Reader(Generations& generations) : generations_(generations) {
      generations_.readers_.push_back(this);
    }
    ~Reader() { std::erase(generations_.readers_, this); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    // The current data, valid until leave(). Not twice without leave().
    const Data& enter() noexcept {
      Generation* seen = generations_.current_.load(std::memory_order_seq_cst);
      for (;;) {
        mark_.store(seen, std::memory_order_seq_cst);
        Generation* const again = generations_.current_.load(std::memory_order_seq_cst);
        if (again == seen) return seen->data;
        seen = again;
      }
    }
    void leave() noexcept { mark_.store(nullptr, std::memory_order_release); }

   private:
    friend Generations;

    Generations& generations_;
    // A cache line of its own: the lane writes it for every batch.
    alignas(64) std::atomic<const void*> mark_{nullptr};
  };

  // Makes these the data that lanes read from their next batch on. Main.
  void publish(Data data) {
    old_.reserve(old_.size() + 1);
    auto next = std::make_unique<Generation>(std::move(data), number() + 1);
    old_.push_back(current_.exchange(next.release(), std::memory_order_seq_cst));
  }
  // Frees old ones that no lane reads; returns how many are left. Main.
  std::size_t reclaim() {
    std::erase_if(old_, [this](Generation* old) {
      if (marked_by(old)) return false;
      delete old;
      return true;
    });
    return old_.size();
  }

  // Of the current one: 1, and one more with each publication. Main, as all that follow.
  std::uint64_t number() const noexcept { return newest().number; }
  const Data& current() const noexcept { return newest().data; }
  // A reader, in the order in which they were made, that keeps the oldest one from being freed.
  std::optional<std::size_t> keeper() const noexcept {
    return old_.empty() ? std::nullopt : marked_by(old_.front());
  }

 private:
  struct Generation {
    Generation(Data&& its_data, std::uint64_t its_number)
        : data(std::move(its_data)), number(its_number) {}
    const Data data;
    const std::uint64_t number;
  };

  const Generation& newest() const noexcept { return *current_.load(std::memory_order_relaxed); }
  std::optional<std::size_t> marked_by(const Generation* generation) const noexcept {
    for (std::size_t i = 0; i < readers_.size(); ++i)
      if (readers_[i]->mark_.load(std::memory_order_seq_cst) == generation) return i;
    return std::nullopt;
  }

  std::atomic<Generation*> current_;
  std::vector<Generation*> old_;  // the oldest first
  std::vector<Reader*> readers_;
};

}  // namespace cpss
