/* What the writers of operations use: text, memory and loops of the program that is being written.
 *
 * The program is generated twice. The first pass writes nothing, and finds out which helpers and
 * constants are needed, and between which steps each buffer is. */
#ifndef TG_PROGRAM_H
#define TG_PROGRAM_H

#include "network.h"

#include <stdio.h>

struct array; /* a constant array of the program */

typedef struct program {
    tg_context *tg;
    const network *net;
    const char *name;
    FILE *file;
    bool dry;         /* this is the first pass */
    bool failed;      /* there was no memory */
    int step;         /* of the program: an operation, or a loop of several */
    int depth;        /* the number of open loops and braces */
    uint64_t helpers; /* a bit for each that is needed */
    struct array *arrays;
    buffer *buffers, *next_buffer; /* in the order of requests */
} program;

/* Elements in an array of the program. */
typedef struct ref {
    char array[24]; /* such as "NAME_work" */
    int64_t offset;
    int ndim;
    int64_t shape[TG_MAX_DIMS], strides[TG_MAX_DIMS];
} ref;

/* Loops over the elements of a shape. Neighbouring dimensions share a loop where the strides of all
 * operands allow it, unless they are kept apart; a dimension of size 1 has no loop. */
typedef struct loops {
    int ndim;
    int64_t shape[TG_MAX_DIMS];
    bool apart[TG_MAX_DIMS]; /* from the next dimension that has a loop */
} loops;

/* A piece of text. */
typedef struct text {
    char s[256];
} text;

/* ---- Text. */

/* Writes text as printf does; NAME in it becomes the name of the program. A line is indented by the
 * open loops if it begins with a tab. */
void tg__emit(program *g, const char *format, ...) TG_PRINTF(2, 3);

/* ---- Places of elements. */

/* The place that elements have in the program. */
ref tg__ref(program *g, const location *p);
/* The memory of the result of n, which is contiguous. */
ref tg__result(program *g, node *n);
/* Memory for so many elements during the current step. */
ref tg__room(program *g, int64_t size);
/* The elements of p in this order of dimensions, whose strides are those of p. If they do not lie
 * in memory so that the last stride is 1 and, with `dense`, without gaps, they are copied. */
ref tg__arranged(program *g, const location *p, int ndim, const int64_t *shape,
                 const int64_t *strides, bool dense);
/* The same for the dimensions of p itself, without gaps. */
ref tg__contiguous_ref(program *g, const location *p);

/* ---- Loops. */

loops tg__loops(int ndim, const int64_t *shape);
/* Lets dimensions share a loop only where these strides of an operand allow it. */
void tg__take_strides(loops *l, const int64_t *strides);
/* The strides of r along the dimensions of the loops, to which r broadcasts. */
void tg__broadcast_strides(const loops *l, const ref *r, int64_t *strides);
/* Writes the heads of the loops, and a brace after the last if there are several statements. */
void tg__open_loops(program *g, const loops *l, bool brace);
void tg__close_loops(program *g, const loops *l, bool brace);
/* The variable of the loop over dimension d, such as "i1"; or "0" if it has none. */
text tg__variable(const loops *l, int d);
/* The element of r in the loops, as "NAME_work[4 * i0 + i1]", or a pointer to it. */
text tg__element(const loops *l, const ref *r, const int64_t *strides);
text tg__pointer(const loops *l, const ref *r, const int64_t *strides);
/* Writes loops that copy elements of a shape. */
void tg__copy_elements(program *g, int ndim, const int64_t *shape, const ref *to,
                       const int64_t *to_strides, const ref *from, const int64_t *from_strides);

/* ---- The writers of operations that are not elementwise, and what they cannot write. */

void tg__write_linear(program *g, node *n);
void tg__write_matmul(program *g, node *n);
void tg__write_conv(program *g, node *n);
void tg__write_max_pool(program *g, node *n);
void tg__write_avg_pool(program *g, node *n);
void tg__write_softmax(program *g, node *n);
void tg__write_sum(program *g, node *n);
void tg__write_center(program *g, node *n);
void tg__write_layer_norm(program *g, node *n);
void tg__write_cat(program *g, node *n);
const char *tg__refuse_sum(const call *c);
const char *tg__refuse_center(const call *c);

#endif
