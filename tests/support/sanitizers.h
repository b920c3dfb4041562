// Whether this is a sanitizer build: some tests have to be shorter there, a few cannot run.
#pragma once

namespace cpss {

#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif

#ifdef __SANITIZE_THREAD__
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif

// g++ 12 has no macro for it; it comes with AddressSanitizer in the preset asan.
inline constexpr bool kUndefinedBehaviorSanitizer = kAddressSanitizer;

inline constexpr bool kSanitized = kAddressSanitizer || kThreadSanitizer;

}  // namespace cpss
