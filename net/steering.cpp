#include "net/steering.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file_descriptor.h"

namespace cpss {
namespace {

[[noreturn]] void fail(const UdpSocket& member, const char* action, int code, const char* advice) {
  throw SocketError(
      fmt::format("cannot spread datagrams over the sockets of {}: {}: {}; {}",
                  member.local_address().to_string(), action, std::strerror(code), advice),
      code);
}

[[noreturn]] void fail_to_take_turns(const UdpSocket& member, const char* action, int code) {
  fail(member, action, code,
       code == EPERM
           ? "the kernel does not allow extended BPF to this process: run it with CAP_BPF or "
             "CAP_SYS_ADMIN, or allow it to everybody with sysctl "
             "kernel.unprivileged_bpf_disabled=0, or choose 'random'"
           : "'round_robin' needs Linux 5.12 or newer with extended BPF: choose 'random'");
}

// Steers by classic BPF, which needs no rights (socket(7), SO_ATTACH_REUSEPORT_CBPF). `fact`: a
// value that the kernel offers to filters besides the datagram's bytes (SKF_AD_...).
void steer_by(UdpSocket& member, int fact, unsigned members) {
  std::array<sock_filter, 3> code{{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(SKF_AD_OFF + fact)},  // A = fact
      {BPF_ALU | BPF_MOD | BPF_K, 0, 0, members},  // A %= members
      {BPF_RET | BPF_A, 0, 0, 0},                  // the socket with that number
  }};
  const sock_fprog program{code.size(), code.data()};
  if (::setsockopt(member.descriptor(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
                   sizeof program) != 0)
    fail(member, "SO_ATTACH_REUSEPORT_CBPF", errno, "choose 'hash', which needs no program");
}

// The C library has no wrapper for bpf(2).
int bpf(bpf_cmd command, bpf_attr& attributes) noexcept {
  return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

// An array with one element: how many datagrams have been steered. 64 bits, so that it never wraps.
int make_counter() noexcept {
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = sizeof(std::uint32_t);
  attributes.value_size = sizeof(std::uint64_t);
  attributes.max_entries = 1;
  return bpf(BPF_MAP_CREATE, attributes);
}

// A socket filter, and not a program of type SK_REUSEPORT: it needs no rights if the sysctl allows
// it, and no map of sockets.
int load_turns(int counter, unsigned members) noexcept {
  constexpr std::int16_t kKey = -4;  // on the stack, from its end
  const auto modulus = static_cast<std::int32_t>(members);
  // Each: operation, destination, source, offset, constant. r10 is the end of the stack; r1 and r2
  // are arguments, r0 is the result of a call and of the program (bpf(2), and "eBPF Instruction
  // Set" in the kernel's documentation).
  const std::array<bpf_insn, 14> code{{
      // r1 = the array (a constant of 64 bits takes two places), r2 = where the key is: 0.
      {BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, counter},  // r1 = array
      {0, 0, 0, 0, 0},                                                        // its other half
      {BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, kKey, 0},                     // key = 0
      {BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0},             // r2 = r10
      // NOLINTNEXTLINE(misc-redundant-expression): BPF_ADD and BPF_K are both 0
      {BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, kKey},     // r2 += kKey
      {BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem},  // r0 = lookup(r1, r2)
      // No element (it cannot happen): return a number that no socket has.
      {BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, 2, 0},     // r0 != 0: over the next two
      {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, -1},  // r0 = -1
      {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},                    // return r0
      // Fetch the element and add one to it, in one step: the program runs on several CPUs at once.
      // Linux has the operation that returns the old value since 5.12.
      {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1},                              // r1 = 1
      {BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1, 0, BPF_ADD | BPF_FETCH},  // fetch, add
      // The number of the socket whose turn it is.
      {BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_0, BPF_REG_1, 0, 0},  // r0 = r1
      {BPF_ALU64 | BPF_MOD | BPF_K, BPF_REG_0, 0, 0, modulus},    // r0 %= members
      {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},                           // return r0
  }};
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  attributes.insn_cnt = code.size();
  attributes.insns = reinterpret_cast<std::uintptr_t>(code.data());
  // Programs of any licence may call map_lookup_elem().
  attributes.license = reinterpret_cast<std::uintptr_t>("Apache-2.0");
  return bpf(BPF_PROG_LOAD, attributes);
}

// The group keeps the program, and the program its counter: both live as long as the group.
void take_turns(UdpSocket& member, unsigned members) {
  const FileDescriptor counter(make_counter());
  if (counter.get() < 0) fail_to_take_turns(member, "bpf(BPF_MAP_CREATE)", errno);
  const FileDescriptor program(load_turns(counter.get(), members));
  if (program.get() < 0) fail_to_take_turns(member, "bpf(BPF_PROG_LOAD)", errno);
  const int fd = program.get();
  if (::setsockopt(member.descriptor(), SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &fd, sizeof fd) != 0)
    fail_to_take_turns(member, "SO_ATTACH_REUSEPORT_EBPF", errno);
}

}  // namespace

void steer(UdpSocket& member, Steering how, unsigned members) {
  switch (how) {
    case Steering::hash:
      return;  // the kernel does so by itself
    case Steering::random:
      return steer_by(member, SKF_AD_RANDOM, members);
    case Steering::cpu:
      return steer_by(member, SKF_AD_CPU, members);
    case Steering::round_robin:
      return take_turns(member, members);
  }
}

}  // namespace cpss
