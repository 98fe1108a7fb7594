/* What the source files share: the private half of a tensor, the context, records and ops. */
#ifndef TG_INTERNAL_H
#define TG_INTERNAL_H

#include <tinygrad.h>

#include "context/size.h"
#include "kernels/kernels.h"

/* No a * b + c becomes an fma unless it says so, whatever the compiler's flags. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

#if defined(__SANITIZE_ADDRESS__)
#define TG_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TG_ASAN 1
#endif
#endif

/* Kept out of its caller, whose common case then has fewer registers to save. */
#if defined(__GNUC__)
#define TG_APART __attribute__((noinline))
#else
#define TG_APART
#endif

/* ---- Memory. */

/* One piece of memory from the allocator: a page that a scope carves small things from, or the
 * elements of one large tensor. */
typedef struct block {
    struct block *next, *prev; /* in the scope that has it, or in a free list */
    struct scope *owner;
    size_t bytes; /* of the payload, which follows the header */
    void *raw;    /* as the allocator gave it */
    size_t raw_bytes;
    bool is_elements; /* of a tensor, and nothing else */
} block;

typedef struct record record;
typedef struct storage storage;

/* A claim on the storage of an outer scope's tensor, given back when the scope of what makes it
 * ends. */
typedef struct hold {
    struct hold *next, **link; /* link: what points to this one */
    storage *on;
} hold;

/* Released tensors of one size, each with the elements behind it, in a queue: their memory serves
 * again. The first one to be released holds this, and stays. */
typedef struct spares {
    struct spares *next; /* of another size */
    size_t bytes;
    struct tensor_priv *oldest, *newest;
    int64_t n;
} spares;

/* Made lazily, in its own first page, by the first thing allocated at its depth: that is why a
 * scope's begin cannot fail. */
typedef struct scope {
    struct scope *outer;
    int64_t depth;
    block *blocks;   /* all that the scope has, pages included */
    char *top, *end; /* free part of the current page */
    record *tape;    /* newest record when the scope was made */
    hold *holds;
    spares *spares;           /* NULL: no tensor was released */
    struct tensor_priv *late; /* released in it, of outer scopes: its records may refer to them */
    struct scope *landlord;   /* the outer scope in whose page this one lies, if it does */
    bool lent;                /* the free part of the page serves an inner scope */
    bool apart;               /* it needed memory while lent, so it lends no more */
} scope;

enum {
    TG_ALIGN = 64,  /* a cache line, and the widest vector */
    TG_HEADER = 64, /* of a block, before its payload */
#ifdef TG_ASAN
    TG_SMALL = 0, /* each thing gets memory that is freed for good, so that ASan sees every stale
                     pointer */
#else
    TG_SMALL = 4096, /* the most that is part of a page */
#endif
};

/* From the context's allocator, within its cap and counted, and back; NULL without an error. */
void *tg__take(tg_context *tg, size_t bytes);
void tg__give(tg_context *tg, void *memory, size_t bytes);
/* Memory of the current scope, 64-byte aligned; NULL with the error recorded. */
static inline void *tg__alloc(tg_context *tg, size_t bytes);
/* The same in the scope of that depth, which is open. */
static inline void *tg__alloc_at(tg_context *tg, int64_t depth, size_t bytes);
void *tg__alloc_slowly(tg_context *tg, int64_t depth, size_t bytes);
/* Whether so much is part of a page, and the size it takes there. */
static inline bool tg__is_small(size_t bytes)
{
    return bytes <= TG_SMALL;
}
static inline size_t tg__round_up(size_t bytes)
{
    return (bytes + TG_ALIGN - 1) & ~(size_t)(TG_ALIGN - 1);
}
/* A block in the scope of that depth, and the other way from what it holds. */
void *tg__alloc_block(tg_context *tg, int64_t depth, size_t bytes);
static inline block *tg__block_of(void *payload)
{
    return (block *)(void *)((char *)payload - TG_HEADER);
}
void tg__block_free(tg_context *tg, block *b);
/* The block that the current scope took last, if it has one. */
const block *tg__newest_block(const tg_context *tg);
/* Frees the elements that it took since then, but for one block; their tensors are of no more use.
 */
void tg__free_elements(tg_context *tg, const block *newest_then, const block *kept);
/* The memory of a tensor that nothing refers to, of so many bytes, serves again. */
void tg__spare(struct tensor_priv *p, size_t bytes);
/* Hands a block to the scope of that depth, which has memory. */
void tg__block_move(tg_context *tg, block *b, int64_t depth);
/* Gives cached blocks back to the allocator; whether there were any. */
bool tg__trim(tg_context *tg);
void tg__end_all_scopes(tg_context *tg);
/* Gives a claim on memory back: the last to go returns it. */
void tg__unref(tg_context *tg, storage *s);
/* A released tensor, on which there are no claims, makes room at once, or when the scopes of the
 * records that may refer to it have ended. */
void tg__retire(struct tensor_priv *p);
/* A claim by what h is part of, which was just made in the current scope; and back, before the
 * scope ends. */
void tg__hold(tg_context *tg, hold *h, storage *on);
void tg__let_go(tg_context *tg, int64_t depth, hold *h, storage *on);

/* ---- Tensor. */

struct storage {
    void *data;
    block *block;          /* of the data when it has one of its own */
    int64_t depth;         /* of the scope that has it */
    int64_t refs;          /* tensors and records that need the data */
    uint32_t version;      /* writes since it was made */
    uint32_t rewrites;     /* those that changed a history, see tensor_priv.rewrites */
    const char *writer;    /* the operation that wrote last */
    const storage *lender; /* the same memory in another context, if it is borrowed, and this one if
                              it is const: read-only */
};

/* What stands behind a public tg_tensor. */
typedef struct tensor_priv {
    tg_tensor pub;
    storage *storage; /* own, or that of the tensor this is a view of */
    union {
        struct storage own;
        hold claim; /* of a view */
    };
    union {
        struct {
            record *record;       /* what made it, if a gradient goes back through it */
            tg_tensor *grad_slot; /* what pub.grad points to where there is one */
            tg_tensor *pending;   /* gradient collected so far by the backward under way */
            tg_tensor *captured;  /* gradient of a tensor with a record, where it is wanted */
            struct tensor_priv *next_touched; /* by the backward under way */
        };
        spares spares; /* when nothing refers to it any more */
    };
    struct tensor_priv *next_step; /* in the list of a frame, of spares or of late ones */
    int64_t depth;                 /* of the scope it belongs to */
    int64_t birth;                 /* records made before it */
    uint32_t rewrites; /* storage's when record was right: a view made before a recorded write is
                          stale */
    int32_t sweep;     /* whose pending and captured these are: 1 is the outermost, 0 none */
    bool dense : 1;    /* row-major without gaps */
    bool is_view : 1;
    bool detached : 1; /* a view that shares values but no history, so that it is never stale */
    bool is_grad : 1;  /* a leaf's grad_slot, which only the leaf's scope frees */
    bool is_batch : 1; /* of a loader, which alone releases it */
    bool released : 1;
    bool is_step : 1; /* is in the list of a frame */
    uint8_t wanted;   /* WANTED_*: captured is to be filled */
    uint8_t mark;     /* MARK_*: of a pass over many tensors, while it lasts */
} tensor_priv;

/* By tg_retain_grad, and by the caller of the sweep under way. */
enum { WANTED_ALWAYS = 1, WANTED_HERE = 2 };
/* Each is the business of one file. AWAITED, HANDED_OUT and LISTED are taken away by the pass that
 * sets them. REACHES is right only while ways are marked. GROUPED stays. */
enum {
    MARK_AWAITED = 1,
    MARK_REACHES = 2,
    MARK_HANDED_OUT = 4,
    MARK_LISTED = 8,
    MARK_GROUPED = 16
};

static inline tensor_priv *priv(const tg_tensor *t)
{
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
/* Checks of what the caller gave; they record the error. */
bool tg__check_shape(tg_context *tg, const char *op, tg_shape shape);
bool tg__check_list(tg_context *tg, const char *op, const char *what, tg_shape list);
/* The dims as bits; of a 0-d tensor none. */
bool tg__dim_bits(const tg_tensor *t, const char *op, tg_shape dims, uint64_t *bits);
/* Whether these sizes, none of them negative, add up to n. */
bool tg__adds_up(tg_shape sizes, int64_t n);
bool tg__check_value(tg_context *tg, const char *op, tg_dtype dtype, double value);
bool tg__is_dtype(tg_dtype dtype);
/* dim in [0, ndim), counted from the end when negative (0-d counts as one dimension); -1 with the
 * error. */
int tg__dim(const tg_tensor *t, const char *op, int64_t dim, int ndim);
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
void tg__strides(int ndim, const int64_t *shape, int64_t *strides);
static inline size_t tg__dtype_size(tg_dtype dtype)
{
    return dtype == TG_BOOL ? 1 : dtype == TG_F32 ? 4 : 8;
}
static inline bool tg__is_float(tg_dtype dtype)
{
    return dtype == TG_F32 || dtype == TG_F64;
}

/* A write that autograd does not record: whether op may write to t (no error pending, t alive, not
 * borrowed, no elements that overlap), else the error; and the note that it did. */
bool tg__writable(tg_tensor *t, const char *op);
static inline void tg__written(tg_tensor *t, const char *op)
{
    storage *s = priv(t)->storage;
    s->version++;
    s->writer = op;
}

/* ---- Composed operations, in src/tensor/lifetime.c. */

/* An operation that is said with others opens a frame around them and closes it on every path:
 *
 *     frame f;
 *     tg__enter(&f, "softsign", a);
 *     return tg__leave(&f, tg_div(a, tg_add_scalar(tg_abs(a), 1)));
 *
 * While a frame is open, errors name the outermost one. When it closes, the steps, which are the
 * tensors made in it and not handed out, are released, and a result that is a view of a step is the
 * only one to see that memory, and counts as no view. An operation in which an error came up has no
 * result. Frames nest; scopes begun in a frame end in it. */
typedef struct frame {
    tg_context *tg; /* NULL: the frame of no tensor, which does nothing */
    struct frame *outer;
    const char *name;   /* NULL: errors name what is in it */
    int64_t depth;      /* of the scope it was opened in, whose tensors it watches */
    bool ready;         /* no error was pending then; one that came since is the operation's */
    tensor_priv *steps; /* the newest first */
} frame;

/* a: any tensor of the context, or NULL. */
void tg__enter(frame *f, const char *name, const tg_tensor *a);
/* Returns result, which may be NULL, a step or any other tensor. */
tg_tensor *tg__leave(frame *f, tg_tensor *result);
/* The same for n results. */
void tg__leave_with(frame *f, int n, tg_tensor *const *results);

/* ---- Gradients of leaves, in src/autograd/leaf.c. */

/* Sees to it that t has a tensor for its grad, in t's scope. */
bool tg__make_grad_slot(tg_tensor *t);
/* None: a block of its own goes back to the pool. */
void tg__clear_grad(tg_tensor *t);
/* Sees to it that the grad of p can become g without failing; false with the error. */
bool tg__prepare_grad(const tensor_priv *p, tg_tensor *g);
/* Makes g the grad, which was none. The memory of g changes hands where it can. */
void tg__set_grad(tensor_priv *p, tg_tensor *g);

/* ---- Loops over tensors, in src/ops/iterate.c. */

/* A kernel for one, two or three inputs. */
typedef union loop {
    unary_kernel *unary;
    binary_kernel *binary;
    where_kernel *where;
} loop;

/* out = f(in...), inputs broadcast to out, any strides. */
void tg__elementwise(loop f, tg_tensor *out, int inputs, tg_tensor *const *in);
/* out = a broadcast to out; same dtype, no overlap. */
void tg__copy(tg_tensor *out, const tg_tensor *a);
void tg__fill(tg_tensor *t, double value);
/* t, or a contiguous copy without history. */
tg_tensor *tg__dense(tg_tensor *t);

typedef union scalar {
    float f32;
    double f64;
    int64_t i64;
    bool b;
} scalar;

/* Elements that are worth a block of their own when work is split. */
enum { TG_GRAIN = 1 << 16 };

/* How many rows of so many elements make a grain. */
static inline int64_t tg__grain_of(int64_t elements)
{
    return elements < TG_GRAIN ? TG_GRAIN / (elements > 0 ? elements : 1) : 1;
}

/* Tensors on the stack, for loops alone: they are of no scope, and of what is private they have
 * nothing but dense. */
typedef struct scalar_tensor {
    tensor_priv as;
    scalar value;
} scalar_tensor;

/* A 0-d tensor of like's dtype. */
tg_tensor *tg__scalar(scalar_tensor *s, const tg_tensor *like, double value);
/* Elements of like's dtype that stand at data. */
tg_tensor *tg__array(tensor_priv *p, const tg_tensor *like, void *data, int ndim,
                     const int64_t *shape, const int64_t *strides);

/* ---- Errors. */

#if defined(__MINGW32__) && !defined(__clang__) /* whose plain "printf" is Microsoft's */
#define TG_PRINTF(text, first) __attribute__((format(gnu_printf, text, first), cold))
#elif defined(__GNUC__)
#define TG_PRINTF(text, first) __attribute__((format(printf, text, first), cold))
#else
#define TG_PRINTF(text, first)
#endif

/* What a function returns in the place of a list when it fails: n is 0, and items can be read. */
extern const tg_list tg__no_list;
/* Records the error if it is the first. Returns NULL, which is also false. */
void *tg__fail(tg_context *tg, tg_status code, const char *format, ...) TG_PRINTF(3, 4);
/* Makes "." the decimal point of a number that printf wrote, which is that of the locale and may be
 * several bytes long. */
void tg__use_point(char *number);
/* No error is pending. */
static inline bool tg__ready(const tg_context *tg);

/* "[100, 2]", in the context until TG_SHOWN more are shown. */
char *tg__show_sizes(tg_context *tg, int ndim, const int64_t *sizes);
char *tg__show(const tg_tensor *t);
#define SHOW(t) tg__show(t) /* for messages */

/* ---- Operations and records. */

typedef union attr {
    int64_t i;
    double f;
} attr;
enum { TG_ATTRS = 1 + TG_MAX_DIMS }; /* a list with its length fits */

/* What a shape rule says of the result. strides and offset: views only. */
typedef struct spec {
    tg_dtype dtype;
    int ndim;
    int64_t shape[TG_MAX_DIMS];
    int64_t strides[TG_MAX_DIMS];
    int64_t offset;
} spec;

typedef struct op_row op_row;

/* One operation being run: what its shape rule and its forward see. */
typedef struct call {
    const op_row *op;
    tg_context *tg;
    int n;
    tg_tensor *const *in;
    const attr *a;
    tg_tensor *out;
} call;

typedef struct operand {
    tg_tensor *t;
    uint32_t version; /* when it was read */
    bool needs_grad;
    uint8_t on_way; /* to what a sweep was asked for: bit 0 of the outermost, bit 1 of one in it */
    hold claim;     /* on its storage, when a gradient reads it */
} operand;

/* One operation that was run, and that a gradient needs. */
struct record {
    const op_row *op;
    record *prev;   /* the next older one on the tape */
    int64_t number; /* greater than that of prev */
    tg_tensor *out;
    uint32_t out_version;
    int n;
    attr a[TG_ATTRS];
    operand in[];
};

enum {
    OP_VIEW = 1,      /* the result shares its input's storage; no forward */
    OP_BROADCAST = 2, /* a gradient may come wider than its input; the engine sums it down */
    OP_OWN = 4,       /* what its gradient function made may be asked for once more */
    OP_PART = 8       /* a view of a part, whose gradient tg__add_part puts in its place */
};
/* What the gradient for one input reads, so that changes in place are noticed. */
enum { READS_NOTHING = 0, READS_0 = 1, READS_1 = 2, READS_2 = 4, READS_OUT = 8 };

static inline unsigned tg__reads_input(int i)
{
    return (unsigned)READS_0 << (i < 2 ? i : 2);
}

struct op_row {
    const char *name;
    const char *grad_name; /* as PyTorch prints it */
    /* Checks inputs and attributes, fills the spec; or records the error and returns false. */
    bool (*shape)(const call *c, spec *s);
    /* Computes c->out, a contiguous tensor of that spec (or input 0, in place). */
    bool (*run)(const call *c);
    /* Gradient of input i, given that of the output, written with the library's operations. NULL:
     * has none. */
    tg_tensor *(*grad)(const record *r, int i, tg_tensor *g);
    uint8_t reads[3]; /* by input; inputs from the third on share the last */
    uint8_t flags;
    const void *kernel; /* set of kernels, for the ops that have one */
};

/* Runs an operation on its inputs and records it if a gradient needs it. a: TG_ATTRS attributes, or
 * NULL. */
tg_tensor *tg__apply(const op_row *o, int n, tg_tensor *const *in, const attr *a);
/* Whether a gradient will need the operation on these inputs that has a result of that dtype. */
bool tg__is_recorded(const tg_context *tg, tg_dtype result, int n, tg_tensor *const *in);
/* Puts what made c->out on the tape, if a gradient needs it. */
bool tg__record(const call *c);
/* tg__apply for one that writes its result over the first input; the second broadcasts to it. */
tg_tensor *tg__apply_in_place(const op_row *o, int n, tg_tensor *const *inputs, const attr *a);
/* Shape rules: of the last two inputs, which broadcast and have one dtype; of the first input. */
bool tg__broadcast_shape(const call *c, spec *s);
bool tg__same_shape(const call *c, spec *s);
/* The common shape of two, or false. */
bool tg__broadcast(int na, const int64_t *a, int nb, const int64_t *b, int *n, int64_t *out);
/* The error that op does not take t's dtype. */
void *tg__refuse_dtype(const char *op, const tg_tensor *t);
/* For shape rules: that error unless the dtype is supported. */
static inline bool tg__check_dtype(const call *c, const tg_tensor *t, bool supported)
{
    return supported || tg__refuse_dtype(c->op->name, t);
}
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
/* Released, and not even kept by a record for the sweep that is under way. */
bool tg__is_gone(const tg_tensor *t);
/* The inputs of an operation: there, not released, of one context; else the error. */
bool tg__check_inputs(const char *op, int n, tg_tensor *const *in);
/* No input is a view that a recorded write to its base has made stale; else the error. */
bool tg__check_history(const char *op, int n, tg_tensor *const *in);
/* ---- Reductions, in src/ops/reduce.c. Their attributes: a bit for each dimension reduced;
 * keepdim; what the operation pleases. */

/* Over these dims, of which none are all. */
tg_tensor *tg__over_dims(const op_row *o, tg_tensor *a, tg_shape dims, bool keepdim, attr last);
void tg__reduced_shape(const call *c, spec *s);
/* How many terms of t an output has. */
int64_t tg__terms(const tg_tensor *t, const attr *a);
/* t, which has the shape of the result, with a size of 1 where a dimension was reduced. */
tg_tensor *tg__with_dims(const record *r, tg_tensor *t);

/* For normalization, in src/ops/moments.c: x, floating, less its mean over dims, which is worked
 * out in float64; and of such a tensor 1 / sqrt(var + eps), var being the mean of squares. The mean
 * and var come without a history where they are wanted; all have the dims with size 1. */
tg_tensor *tg__center(tg_tensor *x, tg_shape dims, tg_tensor **mean);
tg_tensor *tg__inverse_deviation(tg_tensor *x, tg_shape dims, double eps, tg_tensor **var);

/* x g / y for g and y that broadcast to x, where |y| is |x| at least; 0 where y is. Nothing leaves
 * the range on the way. In src/ops/statistics.c. */
tg_tensor *tg__over_norm(tg_tensor *x, tg_tensor *g, tg_tensor *y);

/* g summed down to like's shape, differentiably. */
tg_tensor *tg__sum_to(tg_tensor *g, const tg_tensor *like);

/* c = a b, row-major with c0 = n, on all threads if it is large; strides as a kernel takes them.
 * false without memory to work in. */
typedef struct matrix {
    const void *data;
    int64_t s0, s1;
} matrix;
bool tg__product(tg_context *tg, tg_dtype dtype, int64_t m, int64_t n, int64_t k, void *c, matrix a,
                 matrix b);
/* Bytes that the kernel of such a product works in. */
size_t tg__product_scratch(tg_dtype dtype, int64_t m, int64_t n, int64_t k, int64_t b1);

/* Adds g to the part of whole that the view r->out is of its input, in src/tensor/view.c. */
void tg__add_part(const record *r, tg_tensor *whole, tg_tensor *g);

/* Gradients in one pass, in src/ops/binary.def. */
tg_tensor *tg__relu_backward(tg_tensor *g, tg_tensor *y);
tg_tensor *tg__sigmoid_backward(tg_tensor *g, tg_tensor *y);
tg_tensor *tg__tanh_backward(tg_tensor *g, tg_tensor *y);
tg_tensor *tg__atan2_backward(tg_tensor *a, tg_tensor *b);

/* ---- Threads. */

/* Work on the elements [from, to) of a range. On other threads than the context's: only what it was
 * given, no tensors made, no errors. */
typedef void portion(void *work, int64_t from, int64_t to);

/* The threads of a context that has more than one. */
typedef struct team {
    int threads;
    bool (*is_here)(const struct team *t); /* not lost in a fork */
    void (*run)(struct team *t, int64_t n, int64_t grain, portion *run, void *work);
    void (*disband)(tg_context *tg, struct team *t);
} team;

/* ---- Context. */

/* A module whose forward runs, on the stack of the call. Messages begin with its path. */
typedef struct module_call {
    const struct module_call *outer;
    const tg_module *module;
    const char *name; /* in the outer module, where that is known */
    /* Writes "1.0 (Conv2d): ", or nothing for one that is in no tree. */
    void (*tell)(const struct module_call *p, char *text, size_t size);
} module_call;

enum {
    TG_MESSAGE = 1024,
    TG_SHOWN = 4,
    TG_SIZES = TG_MAX_DIMS * 22 + 8,
    TG_FREE_LISTS = ((int)sizeof(size_t) * 8 - 11) * 16 /* see free_list */
};

typedef struct generator {
    uint32_t mt[624];
    int next;        /* word to hand out; 624: twist first */
    bool has_normal; /* the second of a pair of normals waits */
    double normal;
} generator;

/* What the forward under way has changed, to be put back if it fails: buffers of modules, of which
 * each change knows how, and the random stream. */
typedef struct state_change {
    struct state_change *next;
    void (*put_back)(struct state_change *c);
    int64_t depth; /* of the scope of the module */
    bool listed;   /* by the forward under way */
} state_change;

typedef struct undo {
    state_change *changes;
    bool drew;
    generator random; /* as it was, if numbers were drawn since */
} undo;

struct tg_context {
    tg_options options;
    tg_stats stats;
    scope *scope;  /* innermost one that has memory */
    int64_t depth; /* scopes open; 0 is the outermost */
    block *free_blocks[TG_FREE_LISTS];
    record *tape;        /* newest record */
    int64_t records;     /* made so far */
    int64_t parts;       /* of modules, registered so far */
    int64_t no_grad;     /* depth of tg_no_grad */
    struct sweep *sweep; /* under way */
    frame *frame;        /* innermost one open */
    int level;           /* of the kernels */
    tg_dtype default_dtype;
    const module_call *running; /* the innermost, or NULL */
    undo *undo;                 /* of the outermost forward under way, or NULL */
    tg_status status;
    char message[TG_MESSAGE];
    char shown[TG_SHOWN][TG_SIZES]; /* texts for a message, in turn */
    unsigned next_shown;
    generator random;
    team *team; /* NULL: one thread */
};

static inline bool tg__ready(const tg_context *tg)
{
    return tg->status == TG_OK;
}

/* What the current page has room for, if it is of that depth; else NULL. */
static inline void *tg__carve(tg_context *tg, int64_t depth, size_t bytes)
{
    scope *s = tg->scope;
    const size_t size = tg__round_up(bytes);
    if (!s || s->depth != depth || s->spares || !tg__is_small(bytes) ||
        (size_t)(s->end - s->top) < size)
        return NULL;
    void *memory = s->top;
    s->top += size;
    return memory;
}

static inline void *tg__alloc_at(tg_context *tg, int64_t depth, size_t bytes)
{
    void *memory = tg__carve(tg, depth, bytes);
    return memory ? memory : tg__alloc_slowly(tg, depth, bytes);
}

static inline void *tg__alloc(tg_context *tg, size_t bytes)
{
    return tg__alloc_at(tg, tg->depth, bytes);
}

/* Runs a portion over [0, n): in one go, or, if that makes two at least, in blocks of grain on all
 * threads. */
static inline void tg__split(const tg_context *tg, int64_t n, int64_t grain, portion *run,
                             void *work)
{
    if (tg->team && n >= 2 * grain)
        tg->team->run(tg->team, n, grain, run, work);
    else if (n > 0)
        run(work, 0, n);
}

/* ---- Random numbers: MT19937 and what is drawn from it. */

void tg__seed(generator *g, uint64_t seed);
uint32_t tg__u32(generator *g);
/* Two words, the first one high. */
uint64_t tg__u64(generator *g);
/* n uniform samples on [0, 1), of 24 bits and one word each, or of 53 bits and two. */
void tg__units_f32(generator *g, int64_t n, float *out);
void tg__units_f64(generator *g, int64_t n, double *out);
/* 0 to n - 1 in random order. */
void tg__permute(generator *g, int64_t n, int64_t *out);
/* Before anything is drawn from the context's stream. */
static inline void tg__before_draw(tg_context *tg)
{
    if (!tg->undo || tg->undo->drew) return;
    tg->undo->random = tg->random;
    tg->undo->drew = true;
}
/* n normal samples side by side, float32 or float64. */
void tg__normals(tg_context *tg, tg_dtype dtype, int64_t n, void *out, double mean, double std);

#endif
