/* What tg_backward and tg_grad share: the reverse sweep, which is one walk back along the tape that
 * computes the gradients of some outputs. */
#ifndef TG_SWEEP_H
#define TG_SWEEP_H

#include "../ops/op.h"

/* What an outer sweep had stored in a tensor before this sweep used the same members for itself;
 * the end of this sweep restores it. Sweeps are nested when the backward function of a user's own
 * operation calls tg_backward or tg_grad. */
typedef struct saved_state {
    struct saved_state *next;
    tensor_priv *p;
    tg_tensor *pending, *captured;
    tensor_priv *next_touched;
    int32_t sweep;
    bool wanted_here;
} saved_state;

typedef struct sweep {
    tg_context *tg;
    bool create_graph;
    tg_list inputs;       /* the tensors whose gradients are wanted; n 0: all leaves that require
                             grad, and all tensors that retain it */
    int32_t number;       /* 1 for the outermost sweep, 2 for a sweep in it, and so on */
    uint8_t path_bit;     /* this sweep's bit of operand.on_path; 0: the walk ignores on_path */
    int64_t oldest;       /* the walk may stop before records with a smaller number */
    int64_t waiting;      /* how many tensors have a pending gradient and a record to run */
    tensor_priv *touched; /* the list of all tensors that have state of this sweep */
    /* The tensor of whose pending gradient only the elements in `written` have been written; NULL
     * if there is none. The rest becomes zeros before a record runs that has not recorded a view of
     * a part of this tensor. */
    tensor_priv *whole;
    part_range written;
    saved_state *saved; /* the state of outer sweeps that this one has replaced */
    struct sweep *outer;
} sweep;

/* Computes the gradients of the sum of all outputs, each output multiplied by its weight (PyTorch's
 * grad_outputs) if there are weights. The gradient of a leaf is left in its `pending`, that of
 * another tensor that is wanted in its `captured`. The caller sets tg, create_graph and inputs of s
 * before, and tg__sweep sets its other members. The caller calls tg__end_sweep after that, also if
 * the sweep has failed. */
bool tg__sweep(sweep *s, tg_list outputs, tg_list weights);
/* Clears the state of this sweep in all tensors, and restores that of an outer sweep. */
void tg__end_sweep(sweep *s);
/* The gradient that the sweep has computed for p; NULL if none has reached p. */
static inline tg_tensor *tg__gradient_of(const sweep *s, const tensor_priv *p)
{
    return p->sweep != s->number ? NULL : p->record ? p->captured : p->pending;
}

/* The two halves of tg_backward_with, for several outputs at once and without its checks. An output
 * may be a leaf itself. The first half computes the gradients and takes all memory. The second,
 * which must follow even if the first has failed, adds the gradients to the grads of all leaves, or
 * drops them, and cannot fail. Between the halves the caller must end the scopes that it begins.
 * The weight of an output that is a leaf is not read before the second half. */
bool tg__begin_backward(sweep *s, tg_context *tg, tg_list outputs, tg_list weights);
void tg__end_backward(sweep *s, bool commit);

/* Sets s->path_bit and s->oldest, and sets that bit of on_path for each operand on a path from the
 * outputs to the inputs of s. `newest` is the newest record that made one of the outputs. */
void tg__mark_paths(sweep *s, tg_list outputs, record *newest);

/* Checks, which record the error: that out can be differentiated, that weight has its shape and
 * dtype, and that out has one element; `cure` ends the message if it has more. */
bool tg__check_output(tg_tensor *out, const char *op);
bool tg__check_weight(tg_tensor *out, tg_tensor *weight, const char *op);
bool tg__check_single(tg_tensor *out, const char *op, const char *cure);

#endif
