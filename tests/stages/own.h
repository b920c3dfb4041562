// A slot pool or a queue in private memory of its own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stages/message/memory.h"

namespace cpss::test {

// `T`: SlotPool, SlotQueue or WorkerQueue.
template <class T>
class Own {
 public:
  // `options`: what T::create() takes besides.
  template <class... Options>
  explicit Own(std::uint32_t size, const Options&... options)
      : memory_(bytes(size)), object_(*T::create(memory_.data(), size, options...)) {}

  // NOLINTNEXTLINE(google-explicit-constructor): fixtures pass it on as the object itself
  operator T&() const { return object_; }
  T* operator->() const { return &object_; }

 private:
  static std::size_t bytes(std::uint32_t size) {
    if constexpr (requires { T::bytes(size); })
      return T::bytes(size);
    else
      return T::bytes();
  }

  Memory memory_;
  T& object_;
};

}  // namespace cpss::test
