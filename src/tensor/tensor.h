/* The tensor: its private half, its storage, and the checks of what a caller gave. */
#ifndef TG_TENSOR_H
#define TG_TENSOR_H

#include "../context/memory.h"
#include "dtype.h"

/* A claim on the storage of a tensor of an outer scope, given back when the scope of what makes the
 * claim ends. */
typedef struct claim {
    struct claim *next, **link; /* link: what points to this one */
    struct storage *on;
} claim;

typedef struct storage {
    void *data;
    block *block;                 /* of the data when it has one of its own */
    int64_t depth;                /* of the scope that has it */
    int64_t claims;               /* how many tensors and records need the data, see tg__claim */
    uint32_t version;             /* writes since it was made */
    uint32_t rewrites;            /* those that changed a history, see tensor_priv.rewrites */
    const char *writer;           /* the operation that wrote last */
    const struct storage *lender; /* the same memory in another context, if it is borrowed, and this
                                     one if it is const: read-only */
} storage;

/* What stands behind a public tg_tensor. */
typedef struct tensor_priv {
    tg_tensor pub;
    storage *storage; /* own, or that of the tensor this is a view of */
    union {
        storage own;
        claim claim; /* of a view */
    };
    union {
        struct {
            struct record *record; /* what made it, if a gradient goes back through it */
            tg_tensor *grad_slot;  /* what pub.grad points to where there is one */
            tg_tensor *pending;    /* gradient collected so far by the backward under way */
            tg_tensor *captured;   /* gradient of a tensor with a record, where it is wanted */
            struct tensor_priv *next_touched; /* by the backward under way */
        };
        spare_room spare_room; /* when nothing refers to it any more */
    };
    struct tensor_priv
        *next_in_list; /* of a frame's intermediates or of a scope's deferred tensors */
    int64_t depth;     /* of the scope it belongs to */
    int64_t birth;     /* records made before it */
    uint32_t rewrites; /* storage's when record was right: a view made before a recorded write is
                          stale */
    int32_t sweep;     /* whose pending and captured these are: 1 is the outermost, 0 none */
    bool is_view : 1;
    bool detached : 1; /* a view that shares values but no history, so that it is never stale */
    bool is_grad : 1;  /* a leaf's grad_slot, which only the leaf's scope frees */
    bool is_batch : 1; /* of a loader, which alone releases it */
    bool released : 1;
    bool is_intermediate : 1; /* in the list of a frame, which releases it when it closes */
    uint8_t wanted;           /* WANTED_*: captured is to be filled */
    uint8_t mark;             /* MARK_*: of a pass over many tensors, while it lasts */
} tensor_priv;

/* Why `captured` is to be filled: tg_retain_grad asks for it in every sweep, or the sweep under way
 * has the tensor among its inputs. */
enum { WANTED_ALWAYS = 1, WANTED_HERE = 2 };
/* Each mark is used by one file. The pass that sets DISCOVERED, HANDED_OUT or LISTED also clears
 * it. DEPENDS is valid only within tg__mark_paths. GROUPED stays. */
enum {
    MARK_DISCOVERED = 1,
    MARK_DEPENDS = 2,
    MARK_HANDED_OUT = 4,
    MARK_LISTED = 8,
    MARK_GROUPED = 16
};

static inline tensor_priv *priv(const tg_tensor *t)
{
    TG_CHECK(!t || t->grad != t); /* not a stack_tensor */
    return (tensor_priv *)(uintptr_t)t;
}

static inline tensor_priv *tg__owner(storage *s)
{
    return (tensor_priv *)(void *)((char *)s - offsetof(tensor_priv, own));
}

/* Whether so many bytes of elements lie behind their tensor, in one piece; others have a block. */
enum { TG_TENSOR = (sizeof(tensor_priv) + TG_ALIGN - 1) / TG_ALIGN * TG_ALIGN };
static inline bool tg__lies_behind(size_t bytes)
{
    return TG_TENSOR + bytes <= TG_SMALL;
}

/* The storage that counts the writes to t's memory. */
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

/* A contiguous tensor, to be written by the caller; in the current scope or the one at depth. shape
 * has been checked. */
tg_tensor *tg__new(tg_context *tg, tg_dtype dtype, int ndim, const int64_t *shape);
tg_tensor *tg__new_at(tg_context *tg, int64_t depth, tg_dtype dtype, int ndim,
                      const int64_t *shape);
/* A tensor over memory that it does not own; strides NULL: row-major. */
tg_tensor *tg__new_external(tg_context *tg, int64_t depth, tg_dtype dtype, tg_shape shape,
                            const int64_t *strides, void *data);
/* A tensor of t's sizes and dtype that has no elements, for gradients that need no more of t, which
 * may be released. */
tg_tensor *tg__sizes_of(const tg_tensor *t);
/* A tensor that shares base's storage, its data offset elements on. Without history. */
tg_tensor *tg__new_view(tg_tensor *base, int ndim, const int64_t *shape, const int64_t *strides,
                        int64_t offset);

/* ---- Dtypes and shapes. */

/* The error that op does not take t's dtype. */
void *tg__refuse_dtype(const char *op, const tg_tensor *t);
/* The number of elements; INT64_MAX if it does not fit. */
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
/* Sets the sizes and strides of a tensor whose ndim is set, and what follows from them. */
void tg__lay_out(tg_tensor *t, const int64_t *shape, const int64_t *strides);
/* The strides of a contiguous tensor. */
void tg__strides(int ndim, const int64_t *shape, int64_t *strides);
/* The common shape of two that broadcast, or false. */
bool tg__broadcast(int na, const int64_t *a, int nb, const int64_t *b, int *n, int64_t *out);
/* Whether these sizes, none of them negative, add up to n. */
bool tg__adds_up(tg_shape sizes, int64_t n);

/* ---- Checks of what the caller gave; they record the error. */

bool tg__check_shape(tg_context *tg, const char *op, tg_shape shape);
bool tg__check_list(tg_context *tg, const char *op, const char *what, tg_shape list);
bool tg__check_value(tg_context *tg, const char *op, tg_dtype dtype, double value);
/* A number lies between the two bounds. The error calls it `what`, and ends with `cure` where the
 * number is 0, as a member that was left out of a literal is; NULL: there is none. */
bool tg__check_number(tg_context *tg, const char *op, const char *what, int64_t number,
                      int64_t least, int64_t most, const char *cure);
/* A size is at least 1. */
bool tg__check_size(tg_context *tg, const char *op, const char *what, int64_t size);
/* The list of sizes is there, and none of them is negative; the error calls one `what`. */
bool tg__check_parts(tg_context *tg, const char *op, const char *what, tg_shape sizes);
/* The dims as bits; of a 0-d tensor none. */
bool tg__dim_bits(const tg_tensor *t, const char *op, tg_shape dims, uint64_t *bits);
/* dim in [0, ndim), counted from the end when negative (0-d counts as one dimension); -1 with the
 * error. */
int tg__dim(const tg_tensor *t, const char *op, int64_t dim, int ndim);
/* Released, and not even kept by a record for the backward that is under way. */
bool tg__is_gone(const tg_tensor *t);
/* The common case: all there, of one context, not released, and no view that may be stale. */
static inline bool tg__are_plain(int n, tg_tensor *const *in)
{
    const tg_context *tg = in[0] ? in[0]->context : NULL;
    for (int i = 0; i < n; i++) {
        const tensor_priv *p = priv(in[i]);
        if (!p || p->pub.context != tg || p->released) return false;
        if (p->is_view && p->rewrites != p->storage->rewrites) return false;
    }
    return true;
}
/* The inputs of an operation are there, not released, and of one context. */
bool tg__check_inputs(const char *op, int n, tg_tensor *const *in);
/* No input is a view that a recorded write to its base has made stale. */
bool tg__check_history(const char *op, int n, tg_tensor *const *in);

/* A write that autograd does not record: whether op may write to t (no error pending, t alive, not
 * borrowed, no elements that overlap), else the error; and the note that it did. */
bool tg__writable(tg_tensor *t, const char *op);
static inline void tg__written(tg_tensor *t, const char *op)
{
    storage *s = priv(t)->storage;
    s->version++;
    s->writer = op;
}

#endif
