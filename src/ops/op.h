/* What an operation is, how one is run, and how it is recorded for its gradient. */
#ifndef TG_OP_H
#define TG_OP_H

#include "../tensor/lifetime.h"
#include "../tensor/loops.h"

/* A number that the caller of an operation gave, such as a dimension or a factor. */
typedef union attr {
    int64_t i;
    double f;
} attr;
enum { TG_ATTRS = 1 + TG_MAX_DIMS }; /* a length and a size for each dimension */

/* The result of an operation, as its shape rule describes it. Only a view has strides and an
 * offset; both count elements, and the offset begins at the first element of the input. */
typedef struct spec {
    tg_dtype dtype;
    int ndim;
    int64_t shape[TG_MAX_DIMS];
    int64_t strides[TG_MAX_DIMS];
    int64_t offset;
} spec;

typedef struct op_row op_row;
typedef struct record record;

/* An operation that is being run, as its shape rule and its forward see it. */
typedef struct call {
    const op_row *op;
    tg_context *tg;
    int n;         /* number of inputs */
    bool in_place; /* the operation writes over out, which is its first input */
    tg_tensor *const *in;
    const attr *a;  /* TG_ATTRS of them, or NULL */
    tg_tensor *out; /* NULL while the shape rule runs, unless the operation works in place */
} call;

/* An input of an operation that is on the tape. */
typedef struct operand {
    tg_tensor *t;
    uint32_t version; /* of t when the operation ran */
    bool needs_grad;
    uint8_t on_path; /* on a path to the inputs of a sweep; bit 0 is the outermost sweep's, bit 1
                        that of a sweep nested in it, and so on */
    claim claim;     /* on the storage of t, if a gradient reads its values */
} operand;

/* An operation that was run and that the backward pass will need. The records of a context are a
 * linked list, which is the tape. */
struct record {
    const op_row *op;
    const char *grad_name; /* that of op, or what tg__name_grad_fn has put there */
    record *prev;          /* the record that was made before this one */
    int64_t number;        /* greater than that of prev */
    tg_tensor *out;
    const char *place;    /* the path of the module that ran it, if anomalies are sought; or NULL */
    uint32_t out_version; /* of out after the operation ran */
    int n;                /* number of inputs */
    unsigned reads;       /* READS_* for the gradients of all inputs that require one */
    attr a[TG_ATTRS];
    operand in[];
};

enum { TG_TOGETHER = 3 }; /* the most inputs whose gradients `gradients` computes */
enum {
    OP_VIEW = 1, /* the result shares the storage of its input, and there is no forward to run */
    OP_BROADCAST = 2, /* a gradient may have a larger shape, to which its input was broadcast;
                         backward sums it */
    OP_OWN = 4,       /* the gradient function is the user's and may keep the tensors it makes */
    OP_PART = 8, /* a view of a part of its input, to which backward adds its gradient in place */
    OP_OVER = 16 /* grad_into may be given g itself as `out` */
};
/* The values that the gradient for one input reads: some inputs, or the result. Backward fails
 * if one of them was changed in place after the forward. READS_3 means all inputs from the fourth
 * on. */
enum { READS_NOTHING = 0, READS_0 = 1, READS_1 = 2, READS_2 = 4, READS_3 = 8, READS_OUT = 16 };

static inline unsigned tg__reads_input(int i)
{
    return (unsigned)READS_0 << (i < 3 ? i : 3);
}

/* What defines an operation. Its row, a static constant, names the members that it sets; the others
 * are 0. */
struct op_row {
    const char *name;
    const char *grad_name; /* what PyTorch calls the grad_fn of its result */
    /* Checks inputs and attributes and fills the spec, or returns false after it has recorded the
     * error. */
    bool (*shape)(const call *c, spec *s);
    /* Computes the elements of c->out, which is a contiguous tensor of that spec or, for an
     * operation that works in place, input 0. False: an error is recorded. */
    bool (*forward)(const call *c);
    /* Returns the gradient of input i, given the gradient g of the result. It is written with the
     * library's operations, which makes it differentiable in turn. NULL for an operation without a
     * gradient. */
    tg_tensor *(*grad)(const record *r, int i, tg_tensor *g);
    /* Computes the elements of the same gradient, with the same bits, in `out`: a contiguous tensor
     * with the shape and dtype of input i. It is the shorter way where the gradient needs no
     * history. g may be a stack_tensor. NULL: there is only `grad`. False: an error is recorded. */
    bool (*grad_into)(const record *r, int i, tg_tensor *g, tg_tensor *out);
    /* Computes together, in tensors of their own, the gradients of those of the first TG_TOGETHER
     * inputs for which it can. It serves where no history of these gradients is wanted. grads[i]
     * stays NULL for the others, for which backward calls `grad`. NULL: there is only `grad`.
     * False: an error is recorded. */
    bool (*gradients)(const record *r, tg_tensor *g, tg_tensor **grads);
    uint8_t reads[3]; /* READS_* for the gradient of each input; the last is for all inputs from the
                         third on */
    uint8_t flags;
    const void *kernel; /* the unary_set, binary_set or compare_set of an elementwise operation;
                           function.c keeps a pointer of its own here */
};

/* Runs an operation on n inputs and records it if a gradient needs the record. a points to TG_ATTRS
 * attributes or is NULL. Returns NULL after an error, and if an input is NULL. */
tg_tensor *tg__apply(const op_row *o, int n, tg_tensor *const *in, const attr *a);
/* The same for an operation that writes its result over its first input and returns that input. The
 * second input, if there is one, broadcasts to the shape of the first. */
tg_tensor *tg__apply_in_place(const op_row *o, int n, tg_tensor *const *inputs, const attr *a);
/* Whether an operation on these inputs with a result of that dtype is to be recorded: gradients are
 * enabled, the dtype is floating, and an input requires grad. */
bool tg__is_recorded(const tg_context *tg, tg_dtype result, int n, tg_tensor *const *in);
/* Gives the grad_fn of t the name that PyTorch has for it, where a function that is one operation
 * in PyTorch is composed of several here: t is its result, which the last of them has made. Returns
 * t, which may be NULL. */
tg_tensor *tg__name_grad_fn(tg_tensor *t, const char *grad_name);
/* Puts a record of the call on the tape, if a gradient needs one; false if there is no memory. */
bool tg__record(const call *c);

/* ---- Shape rules that several operations share. */

/* The result gets the shape and dtype of t. The sizes are copied one by one. They are soon read one
 * by one, and a processor forwards a store to a load only if both have the same width; after a
 * wider copy each load would wait. */
static inline void tg__copy_shape(spec *s, const tg_tensor *t)
{
    s->dtype = t->dtype;
    s->ndim = t->ndim;
    for (int d = 0; d < t->ndim; d++) s->shape[d] = t->shape[d];
}

/* The result has the common shape of the last two inputs, which must have one dtype. */
bool tg__broadcast_shape(const call *c, spec *s);
/* The result has the shape and dtype of the first input. */
bool tg__same_shape(const call *c, spec *s);
/* The result has the common shape of three inputs, which must have one dtype. */
bool tg__broadcast_three(const call *c, spec *s);
/* The result, of an operation in place, is the first input, to whose shape the second broadcasts.
 */
bool tg__write_shape(const call *c, spec *s);
/* The result has the shape and dtype of the second input. */
bool tg__shape_of_second(const call *c, spec *s);
/* Returns true if the dtype of t is supported; else records the error that the operation does not
 * take this dtype. */
static inline bool tg__check_dtype(const call *c, const tg_tensor *t, bool supported)
{
    return supported || tg__refuse_dtype(c->op->name, t);
}

/* Records the error that a and b, two inputs of op, have different dtypes. Returns NULL, which also
 * serves as false. */
void *tg__fail_dtypes(const char *op, const tg_tensor *a, const tg_tensor *b);

/* ---- Functions that gradients share. */

/* A view of t with its last two dimensions exchanged, as t.mT in PyTorch. */
tg_tensor *tg__matrix_transpose(tg_tensor *t);
/* A 0-d tensor of the dtype of `like` whose element is 0, which tg_where takes for the elements
 * that get no gradient. NULL if there is no memory. */
tg_tensor *tg__zero(const tg_tensor *like);

/* ---- The gradient of a view of a part of a tensor. In these, r has recorded such a view, g is its
 * gradient, and `whole` is the gradient of the tensor. */

/* The elements whose index along dimension dim is in [from, to). */
typedef struct part_range {
    int dim;
    int64_t from, to;
} part_range;

/* The range that the view shows; its dim is -1 if no range has the same elements, as for a
 * diagonal. */
part_range tg__part_range(const record *r);
/* Adds to *range the elements of `more`, if these lie right before or behind it; else returns
 * false. */
bool tg__extend_range(part_range *range, part_range more);
/* Adds g to the part of `whole`, or writes it there. */
void tg__add_part(const record *r, tg_tensor *whole, tg_tensor *g);
void tg__write_part(const record *r, tg_tensor *whole, tg_tensor *g);
/* Adds g by an operation in place, which is recorded. False after an error. */
bool tg__add_part_by_op(const record *r, tg_tensor *whole, tg_tensor *g);
/* Writes zeros to the part of `whole` outside of the range. */
void tg__fill_rest(tg_tensor *whole, part_range range);

#endif
