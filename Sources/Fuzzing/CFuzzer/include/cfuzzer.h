#pragma once
#include <stddef.h>
#include <stdint.h>

/* libFuzzer's own entry point. SwiftPM renames main() of an executable to <target>_main; a fuzz
   program therefore exports that symbol and starts the driver itself. */
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*test)(const uint8_t *data, size_t size));
