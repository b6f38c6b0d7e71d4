#pragma once
// Nothing to call: jemalloc takes the place of malloc in whatever this is linked into.
