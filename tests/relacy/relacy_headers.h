// The parts of Relacy that are used here, and nothing else: relacy.hpp would redefine new, delete,
// malloc, assert and the std::memory_order constants as macros, for every header that follows.
// context.hpp replaces operator new and delete of the whole program, to find leaks of an iteration,
// so exactly one source file may include this.
#pragma once

// Relacy checks itself, too.
#define RL_DO_ASSERT 1

#include <relacy/base.hpp>
#include <relacy/context.hpp>
// After the context, which it completes.
#include <relacy/context_base_impl.hpp>
// Needs both.
#include <relacy/atomic.hpp>
#include <relacy/stdlib/condition_variable.hpp>
#include <relacy/stdlib/event.hpp>
#include <relacy/stdlib/mutex.hpp>
#include <relacy/stdlib/semaphore.hpp>
#include <relacy/test_suite.hpp>
#include <relacy/var.hpp>
