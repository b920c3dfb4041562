// An array that grows by realloc(3): large blocks move by remapping, so that neither time nor
// memory goes into copies, as with std::vector. For parts of an image, which take most of the
// memory while one is built.
//
// Not for several threads at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace cpss {

template <class T>
class GrowingArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  GrowingArray() = default;
  ~GrowingArray() { std::free(data_); }
  GrowingArray(GrowingArray&& other) noexcept { swap(other); }
  GrowingArray& operator=(GrowingArray&& other) noexcept {
    swap(other);
    return *this;
  }
  GrowingArray(const GrowingArray&) = delete;
  GrowingArray& operator=(const GrowingArray&) = delete;

  std::size_t size() const noexcept { return size_; }
  T& operator[](std::size_t i) noexcept { return data_[i]; }
  const T& operator[](std::size_t i) const noexcept { return data_[i]; }
  std::span<T> items() noexcept { return {data_, size_}; }
  std::span<const T> items() const noexcept { return {data_, size_}; }
  std::span<const std::byte> bytes() const noexcept { return std::as_bytes(items()); }

  void push_back(const T& item) { *grow(1) = item; }
  // Adds zeroed items and returns the first of them. Throws std::bad_alloc.
  T* grow(std::size_t count) {
    if (data_ == nullptr || count > capacity_ - size_)
      reserve(std::max(size_ + count, capacity_ + capacity_ / 2));
    T* const first = data_ + size_;
    std::memset(static_cast<void*>(first), 0, count * sizeof(T));
    size_ += count;
    return first;
  }
  void resize_down(std::size_t size) noexcept { size_ = size; }
  void swap(GrowingArray& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }
  // Gives all memory back.
  void release() noexcept {
    std::free(std::exchange(data_, nullptr));
    size_ = capacity_ = 0;
  }

 private:
  void reserve(std::size_t capacity) {
    capacity = std::max<std::size_t>(capacity, 64);
    void* const moved = std::realloc(data_, capacity * sizeof(T));
    if (moved == nullptr) throw std::bad_alloc();
    data_ = static_cast<T*>(moved);
    capacity_ = capacity;
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace cpss
