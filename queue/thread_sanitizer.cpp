// The reports that ThreadSanitizer drops; linked into every executable of a build with it, so that
// they are dropped in programs that tests start, too (queue/README.md, "ThreadSanitizer").
//
// pop() of boost::lockfree::queue (1.74) copies a node's data before the compare-exchange that says
// whether the node was still its own, and throws the copy away if not; and the node's link is a
// plain word while the node is free (boostorg/lockfree#78). Reports with a frame of that class are
// dropped, others are not: the slots that entries stand for are read and written outside of it.
extern "C" const char* __tsan_default_suppressions();

extern "C" const char* __tsan_default_suppressions() {
  return "race:boost::lockfree::queue<\n";
}
