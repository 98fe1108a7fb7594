/* Reads pickles as torch.save writes them, without executing anything.
 *
 * A pickle is a program for a machine with a stack, and Python's machine can import and call any
 * function. This one carries out only what makes numbers, texts, tuples, lists and dicts. Of
 * functions and classes it knows the names of those that tensors are made of, and a call of one is
 * no more than a value that says so, with its arguments; every other name is refused. Memory is
 * at most some 100 bytes for each byte of the pickle, and time is linear in it. */
#ifndef TG_PICKLE_H
#define TG_PICKLE_H

#include "source.h"

typedef enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,    /* integer */
    PICKLE_INTEGER, /* integer */
    PICKLE_LARGE,   /* an integer that int64 cannot hold */
    PICKLE_NUMBER,  /* number */
    PICKLE_TEXT,    /* n bytes at bytes + at, which should be UTF-8 */
    PICKLE_TUPLE,   /* the values in boxes[at] */
    PICKLE_LIST,    /* the same */
    PICKLE_DICT,    /* the same: keys and values in turn */
    PICKLE_STORAGE, /* the same: what the pickle says of a storage, which lies elsewhere */
    PICKLE_TENSOR,  /* the same: the arguments of torch._utils._rebuild_tensor_v2 */
    PICKLE_GLOBAL,  /* integer: the file_type of a class of storages, or less than 0 */
    PICKLE_MARK     /* only on the stack */
} pickle_kind;

typedef struct pickle_value {
    pickle_kind kind;
    uint32_t n;
    union {
        int64_t integer;
        double number;
        size_t at;
    };
} pickle_value;

/* Values of tuples, lists and dicts lie in lists of cells. */
typedef struct pickle_cell {
    pickle_value value;
    uint32_t next; /* 0 behind the last one */
} pickle_cell;

typedef struct pickle_box {
    uint32_t first, last, n;
} pickle_box;

/* A growing array. */
typedef struct pickle_array {
    void *items;
    size_t n, room;
} pickle_array;

typedef struct pickle {
    source *from; /* for messages */
    const unsigned char *bytes;
    size_t size, at;
    pickle_array stack, memo, boxes, cells; /* of values, values, boxes, cells */
} pickle;

/* Reads a pickle and sets *root to its value. tg__pickle_close must be called afterwards, also
 * after an error. */
bool tg__pickle_read(pickle *p, source *from, const unsigned char *bytes, size_t n,
                     pickle_value *root);
void tg__pickle_close(pickle *p);

/* How many values a tuple, list, dict, storage or tensor has, of which a key counts as one. */
static inline uint32_t tg__pickle_count(const pickle *p, pickle_value v)
{
    return ((const pickle_box *)p->boxes.items)[v.at].n;
}
/* The number of the cell of its first value; 0 if there is none. */
static inline uint32_t tg__pickle_first(const pickle *p, pickle_value v)
{
    return ((const pickle_box *)p->boxes.items)[v.at].first;
}
/* The cell of that number. */
static inline pickle_cell tg__pickle_cell(const pickle *p, uint32_t number)
{
    return ((const pickle_cell *)p->cells.items)[number];
}

#endif
