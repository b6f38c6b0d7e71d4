// TOML 1.0 through toml++, as a flat list of nodes with their positions.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Longer input is refused: a configuration file of this size is a mistake.
#define CTOML_MAX_LENGTH (4 * 1024 * 1024)
// Values within values, and words of one dotted key: the tree is walked and freed by recursion.
#define CTOML_MAX_NESTING 32
#define CTOML_MAX_KEY_WORDS 16

enum ctoml_kind {
    CTOML_TABLE,
    CTOML_ARRAY,
    CTOML_STRING,
    CTOML_INTEGER,
    CTOML_FLOAT,
    CTOML_BOOLEAN,
    CTOML_DATE_TIME,
};

// Lines and columns (in characters) are counted from 1; 0 where there is none.
struct ctoml_position {
    uint32_t line;
    uint32_t column;
};

struct ctoml_node {
    enum ctoml_kind kind;
    // The place in the list of the table or array that holds this node; -1: it is the root, which comes first.
    int64_t parent;
    // UTF-8, may hold NUL; null in an array.
    const char *key;
    size_t key_length;
    struct ctoml_position key_position;
    struct ctoml_position position;
    // CTOML_STRING and CTOML_DATE_TIME: UTF-8, may hold NUL.
    const char *text;
    size_t text_length;
    // CTOML_INTEGER, and 0 or 1 for CTOML_BOOLEAN.
    int64_t integer;
    // CTOML_FLOAT.
    double number;
};

struct ctoml_document;

// Null only where memory has run out. To be freed by ctoml_free, with all that it points to.
struct ctoml_document *ctoml_parse(const char *bytes, size_t length);
void ctoml_free(struct ctoml_document *document);

// The reason why there are no nodes, NUL at its end; null where the input is TOML.
const char *ctoml_error(const struct ctoml_document *document);
struct ctoml_position ctoml_error_position(const struct ctoml_document *document);

// Parents come before their children, the elements of an array in their order, those of a table in that of their keys.
size_t ctoml_count(const struct ctoml_document *document);
const struct ctoml_node *ctoml_nodes(const struct ctoml_document *document);

#ifdef __cplusplus
}
#endif
