#pragma once
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// What Swift's modules show only to GNU sources.
#ifndef O_PATH
#define O_PATH 010000000
#endif
extern long syscall(long number, ...);

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

// <linux/fcntl.h> has these, but does not go together with <fcntl.h>.
#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#define F_GET_SEALS 1034
#endif

/// A file in memory that can be sealed, closed on exec; -1 with errno.
static inline int sluice_sealable_file(void) { return memfd_create("patterns", 1U | 2U /* MFD_ALLOW_SEALING */); }

/// F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_WRITE.
#define SLUICE_SEALS (1 | 2 | 4 | 8)

/// Nobody can change the file or its size from now on, through no descriptor of it; 0 or errno.
static inline int sluice_seal(int file) { return fcntl(file, F_ADD_SEALS, SLUICE_SEALS) == 0 ? 0 : errno; }

/// Whether the file has all these seals.
static inline int sluice_is_sealed(int file) { return fcntl(file, F_GET_SEALS) == SLUICE_SEALS; }

/// Has the started process begin without any descriptor from `from` on; `actions` is a posix_spawn_file_actions_t.
static inline int sluice_close_from(void *actions, int from) { return sluice_add_close_from(actions, from); }

// Processes that may make files in one folder. landlock(7); the C library has no calls for it.

/// What may be done in the folder: read, write, list, make and remove files and folders. <linux/landlock.h>
#define SLUICE_FOLDER_RIGHTS                                                                                       \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_DIR |                  \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_DIR |                \
     LANDLOCK_ACCESS_FS_MAKE_REG)

/// Has this process open, make and remove files in `folder` alone, for good; 0 or errno. New rights are forbidden before.
static inline int sluice_keep_to_folder(const char *folder) {
    const long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) return errno;
    // Rights that a later version knows of have the next bits: REFER, TRUNCATE, and from the fifth on IOCTL_DEV.
    const unsigned long long truncate = 1ULL << 14, device = 1ULL << 15;
    unsigned long long handled = (1ULL << 13) - 1;
    if (version >= 2) handled |= 1ULL << 13;
    if (version >= 3) handled |= truncate;
    if (version >= 5) handled |= device;
    const struct landlock_ruleset_attr all = {.handled_access_fs = handled};
    const int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
    if (rules < 0) return errno;
    const int place = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int failure = place < 0 ? errno : 0;
    if (!failure) {
        const struct landlock_path_beneath_attr rule = {
            .allowed_access = handled & (SLUICE_FOLDER_RIGHTS | truncate), .parent_fd = place};
        if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ||
            syscall(SYS_landlock_restrict_self, rules, 0) < 0)
            failure = errno;
        close(place);
    }
    close(rules);
    return failure;
}

// Programs of an admin's, which read and run what the system has, and make files in a few folders.

/// Of a folder that is read, and whose programs are run.
#define SLUICE_READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE)
/// Of a folder with devices.
#define SLUICE_DEVICE_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

/// The rules of one process before they hold: a descriptor, or -1 with errno.
static inline int sluice_make_rules(void) {
    const long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) return -1;
    unsigned long long handled = (1ULL << 13) - 1;
    if (version >= 2) handled |= 1ULL << 13;
    if (version >= 3) handled |= 1ULL << 14;
    const struct landlock_ruleset_attr all = {.handled_access_fs = handled};
    return (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
}

/// Adds a folder: `kind` 0 is read, 1 written as well, 2 has devices. One that is not there is passed over. 0 or errno.
static inline int sluice_add_rule(int rules, const char *folder, int kind) {
    const long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    const unsigned long long truncate = version >= 3 ? 1ULL << 14 : 0;
    const unsigned long long rights = kind == 0 ? SLUICE_READ_RIGHTS
        : kind == 1 ? SLUICE_READ_RIGHTS | SLUICE_FOLDER_RIGHTS | truncate : SLUICE_DEVICE_RIGHTS | truncate;
    const int place = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (place < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : errno;
    const struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = place};
    const int failure = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ? errno : 0;
    close(place);
    return failure;
}

/// From now on and for good the rules hold; 0 or errno. New rights are forbidden before.
static inline int sluice_keep_rules(int rules) {
    const int failure = syscall(SYS_landlock_restrict_self, rules, 0) < 0 ? errno : 0;
    close(rules);
    return failure;
}

/// Has the call fail with EPERM where `mask` of its argument `place` is `value`.
static inline int sluice_deny_masked(
    scmp_filter_ctx filter, int call, unsigned place, unsigned long mask, unsigned long value) {
    return seccomp_rule_add_array(
        filter, SCMP_ACT_ERRNO(EPERM), call, 1,
        (const struct scmp_arg_cmp[]){SCMP_CMP64(place, SCMP_CMP_MASKED_EQ, mask, value)});
}

/// fork(2), which Swift hides: only a process with one thread may do it here.
static inline pid_t sluice_fork(void) { return fork(); }
