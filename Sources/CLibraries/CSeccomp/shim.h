#pragma once
#include <errno.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

// The rules that look at an argument take a variable number of them in C.

/// Allows the call where `mask` of its argument `place` is `value`.
static inline int sluice_allow_masked(
    scmp_filter_ctx filter, int call, unsigned place, unsigned long mask, unsigned long value) {
    return seccomp_rule_add_array(
        filter, SCMP_ACT_ALLOW, call, 1,
        (const struct scmp_arg_cmp[]){SCMP_CMP64(place, SCMP_CMP_MASKED_EQ, mask, value)});
}

/// Forbids new rights for good, and core dumps and debuggers with them.
static inline int sluice_forbid_rights(void) {
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : errno;
}

/// Names this process, for ps(1) and its kin; at most 15 octets count.
static inline int sluice_name_process(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0) == 0 ? 0 : errno; }

/// Has the kernel end this process with the thread that started it.
static inline int sluice_die_with_parent(int signal) {
    return prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0) == 0 ? 0 : errno;
}

// The C library has these, but its module for Swift shows them only to GNU sources. <spawn.h> is not included here: its
// types would count as this module's.
extern int memfd_create(const char *name, unsigned flags);
extern int sluice_add_close_from(void *actions, int from) __asm__("posix_spawn_file_actions_addclosefrom_np");

/// A file in memory, without a name, closed on exec; -1 with errno.
static inline int sluice_memory_file(void) { return memfd_create("message", 1U /* MFD_CLOEXEC */); }

/// Has the started process begin without any descriptor from `from` on; `actions` is a posix_spawn_file_actions_t.
static inline int sluice_close_from(void *actions, int from) { return sluice_add_close_from(actions, from); }
