/* Elements picked and placed by index. */
#include "../internal.h"

#include <string.h>

/* index must be int64, of a's ndim, and not larger than a except along dim. */
static bool check_index(const call *c, const tg_tensor *a, const tg_tensor *index, int dim)
{
    if (index->dtype != TG_I64)
        return tg__fail(c->tg, TG_ERR_DTYPE, "%s: the index is %s, not int64", c->op->name,
                        tg_dtype_name(index->dtype));
    bool fits = index->ndim == a->ndim;
    for (int d = 0; d < a->ndim && fits; d++) fits = d == dim || index->shape[d] <= a->shape[d];
    return fits || tg__fail(c->tg, TG_ERR_SHAPE, "%s: index %s does not fit %s along dim %d",
                            c->op->name, SHOW(index), SHOW(a), dim);
}

/* Where element number `number` of index (row-major) lies in itself and, by its value, in a. */
typedef struct place {
    int64_t in_index, in_a, other; /* other: the same coordinates in a third tensor */
} place;

static bool locate(const call *c, const tg_tensor *a, const tg_tensor *index,
                   const tg_tensor *third, int64_t number, place *p)
{
    int dim = (int)c->a[0].i;
    *p = (place){0};
    for (int d = index->ndim - 1; d >= 0; d--) {
        int64_t at = number % index->shape[d];
        number /= index->shape[d];
        p->in_index += at * index->strides[d];
        p->other += at * third->strides[d];
        if (d != dim) p->in_a += at * a->strides[d];
    }
    int64_t chosen = ((const int64_t *)index->data)[p->in_index], n = a->ndim ? a->shape[dim] : 1;
    if (chosen < 0 || chosen >= n)
        return tg__fail(c->tg, TG_ERR_INDEX,
                        "%s: index %lld is out of range for dimension %d of %s", c->op->name,
                        (long long)chosen, dim, SHOW(a));
    if (a->ndim) p->in_a += chosen * a->strides[dim];
    return true;
}

static bool gather_shape(const call *c, spec *s)
{
    const tg_tensor *a = c->in[0], *index = c->in[1];
    if (!check_index(c, a, index, (int)c->a[0].i)) return false;
    s->dtype = a->dtype;
    s->ndim = index->ndim;
    memcpy(s->shape, index->shape, sizeof s->shape);
    return true;
}

static bool gather_run(const call *c)
{
    const tg_tensor *a = c->in[0];
    int64_t size = (int64_t)tg__dtype_size(a->dtype);
    for (int64_t i = 0; i < c->out->numel; i++) {
        place p;
        if (!locate(c, a, c->in[1], c->out, i, &p)) return false;
        memcpy((char *)c->out->data + p.other * size, (const char *)a->data + p.in_a * size,
               (size_t)size);
    }
    return true;
}

static tg_tensor *gather_grad(const record *r, int i, tg_tensor *g)
{
    return tg_scatter_add(tg_zeros_like(r->in[i].t), (int)r->a[0].i, r->in[1].t, g);
}

static const op_row gather_op = {
    "gather", "GatherBackward0", gather_shape, gather_run, gather_grad, {READS_1}, 0, 0};

tg_tensor *tg_gather(tg_tensor *a, int dim, tg_tensor *index)
{
    int d = a ? tg__dim(a, "gather", dim, a->ndim) : -1;
    if (d < 0) return NULL;
    return tg__apply(&gather_op, 2, (tg_tensor *[]){a, index}, (attr[TG_ATTRS]){{.i = d}});
}

static bool scatter_add_shape(const call *c, spec *s)
{
    const tg_tensor *a = c->in[0], *index = c->in[1], *source = c->in[2];
    if (!check_index(c, a, index, (int)c->a[0].i)) return false;
    if (!tg__check_dtype(c, a, a->dtype != TG_BOOL)) return false;
    if (source->dtype != a->dtype)
        return tg__fail(c->tg, TG_ERR_DTYPE, "scatter_add: %s into %s: dtypes differ; use tg_cast",
                        tg_dtype_name(source->dtype), tg_dtype_name(a->dtype));
    return tg__same_shape(c, s);
}

static bool scatter_add_run(const call *c)
{
    const tg_tensor *index = c->in[1], *source = c->in[2];
    binary_kernel *add = pick(c->tg->level, add, c->out->dtype);
    int64_t size = (int64_t)tg__dtype_size(c->out->dtype);
    tg__copy(c->out, c->in[0]);
    for (int64_t i = 0; i < index->numel; i++) {
        place p;
        if (!locate(c, c->out, index, source, i, &p)) return false;
        char *to = (char *)c->out->data + p.in_a * size;
        add(1, to, to, (const char *)source->data + p.other * size);
    }
    return true;
}

static tg_tensor *scatter_add_grad(const record *r, int i, tg_tensor *g)
{
    return i == 0 ? g : tg_gather(g, (int)r->a[0].i, r->in[1].t);
}

static const op_row scatter_add_op = {"scatter_add",
                                      "ScatterAddBackward0",
                                      scatter_add_shape,
                                      scatter_add_run,
                                      scatter_add_grad,
                                      {0, 0, READS_1},
                                      0,
                                      0};

tg_tensor *tg_scatter_add(tg_tensor *a, int dim, tg_tensor *index, tg_tensor *source)
{
    if (!tg__check_inputs("scatter_add", 3, (tg_tensor *[]){a, index, source})) return NULL;
    int d = tg__dim(a, "scatter_add", dim, a->ndim);
    if (d < 0) return NULL;
    bool fits = source->ndim == index->ndim;
    for (int i = 0; i < index->ndim && fits; i++) fits = index->shape[i] <= source->shape[i];
    if (!fits)
        return tg__fail(a->context, TG_ERR_SHAPE, "scatter_add: index %s is larger than source %s",
                        SHOW(index), SHOW(source));
    for (int i = 0; i < index->ndim; i++) /* the rest of source is not used */
        if (source && index->shape[i] < source->shape[i])
            source = tg_narrow(source, i, 0, index->shape[i]);
    return tg__apply(&scatter_add_op, 3, (tg_tensor *[]){a, index, source},
                     (attr[TG_ATTRS]){{.i = d}});
}
