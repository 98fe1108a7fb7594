/* What an operation is, how one is run, and how it is recorded for its gradient. */
#ifndef TG_OP_H
#define TG_OP_H

#include "../tensor/lifetime.h"
#include "../tensor/loops.h"

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
typedef struct record record;

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
    uint8_t on_path; /* on a path to the inputs of a sweep; bit 0 is the outermost sweep's, bit 1
                        that of a sweep nested in it, and so on */
    claim claim;     /* on the storage of t, if a gradient reads its values */
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

/* An operation. Its row names the members that it sets; the others are 0. */
struct op_row {
    const char *name;
    const char *grad_name; /* as PyTorch prints it */
    /* Checks inputs and attributes, fills the spec; or records the error and returns false. */
    bool (*shape)(const call *c, spec *s);
    /* Computes c->out, a contiguous tensor of that spec (or input 0, in place). */
    bool (*forward)(const call *c);
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
/* tg__apply for one that writes its result over the first input; the second broadcasts to it. */
tg_tensor *tg__apply_in_place(const op_row *o, int n, tg_tensor *const *inputs, const attr *a);
/* Whether a gradient will need the operation on these inputs that has a result of that dtype. */
bool tg__is_recorded(const tg_context *tg, tg_dtype result, int n, tg_tensor *const *in);
/* Puts what made c->out on the tape, if a gradient needs it. */
bool tg__record(const call *c);

/* ---- Shape rules. */

/* Of the last two inputs, which broadcast and have one dtype; of the first input; of the second. */
bool tg__broadcast_shape(const call *c, spec *s);
bool tg__same_shape(const call *c, spec *s);
/* Of three inputs that broadcast and have one dtype. */
bool tg__broadcast_three(const call *c, spec *s);
bool tg__shape_of_second(const call *c, spec *s);
/* The error that the operation does not take t's dtype, unless it is supported. */
static inline bool tg__check_dtype(const call *c, const tg_tensor *t, bool supported)
{
    return supported || tg__refuse_dtype(c->op->name, t);
}

/* ---- What gradients share. */

/* t with its last two dimensions exchanged, as torch.linalg.matrix_transpose. */
tg_tensor *tg__matrix_transpose(tg_tensor *t);
/* Adds g to the part of whole that the view r->out is of its input. */
void tg__add_part(const record *r, tg_tensor *whole, tg_tensor *g);

#endif
