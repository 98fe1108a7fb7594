/* What backward and grad share: the sweep, which is one walk back along the tape. */
#ifndef TG_SWEEP_H
#define TG_SWEEP_H

#include "../ops/op.h"

/* The state that an outer sweep had in a tensor, saved while this sweep uses the tensor. A sweep
 * runs inside another one when the backward of a user's own operation calls tg_backward or tg_grad.
 */
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

/* Computes the gradients of outputs, weighted by weights (n 0: by ones). They are left in `pending`
 * of leaves and in `captured` of other tensors that are wanted. The caller sets tg, create_graph
 * and inputs of s, and calls tg__end_sweep afterwards, also after a failure. */
bool tg__sweep(sweep *s, tg_list outputs, tg_list weights);
void tg__end_sweep(sweep *s);
/* The gradient that the sweep has found for p; NULL if none reached it. */
static inline tg_tensor *tg__found(const sweep *s, const tensor_priv *p)
{
    return p->sweep != s->number ? NULL : p->record ? p->captured : p->pending;
}

/* Sets s->way and s->oldest, and marks the operands on the ways from outputs, of which newest is
 * the newest record, to the inputs of s. */
void tg__mark_ways(sweep *s, tg_list outputs, record *newest);

/* Checks of the output that is differentiated and of its weight; they record the error. */
bool tg__check_output(tg_tensor *out, const char *op);
bool tg__check_weight(tg_tensor *out, tg_tensor *weight, const char *op);
bool tg__check_single(tg_tensor *out, const char *op, const char *cure);

#endif
