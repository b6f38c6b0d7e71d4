#include "jemalloc_options.h"

// Read by jemalloc when it starts. MALLOC_CONF in the environment adds to it.
//
// narenas: glibc and jemalloc both take several arenas for each processor, and each keeps what it once had. A server
// that shares two event loops and some dozen threads that mostly wait needs no more than two.
// dirty_decay_ms, muzzy_decay_ms: what a burst of mail has used goes back to the system after a second, not after ten.
const char *malloc_conf = "narenas:2,dirty_decay_ms:1000,muzzy_decay_ms:0";
