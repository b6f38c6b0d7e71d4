// Makes every fsync, fdatasync and syncfs take SLOWSYNC_US microseconds longer (5000 unless said),
// as a disk does that really waits. Preloaded into every contestant alike:
//     cc -O2 -shared -fPIC -o slowsync.so slowsync.c -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void linger(void) {
    const char *text = getenv("SLOWSYNC_US");
    long microseconds = text ? atol(text) : 5000;
    struct timespec pause = {microseconds / 1000000, microseconds % 1000000 * 1000};
    nanosleep(&pause, NULL);
}

#define LINGERING(call)                                                   \
    int call(int descriptor) {                                            \
        int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, #call);         \
        int result = real(descriptor);                                    \
        linger();                                                         \
        return result;                                                    \
    }

LINGERING(fsync)
LINGERING(fdatasync)
LINGERING(syncfs)
