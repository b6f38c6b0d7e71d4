#pragma once
#include <stddef.h>
#include <stdint.h>

/* libFuzzer's own entry point. SwiftPM renames main() of an executable to <target>_main; a fuzz
   program therefore exports that symbol and starts the driver itself. */
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*test)(const uint8_t *data, size_t size));

/* Looks for leaks now, and ends the program if there are any. At its end, libcrypto would have given up what the
   threads that are still there hold. */
void __lsan_do_leak_check(void);
