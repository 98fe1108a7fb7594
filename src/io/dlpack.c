/* Tensors that are shared with other libraries by DLPack. */
#include "dlpack.h"

#include "../tensor/lifetime.h"

/* How DLPack names the elements of each dtype. */
static const struct {
    uint8_t code, bits;
} kinds[] = {[TG_F32] = {DL_FLOAT, 32},
             [TG_F64] = {DL_FLOAT, 64},
             [TG_I64] = {DL_INT, 64},
             [TG_BOOL] = {DL_BOOL, 8}};
_Static_assert(sizeof kinds / sizeof *kinds == TG_DTYPES, "each dtype has a row");

/* ---- To another library. */

/* What the other library holds, in memory of its own, until it calls the deleter. */
typedef struct lent {
    loan loan;
    int64_t shape[TG_MAX_DIMS], strides[TG_MAX_DIMS];
    union {
        struct DLManagedTensor plain;
        struct DLManagedTensorVersioned versioned;
    };
} lent;

static void take_back(lent *l)
{
    tg__end_loan(&l->loan);
    l->loan.deallocate(l->loan.user, l, sizeof *l);
}

static void delete_plain(struct DLManagedTensor *self)
{
    if (self) take_back(self->manager);
}

static void delete_versioned(struct DLManagedTensorVersioned *self)
{
    if (self) take_back(self->manager);
}

static lent *lend(tg_tensor *t, const char *op)
{
    if (!tg__check_inputs(op, 1, &t)) return NULL;
    tg_context *tg = t->context;
    if (t->requires_grad)
        return tg__fail(tg, TG_ERR_AUTOGRAD, "%s: the tensor %s requires grad; use tg_detach first",
                        op, SHOW(t));
    if (!tg__owns_elements(t))
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "%s: the memory of the tensor %s is not the library's; use tg_clone first",
                        op, SHOW(t));
    lent *l = tg->options.allocate(tg->options.user, sizeof *l);
    if (!l) return tg__fail(tg, TG_ERR_MEMORY, "out of memory: %zu bytes asked for", sizeof *l);
    tg__lend(t, &l->loan);
    return l;
}

static dl_tensor describe(const tg_tensor *t, lent *l)
{
    for (int i = 0; i < t->ndim; i++) {
        l->shape[i] = t->shape[i];
        l->strides[i] = t->strides[i];
    }
    return (dl_tensor){.data = t->data,
                       .device = {DL_CPU, 0},
                       .ndim = t->ndim,
                       .dtype = {kinds[t->dtype].code, kinds[t->dtype].bits, 1},
                       .shape = l->shape,
                       .strides = l->strides};
}

struct DLManagedTensor *tg_to_dlpack(tg_tensor *t)
{
    lent *l = lend(t, "to_dlpack");
    if (!l) return NULL;
    l->plain = (struct DLManagedTensor){describe(t, l), l, delete_plain};
    return &l->plain;
}

struct DLManagedTensorVersioned *tg_to_dlpack_versioned(tg_tensor *t)
{
    lent *l = lend(t, "to_dlpack_versioned");
    if (!l) return NULL;
    l->versioned = (struct DLManagedTensorVersioned){
        {DL_MAJOR, DL_MINOR}, l, delete_versioned, 0, describe(t, l)};
    return &l->versioned;
}

/* ---- From another library. */

static void give_plain_back(void *managed)
{
    struct DLManagedTensor *m = managed;
    if (m->deleter) m->deleter(m);
}

static void give_versioned_back(void *managed)
{
    struct DLManagedTensorVersioned *m = managed;
    if (m->deleter) m->deleter(m);
}

/* The dtype of the elements of d; -1 with the error if there is none. */
static int dtype_of(tg_context *tg, const char *op, const dl_tensor *d)
{
    static const char *const names[] = {"int",    "uint",    "float", "opaque",
                                        "bfloat", "complex", "bool"};
    const int code = d->dtype.code, bits = d->dtype.bits, lanes = d->dtype.lanes;
    for (int i = 0; i < TG_DTYPES; i++)
        if (kinds[i].code == code && kinds[i].bits == bits && lanes == 1) return i;
    const bool is_known = code < (int)(sizeof names / sizeof *names);
    tg__fail(tg, TG_ERR_DTYPE,
             "%s: the elements are %s (code %d, %d bits, %d lanes), and only float32, float64, "
             "int64 and bool can be shared; convert them first",
             op, is_known ? names[code] : "of another kind", code, bits, lanes);
    return -1;
}

/* The address of the first element; NULL if there is none, or if data is NULL. */
static void *first_element(const dl_tensor *d, int64_t numel)
{
    return numel > 0 && d->data ? (void *)((uintptr_t)d->data + (uintptr_t)d->byte_offset) : NULL;
}

/* Makes a tensor of d, and lets give_back(managed) be called when the current scope ends. Strides
 * that no element needs, such as those of a dimension of size 1, may be anything. */
static tg_tensor *borrow(tg_context *tg, const char *op, const dl_tensor *d, bool read_only,
                         void (*give_back)(void *managed), void *managed)
{
    const tg_shape shape = {d->ndim, d->shape};
    int64_t strides[TG_MAX_DIMS];
    if (d->device.type != DL_CPU)
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "%s: the memory is that of a device of type %d, not of the CPU, which has "
                        "type 1; copy the tensor to the CPU first",
                        op, (int)d->device.type);
    const int dtype = dtype_of(tg, op, d);
    if (dtype < 0 || !tg__check_shape(tg, op, shape)) return NULL;
    if (d->byte_offset > UINTPTR_MAX - (uintptr_t)d->data)
        return tg__fail(tg, TG_ERR_ARGUMENT, "%s: byte_offset leads beyond memory", op);
    tg__strides(shape.ndim, shape.dims, strides);
    const int64_t numel = tg__numel(shape.ndim, shape.dims);
    for (int i = 0; d->strides && numel > 0 && i < shape.ndim; i++)
        if (shape.dims[i] > 1) strides[i] = d->strides[i];
    tg_tensor *t = tg__wrap(tg, op, (tg_dtype)dtype, shape, (tg_shape){shape.ndim, strides},
                            first_element(d, numel), read_only);
    if (!t || tg__at_scope_end(tg, give_back, managed)) return t;
    tg_release(t);
    return NULL;
}

tg_tensor *tg_from_dlpack(tg_context *tg, struct DLManagedTensor *managed)
{
    if (!tg) return NULL;
    if (!managed) return tg__fail(tg, TG_ERR_ARGUMENT, "from_dlpack: managed is NULL");
    return borrow(tg, "from_dlpack", &managed->tensor, false, give_plain_back, managed);
}

tg_tensor *tg_from_dlpack_versioned(tg_context *tg, struct DLManagedTensorVersioned *managed)
{
    if (!tg) return NULL;
    if (!managed) return tg__fail(tg, TG_ERR_ARGUMENT, "from_dlpack_versioned: managed is NULL");
    if (managed->version.major != DL_MAJOR)
        return tg__fail(tg, TG_ERR_ARGUMENT,
                        "from_dlpack_versioned: the tensor has version %lld.%lld of DLPack, of "
                        "which only version 1 is understood",
                        (long long)managed->version.major, (long long)managed->version.minor);
    return borrow(tg, "from_dlpack_versioned", &managed->tensor, managed->flags & DL_READ_ONLY,
                  give_versioned_back, managed);
}
