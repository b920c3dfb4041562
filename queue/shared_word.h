// An atomic word in memory in which no objects are constructed: cells, links and headers, for which
// zeroed pages are as good as constructed objects (constructing them would touch every page, and so
// make it exist), and files that another process maps.
//
// A std::atomic would have to be constructed there first: its constructors are not trivial, so it
// is no implicit-lifetime class ([class.prop]/9), and to use it before is undefined. A SharedWord
// is one, and so is an aggregate of SharedWords. Functions that hand out memory, as mmap(2) does
// here, implicitly create objects of these types ([intro.object]/10 to 13, P0593; g++ assumes so of
// memory from a function whose body it does not see). std::atomic_ref makes the access atomic.
//
// Thread-safety: as std::atomic, between processes too. Only the member functions touch the word.
#pragma once

#include <atomic>
#include <type_traits>

namespace cpss {

// Types whose objects need not be constructed (std::is_implicit_lifetime of C++23, P2674, as near
// as C++20 can tell).
template <class T>
concept ImplicitLifetime = std::is_trivially_destructible_v<T> &&
    (std::is_aggregate_v<T> || std::is_trivially_default_constructible_v<T> ||
     std::is_trivially_copy_constructible_v<T> || std::is_trivially_move_constructible_v<T>);

template <class T>
class SharedWord {
  using Ref = std::atomic_ref<T>;
  // A lock in this process would not keep out another process.
  static_assert(Ref::is_always_lock_free);

 public:
  SharedWord() noexcept = default;  // SharedWord{} is 0
  SharedWord(const SharedWord&) = delete;
  SharedWord& operator=(const SharedWord&) = delete;

  T load(std::memory_order order) const noexcept { return ref().load(order); }
  void store(T value, std::memory_order order) noexcept { ref().store(value, order); }
  T fetch_add(T value, std::memory_order order) noexcept { return ref().fetch_add(value, order); }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order order) noexcept {
    return ref().compare_exchange_weak(expected, desired, order);
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order order) noexcept {
    return ref().compare_exchange_strong(expected, desired, order);
  }

 private:
  // C++20 has no atomic_ref<const T>. A load of a lock-free word writes nothing, so the word may be
  // in a read-only mapping.
  Ref ref() const noexcept { return Ref(const_cast<T&>(word_)); }

  alignas(Ref::required_alignment) T word_;
};

}  // namespace cpss
