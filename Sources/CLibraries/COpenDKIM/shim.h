#pragma once
#include <sys/types.h>
#include <dkim.h>
