/* Where the bytes of a file come from: the file itself, its mapping, or memory of the caller. Every
 * reader of a binary format reads through a source, which knows the size; no read reaches beyond
 * it. */
#ifndef TG_SOURCE_H
#define TG_SOURCE_H

#include "../context/memory.h"

#include <stdio.h>

typedef struct source {
    tg_context *tg;
    const char *op, *path; /* for messages */
    uint64_t size;
    const unsigned char *memory; /* all the bytes; NULL if they are read from `file` */
    FILE *file;
    uint64_t at; /* where `file` stands */
    bool mapped; /* `memory` is a mapping that tg__source_close undoes */
    /* If it is not NULL, the bytes come from this function, in order: it writes the next n of them
     * to `out`, or records an error. */
    bool (*read)(void *user, void *out, size_t n);
    void *user;
} source;

/* Opens a regular file. With `map`, the file is mapped and s->memory set, where the system can do
 * that and the file is not empty. A reader must therefore be able to do without s->memory. Nothing
 * has to be closed after a failure. */
bool tg__source_open(source *s, tg_context *tg, const char *op, const char *path, bool map);
/* The bytes of the caller as a source; `name` stands for the path. It need not be closed. */
void tg__source_memory(source *s, tg_context *tg, const char *op, const char *name,
                       const void *bytes, size_t n);
/* Reads n bytes that begin at offset. Bytes beyond the end are an error, also when the file has
 * become shorter since it was opened. */
bool tg__source_read(source *s, uint64_t offset, void *out, size_t n);
/* Reads n bytes of the file, which has no mapping, and returns NULL or the problem. Nothing is
 * recorded in the context, which may therefore be in use by another thread. Several threads may
 * read at a time if tg__source_is_shared. */
const char *tg__source_read_at(source *s, uint64_t offset, void *out, size_t n);
bool tg__source_is_shared(void);
/* Tells the system that the file is read from its beginning to its end, for which it reads ahead.
 */
void tg__source_stream(source *s);
/* Tells the system that these bytes of the file are needed soon, so that it reads them meanwhile.
 */
void tg__source_ahead(source *s, uint64_t offset, uint64_t n);
/* Leaves the mapping, if there is one, to the current scope, at whose end it is undone. It is the
 * last step of a reader whose tensors show the mapping. */
bool tg__source_keep(source *s);
/* The unsigned number in n bytes, the least significant one first. */
static inline uint64_t tg__little(const unsigned char *p, int n)
{
    uint64_t number = 0;
    for (int i = 0; i < n; i++) number |= (uint64_t)p[i] << 8 * i;
    return number;
}
/* Closes the file, and undoes a mapping that is not kept. */
void tg__source_close(source *s);
/* Records TG_ERR_IO with the message "op: path: ...", in which a path is shown by its end if it is
 * long. Returns false. The second form is for another code, the third for those that have no
 * source. */
bool tg__source_fail(source *s, const char *format, ...) TG_PRINTF(2, 3);
bool tg__source_fail_as(source *s, tg_status code, const char *format, ...) TG_PRINTF(3, 4);
bool tg__file_fail(tg_context *tg, const char *op, const char *path, const char *problem);
/* The part of a path that messages show: its end, if it is long. */
const char *tg__path_end(const char *path);
/* Copies n bytes of text that a file has, such as a name, to `shown` for a message: at most room -
 * 4 bytes, then "...", and "?" for control characters. A letter of several bytes stays whole.
 * Returns shown. */
const char *tg__shorten(const char *text, size_t n, char *shown, size_t room);

#endif
