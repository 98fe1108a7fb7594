/* What backward and grad share: one walk along the tape. */
#ifndef TG_SWEEP_H
#define TG_SWEEP_H

#include "../internal.h"

/* What a tensor had of an outer sweep when this one, which an operation of the user's own began,
 * came to it. */
typedef struct aside {
    struct aside *next;
    tensor_priv *p;
    tg_tensor *pending, *captured;
    tensor_priv *next_touched;
    int32_t sweep;
    bool wanted_here;
} aside;

typedef struct sweep {
    tg_context *tg;
    bool create_graph;
    tg_list inputs;  /* whose gradients are asked for; none: all leaves and those that retain */
    int32_t number;  /* 1: the outermost */
    uint8_t way;     /* its bit of operand.on_way; 0: all ways are gone */
    int64_t oldest;  /* number of the last record that the walk has to see */
    int64_t waiting; /* pending gradients of tensors whose record is still to come */
    tensor_priv *touched; /* all tensors that hold something of this sweep */
    aside *asides;
    struct sweep *outer;
} sweep;

/* Gradients of outputs, weighted (with ones if there are no weights), into pending of leaves and
 * captured of others that are wanted. tg, create_graph and inputs are given. tg__end_sweep follows,
 * whether it failed or not. */
bool tg__sweep(sweep *s, tg_list outputs, tg_list weights);
void tg__end_sweep(sweep *s);
/* What the sweep has found for t; NULL if it came to nothing. */
static inline tg_tensor *tg__found(const sweep *s, const tensor_priv *p)
{
    return p->sweep != s->number ? NULL : p->record ? p->captured : p->pending;
}

/* Sets s->way and s->oldest, and marks the operands on the ways from outputs, of which newest is
 * the newest record, to the inputs of s. */
void tg__mark_ways(sweep *s, tg_list outputs, record *newest);

/* Checks of what is differentiated; they record the error. */
bool tg__check_output(tg_tensor *out, const char *op);
bool tg__check_weight(tg_tensor *out, tg_tensor *weight, const char *op);
bool tg__check_single(tg_tensor *out, const char *op, const char *cure);

#endif
