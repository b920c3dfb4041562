// The words of each setting that is one of a few words.
//
// Constant; any thread.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "config/settings.h"

namespace cpss {

// A type with an entry here is a choice; the order is that of messages and documentation.
template <class T>
inline constexpr std::array<std::pair<std::string_view, T>, 0> kChoices{};
template <>
inline constexpr std::array<std::pair<std::string_view, DeferScope>, 2> kChoices<DeferScope>{{
    {"service", DeferScope::service},
    {"all", DeferScope::all},
}};
template <>
inline constexpr std::array<std::pair<std::string_view, OverloadPolicy>, 2>
    kChoices<OverloadPolicy>{{
        {"block", OverloadPolicy::block},
        {"shed", OverloadPolicy::shed},
    }};

template <>
inline constexpr std::array<std::pair<std::string_view, MemoryCheck>, 2> kChoices<MemoryCheck>{{
    {"refuse", MemoryCheck::refuse},
    {"warn", MemoryCheck::warn},
}};

template <>
inline constexpr std::array<std::pair<std::string_view, Dispatch>, 2> kChoices<Dispatch>{{
    {"inline", Dispatch::run_inline},
    {"queued", Dispatch::queued},
}};

template <>
inline constexpr auto kChoices<ServerModel> = [] {
  std::array<std::pair<std::string_view, ServerModel>, kModels.size()> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = {kModels[i].name, kModels[i].id};
  return names;
}();
template <>
inline constexpr std::array<std::pair<std::string_view, SocketSharing>, 3> kChoices<SocketSharing>{{
    {"shared", SocketSharing::shared},
    {"reuseport", SocketSharing::reuseport},
    {"handoff", SocketSharing::handoff},
}};
template <>
inline constexpr std::array<std::pair<std::string_view, Steering>, 4> kChoices<Steering>{{
    {"hash", Steering::hash},
    {"random", Steering::random},
    {"cpu", Steering::cpu},
    {"round_robin", Steering::round_robin},
}};
template <>
inline constexpr std::array<std::pair<std::string_view, ProcessUse>, 2> kChoices<ProcessUse>{{
    {"prefork", ProcessUse::prefork},
    {"fork", ProcessUse::fork},
}};

template <class T>
concept Choice = (kChoices<T>.size() > 0);

template <Choice T>
constexpr std::string_view name_of(T value) {
  for (const auto& [name, choice] : kChoices<T>)
    if (choice == value) return name;
  return {};
}

}  // namespace cpss
