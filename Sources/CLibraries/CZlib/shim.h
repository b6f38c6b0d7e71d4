#pragma once
// What is to be compressed is not changed.
#define ZLIB_CONST
#include <zlib.h>
