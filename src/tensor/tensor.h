/* The tensor: its private half, its storage, how tensors are made, and the checks of what a caller
 * gave. */
#ifndef TG_TENSOR_H
#define TG_TENSOR_H

#include "../context/memory.h"
#include "dtype.h"

/* A claim of a view or a record on the storage of a tensor of an outer scope. It is given back at
 * the latest when the scope of the view or record ends; that scope lists its claims. */
typedef struct claim {
    struct claim *next, **link; /* link: the pointer that points to this claim */
    struct storage *on;
} claim;

/* The elements of a tensor and of all its views. */
typedef struct storage {
    void *data;
    block *block;       /* the block of the data, if it has one of its own */
    int64_t depth;      /* of the scope that owns it */
    int64_t claims;     /* how many tensors and records need the data; see tg__claim */
    uint32_t version;   /* the number of writes since it was made */
    uint32_t rewrites;  /* the number of writes that autograd recorded; see tensor_priv.rewrites */
    const char *writer; /* the operation that wrote last */
    const struct storage *lender; /* read-only memory: the storage in another context from which it
                                     is borrowed, or this storage itself if it wraps const memory */
} storage;

/* A tensor. Its first member is the public tg_tensor, to which users have pointers. */
typedef struct tensor_priv {
    tg_tensor pub;
    storage *storage; /* &own, or the storage of the base if this is a view */
    union {
        storage own;
        claim claim; /* of a view, on the storage of its base */
    };
    union {
        struct {
            struct record *record; /* of what made it, if a gradient goes through that */
            tg_tensor *grad_slot;  /* of a leaf: what pub.grad points to when it has a gradient */
            tg_tensor *pending;    /* the gradient that the sweep under way has collected so far */
            tg_tensor *captured; /* the gradient of a tensor that is not a leaf, if it is wanted */
            struct tensor_priv *next_touched; /* in the list of the sweep under way */
        };
        spare_room spare_room; /* when nothing refers to the tensor any more */
    };
    /* In the list of a frame's intermediates or of a scope's deferred tensors. */
    struct tensor_priv *next_in_list;
    int64_t depth;     /* of the scope that it belongs to */
    int64_t birth;     /* the number of records that were made before it */
    uint32_t rewrites; /* storage->rewrites when this tensor got its history; if it differs, a
                          recorded write has made this view stale */
    int32_t sweep;     /* the number of the sweep that `pending` and `captured` belong to: 1 is the
                          outermost, 0 means none */
    bool is_view : 1;
    bool detached : 1; /* a view that shares values but no history, and that is therefore never
                          stale */
    bool is_grad : 1;  /* the grad_slot of a leaf, which only the scope of the leaf frees */
    bool is_batch : 1; /* a batch of a loader, which alone releases it */
    bool released : 1;
    bool is_intermediate : 1; /* in the list of a frame, which will release it when it closes */
    uint8_t wanted;           /* WANTED_* bits: `captured` is to be filled */
    uint8_t mark;             /* MARK_* bits, for passes over many tensors */
} tensor_priv;

/* Why `captured` is to be filled: tg_retain_grad asks for it in every sweep, or the sweep under way
 * has the tensor among its inputs. */
enum { WANTED_ALWAYS = 1, WANTED_HERE = 2 };
/* Each mark is used by one file. The pass that sets DISCOVERED, HANDED_OUT, LISTED or SUM also
 * clears it. DEPENDS is valid only within tg__mark_paths. GROUPED stays, and TRACED stays on
 * tensors that die with the pass. */
enum {
    MARK_DISCOVERED = 1,
    MARK_DEPENDS = 2,
    MARK_HANDED_OUT = 4,
    MARK_LISTED = 8,
    MARK_GROUPED = 16,
    MARK_TRACED = 32,
    MARK_SUM = 64
};

/* The private half of a tensor, which a stack_tensor (loops.h) does not have. */
static inline tensor_priv *priv(const tg_tensor *t)
{
    TG_CHECK(!t || t->grad != t); /* only a stack_tensor has itself as its grad */
    return (tensor_priv *)(uintptr_t)t;
}

/* The tensor that a storage is a member of. */
static inline tensor_priv *tg__owner(storage *s)
{
    return (tensor_priv *)(void *)((char *)s - offsetof(tensor_priv, own));
}

/* The bytes of a tensor without its elements. A few elements lie right behind it, in one piece of
 * memory; more have a block of their own. */
enum { TG_TENSOR = (sizeof(tensor_priv) + TG_ALIGN - 1) / TG_ALIGN * TG_ALIGN };
/* Whether that many bytes of elements lie behind their tensor. */
static inline bool tg__lies_behind(size_t bytes)
{
    return TG_TENSOR + bytes <= TG_SMALL;
}

/* The storage that counts the writes to the memory of t: that of the lender, if t is borrowed. */
static inline const storage *tg__origin(const tg_tensor *t)
{
    const storage *s = priv(t)->storage;
    return s->lender ? s->lender : s;
}

static inline uint32_t tg__version(const tg_tensor *t)
{
    return tg__origin(t)->version;
}

/* ---- Making tensors. */

/* Makes a contiguous tensor in the current scope, or in the scope at `depth`. The caller has
 * checked the shape and fills the elements. NULL if there is no memory. */
tg_tensor *tg__new_at(tg_context *tg, int64_t depth, tg_dtype dtype, int ndim,
                      const int64_t *shape);
static inline tg_tensor *tg__new(tg_context *tg, tg_dtype dtype, int ndim, const int64_t *shape)
{
    return tg__new_at(tg, tg->depth, dtype, ndim, shape);
}
/* Makes a tensor for elements in memory that it does not own. strides may be NULL, for
 * row-major. */
tg_tensor *tg__new_external(tg_context *tg, int64_t depth, tg_dtype dtype, tg_shape shape,
                            const int64_t *strides, void *data);
/* The same, for a shape, strides and memory that the caller of the library gave, after all checks.
 * strides.ndim is negative for row-major. A read_only tensor is never written to. */
tg_tensor *tg__wrap(tg_context *tg, const char *op, tg_dtype dtype, tg_shape shape,
                    tg_shape strides, void *data, bool read_only);
/* Makes a tensor with the shape and dtype of t but without elements. A record refers to it instead
 * of t if the gradient needs only the shape; the elements of t can then be released. */
tg_tensor *tg__sizes_of(const tg_tensor *t);
/* Makes a view: a tensor that shares the storage of base, whose elements begin `offset` elements
 * after those of base. It has no history. */
tg_tensor *tg__new_view(tg_tensor *base, int ndim, const int64_t *shape, const int64_t *strides,
                        int64_t offset);

/* ---- Shapes. */

/* Records the error that op does not take the dtype of t. Returns NULL, which also serves as
 * false. */
void *tg__refuse_dtype(const char *op, const tg_tensor *t);
/* Each operation that takes every dtype, because it only moves elements or reads them one by one,
 * asks this function. A dtype that is for storage alone can thus be refused, by tg__refuse_dtype,
 * in one place. Views and plain copies, which such a dtype needs, do not ask. */
static inline bool tg__any_dtype(const char *op, const tg_tensor *t)
{
    (void)op, (void)t;
    return true;
}
/* The number of elements of a shape; INT64_MAX if it is larger. */
static inline int64_t tg__numel(int ndim, const int64_t *shape)
{
    int64_t n = 1;
    for (int i = 0; i < ndim; i++) n = tg__times(n, shape[i]);
    return n;
}
static inline bool tg__same_sizes(int na, const int64_t *a, int nb, const int64_t *b)
{
    for (int i = 0; na == nb && i < na; i++)
        if (a[i] != b[i]) return false;
    return na == nb;
}
/* Sets shape and strides of a tensor whose ndim is set, and numel and contiguous, which follow from
 * them. */
void tg__lay_out(tg_tensor *t, const int64_t *shape, const int64_t *strides);
/* Computes the strides of a contiguous tensor. */
void tg__strides(int ndim, const int64_t *shape, int64_t *strides);
/* Computes the common shape, of *n dimensions, of two shapes that broadcast; false if they do
 * not. */
bool tg__broadcast(int na, const int64_t *a, int nb, const int64_t *b, int *n, int64_t *out);
/* Whether these sizes, none of them negative, add up to n. */
bool tg__adds_up(tg_shape sizes, int64_t n);

/* ---- Checks of what the caller of the library gave. A check that fails records the error, whose
 * message begins with op, and returns false. */

/* A shape has at most TG_MAX_DIMS sizes, none negative, and not too many elements. */
bool tg__check_shape(tg_context *tg, const char *op, tg_shape shape);
/* A list is not NULL, unless it is empty. */
bool tg__check_list(tg_context *tg, const char *op, const char *what, tg_shape list);
/* The dtype can hold the value, apart from rounding. */
bool tg__check_value(tg_context *tg, const char *op, tg_dtype dtype, double value);
/* A number lies between two bounds, both included. The error calls it `what`. If the number is 0,
 * which a member that was left out of a literal is, the error ends with `cure`, unless that is
 * NULL. */
bool tg__check_number(tg_context *tg, const char *op, const char *what, int64_t number,
                      int64_t least, int64_t most, const char *cure);
/* A size is at least 1. */
bool tg__check_size(tg_context *tg, const char *op, const char *what, int64_t size);
/* A list of sizes is not NULL, and no size is negative. The error calls a size `what`. */
bool tg__check_parts(tg_context *tg, const char *op, const char *what, tg_shape sizes);
/* Sets a bit for each dimension in the list dims, which must name different dimensions of t. A 0-d
 * tensor has no bits. */
bool tg__dim_bits(const tg_tensor *t, const char *op, tg_shape dims, uint64_t *bits);
/* Returns dim as an index in [0, ndim); a negative dim counts from the end, and an ndim of 0 counts
 * as 1. -1 after an error. */
int tg__dim(const tg_tensor *t, const char *op, int64_t dim, int ndim);
/* Whether t was released and may not be used any more. Gradient functions may still use a released
 * tensor that its record has a claim on. */
bool tg__is_gone(const tg_tensor *t);
/* The common case of inputs: none is NULL or released, all are of one context, and none is a view
 * that may be stale. If this is true, tg__check_inputs and tg__check_history need not be called,
 * and *needs_grad has become whether an input requires grad. */
static inline bool tg__are_plain(int n, tg_tensor *const *in, bool *needs_grad)
{
    const tg_context *tg = in[0] ? in[0]->context : NULL;
    bool any = false;
    for (int i = 0; i < n; i++) {
        const tensor_priv *p = priv(in[i]);
        if (!p || p->pub.context != tg) return false;
        if ((p->is_view || p->released) && (p->released || p->rewrites != p->storage->rewrites))
            return false;
        any |= p->pub.requires_grad;
    }
    *needs_grad = any;
    return true;
}

/* The inputs of an operation are not NULL, not released, and of one context. */
bool tg__check_inputs(const char *op, int n, tg_tensor *const *in);
/* Whether tensor i of a list, from 0, has rows, as many as the first; else the error is recorded.
 */
bool tg__check_rows(const char *op, tg_list tensors, int i);
/* No input is a view that a recorded write to its base has made stale. */
bool tg__check_history(const char *op, int n, tg_tensor *const *in);

/* op may write to t: no error is pending, t was not released, is not read-only, and has no elements
 * that overlap. */
bool tg__writable(tg_tensor *t, const char *op);
/* Notes that op has written to t, by which backward finds values that have changed. */
static inline void tg__written(tg_tensor *t, const char *op)
{
    storage *s = priv(t)->storage;
    s->version++;
    s->writer = op;
}

#endif
