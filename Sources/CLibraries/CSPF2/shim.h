#pragma once
// spf.h does not include what it uses.
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <string.h>
#include <spf2/spf.h>
#include <spf2/spf_dns.h>
#include <spf2/spf_dns_rr.h>
#include <spf2/spf_log.h>

// What became of a question; the C library has these as macros behind casts.
static const int sluice_spf_found = NETDB_SUCCESS;
static const int sluice_spf_no_name = HOST_NOT_FOUND;
static const int sluice_spf_no_data = NO_DATA;
static const int sluice_spf_no_answer = TRY_AGAIN;

/// Appends a record: an address, or a text that ends with NUL. Answers whether there was memory for it.
static inline int sluice_spf_append(SPF_dns_rr_t *answer, const void *octets, size_t count) {
    int place = answer->num_rr;
    if (SPF_dns_rr_buf_realloc(answer, place, count) != SPF_E_SUCCESS) return 0;
    // Text has one octet in the library's declaration.
    memcpy((void *)answer->rr[place], octets, count);
    answer->num_rr = place + 1;
    return 1;
}

/// Has the library keep its remarks to itself; what it takes for a fatal error still ends the process.
static inline void sluice_spf_be_quiet(void) {
    SPF_warning_handler = NULL;
    SPF_info_handler = NULL;
    SPF_debug_handler = NULL;
}
