#include "tests/support/failing_calls.h"

#include <cerrno>
#include <cstddef>
#include <exception>
#include <system_error>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

namespace cpss::test {

void let_calls_fail(const std::vector<long>& calls, int error) {
  std::vector<sock_filter> filter{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offsetof(seccomp_data, nr)))};
  const auto fail = static_cast<unsigned>(SECCOMP_RET_ERRNO) | static_cast<unsigned>(error);
  for (const long call : calls) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, fail));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, static_cast<unsigned>(SECCOMP_RET_ALLOW)));
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    throw std::system_error(errno, std::generic_category(), "no filter of system calls");
}

void without_new_threads(const std::function<void()>& body) {
  std::exception_ptr thrown;
  std::thread([&] {
    try {
      let_calls_fail({SYS_clone, SYS_clone3}, EAGAIN);
      body();
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace cpss::test
