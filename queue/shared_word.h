// An atomic word in memory that nobody constructs objects in: cells, links and headers for which
// zeroed pages are as good as constructed (touching them all would make them exist), and files that
// another process maps.
//
// A std::atomic would have to be constructed there first: its constructors are not trivial, so it
// is no implicit-lifetime class ([class.prop]/9), and to use it before is undefined. A SharedWord
// is one, and so is an aggregate of such. Functions that hand out memory, as mmap(2) does here,
// create objects of these types by themselves ([intro.object]/10 to 13, P0593; g++ takes what comes
// out of a function it knows nothing of for that). The access is atomic by std::atomic_ref.
//
// Thread-safety: as std::atomic, between processes too. Only the functions touch the word.
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
  // Another process's atomics know nothing of a lock in ours.
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
  // There is no atomic_ref<const T> in C++20. A load of a word that is lock-free writes nothing, so
  // that it may be in a mapping for reading.
  Ref ref() const noexcept { return Ref(const_cast<T&>(word_)); }

  alignas(Ref::required_alignment) T word_;
};

}  // namespace cpss
