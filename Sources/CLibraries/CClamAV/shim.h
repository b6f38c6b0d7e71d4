#pragma once
#include <clamav.h>
#include <dlfcn.h>

// The library is not linked: only the workers that scan load it, and no other process of ours has it in its memory.

/// What is called of libclamav.
struct sluice_clamav {
    __typeof__(cl_init) *init;
    __typeof__(cl_retver) *version;
    __typeof__(cl_strerror) *text_of_error;
    __typeof__(cl_set_clcb_msg) *set_message_callback;
    __typeof__(cl_engine_new) *engine_new;
    __typeof__(cl_engine_free) *engine_free;
    __typeof__(cl_engine_set_num) *set_number;
    __typeof__(cl_engine_set_str) *set_text;
    __typeof__(cl_engine_set_clcb_virus_found) *set_found_callback;
    __typeof__(cl_load) *load;
    __typeof__(cl_engine_compile) *compile;
    __typeof__(cl_fmap_open_memory) *open_memory;
    __typeof__(cl_fmap_close) *close_memory;
    __typeof__(cl_scanmap_callback) *scan;
};

/// Finds one call; answers its name if it is not there.
#define SLUICE_FIND(member, name)                                              \
    if (!(calls->member = (__typeof__(calls->member))dlsym(library, #name))) \
        return #name

/// Loads the library; answers what is wrong, or NULL. It stays loaded.
static inline const char *sluice_clamav_load(const char *file, struct sluice_clamav *calls) {
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!library) return dlerror();
    SLUICE_FIND(init, cl_init);
    SLUICE_FIND(version, cl_retver);
    SLUICE_FIND(text_of_error, cl_strerror);
    SLUICE_FIND(set_message_callback, cl_set_clcb_msg);
    SLUICE_FIND(engine_new, cl_engine_new);
    SLUICE_FIND(engine_free, cl_engine_free);
    SLUICE_FIND(set_number, cl_engine_set_num);
    SLUICE_FIND(set_text, cl_engine_set_str);
    SLUICE_FIND(set_found_callback, cl_engine_set_clcb_virus_found);
    SLUICE_FIND(load, cl_load);
    SLUICE_FIND(compile, cl_engine_compile);
    SLUICE_FIND(open_memory, cl_fmap_open_memory);
    SLUICE_FIND(close_memory, cl_fmap_close);
    SLUICE_FIND(scan, cl_scanmap_callback);
    return NULL;
}

#undef SLUICE_FIND

/// Everything that the official databases hold; a sum of macros, which Swift does not see.
static const unsigned sluice_clamav_databases = CL_DB_STDOPT;
