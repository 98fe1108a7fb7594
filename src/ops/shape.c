/* Copies that rearrange: repeat, flip, roll, triangles and padding; and views that are said with
 * others. */
#include "op.h"

#include <string.h>

/* ---- Views. */

tg_tensor *tg_movedim(tg_tensor *t, tg_shape source, tg_shape destination)
{
    int64_t order[TG_MAX_DIMS], from = 0;
    unsigned taken = 0, placed = 0;
    if (!t || !tg__check_list(t->context, "movedim", "dims", source) ||
        !tg__check_list(t->context, "movedim", "dims", destination))
        return NULL;
    if (source.ndim != destination.ndim)
        return tg__fail(t->context, TG_ERR_INDEX,
                        "movedim: source has length %d and destination %d for %s, but both must "
                        "have the same length",
                        source.ndim, destination.ndim, SHOW(t));
    for (int i = 0; i < source.ndim; i++) {
        int s = tg__dim(t, "movedim", source.dims[i], t->ndim),
            d = tg__dim(t, "movedim", destination.dims[i], t->ndim);
        if (s < 0 || d < 0) return NULL;
        if (taken >> s & 1 || placed >> d & 1)
            return tg__fail(t->context, TG_ERR_INDEX, "movedim: dim %d appears twice",
                            taken >> s & 1 ? s : d);
        taken |= 1u << s;
        placed |= 1u << d;
        order[d] = s;
    }
    for (int d = 0; d < t->ndim; d++) {
        if (placed >> d & 1) continue;
        while (taken >> from & 1) from++;
        order[d] = from++;
    }
    frame f;
    tg__enter(&f, "movedim", t);
    return tg__leave(&f, tg_permute(t, (tg_shape){t->ndim, order}));
}

tg_tensor *tg_broadcast_to(tg_tensor *t, tg_shape shape)
{
    frame f;
    tg__enter(&f, "broadcast_to", t);
    return tg__leave(&f, tg_expand(t, shape));
}

/* The dimension along which op takes t apart; -1 with the error. */
static int dim_to_cut(const char *op, tg_tensor *t, int dim)
{
    if (!tg__check_inputs(op, 1, &t)) return -1;
    if (!t->context->no_grad && !tg__check_history(op, 1, &t)) return -1;
    return tg__dim(t, op, dim, t->ndim);
}

static tg_list fail_to_cut(const char *op, const tg_tensor *t)
{
    tg__fail(t->context, TG_ERR_SHAPE, "%s: the tensor is %s, which has no dimension to cut", op,
             SHOW(t));
    return tg__no_list;
}

/* n parts along d: of these sizes or, where sizes is NULL, of `each` as far as there is so much. */
static tg_list cut_up(tg_tensor *t, int d, int n, const int64_t *sizes, int64_t each)
{
    tg_tensor **parts = tg__alloc(t->context, tg__bytes(n, sizeof *parts));
    int64_t start = 0;
    for (int i = 0; parts && i < n; i++) {
        const int64_t left = t->shape[d] - start;
        const int64_t size = sizes ? sizes[i] : left < each ? left : each;
        if (!(parts[i] = tg_narrow(t, d, start, size))) return tg__no_list;
        start += size;
    }
    return parts ? (tg_list){n, parts} : tg__no_list;
}

tg_list tg_split_sizes(tg_tensor *t, tg_shape sizes, int dim)
{
    int d = dim_to_cut("split", t, dim);
    if (d < 0) return tg__no_list;
    if (t->ndim == 0) return fail_to_cut("split", t);
    if (!tg__check_parts(t->context, "split", "size", sizes)) return tg__no_list;
    if (!tg__adds_up(sizes, t->shape[d])) {
        tg__fail(t->context, TG_ERR_SHAPE,
                 "split: the sizes %s do not add up to %lld, the size of dimension %d of %s",
                 tg__show_sizes(t->context, sizes.ndim, sizes.dims), (long long)t->shape[d], d,
                 SHOW(t));
        return tg__no_list;
    }
    return cut_up(t, d, sizes.ndim, sizes.dims, 0);
}

tg_list tg_split(tg_tensor *t, int64_t split_size, int dim)
{
    int d = dim_to_cut("split", t, dim);
    if (d < 0) return tg__no_list;
    const int64_t n = t->ndim ? t->shape[d] : 0;
    if (t->ndim == 0) return fail_to_cut("split", t);
    if (split_size < 0 || (split_size == 0 && n > 0)) {
        tg__fail(t->context, TG_ERR_ARGUMENT,
                 "split: split_size is %lld for %s, but must be at least 1", (long long)split_size,
                 SHOW(t));
        return tg__no_list;
    }
    const int64_t parts = n > 0 ? (n - 1) / split_size + 1 : 1;
    if (parts > INT32_MAX) {
        tg__fail(t->context, TG_ERR_ARGUMENT,
                 "split: split_size %lld cuts dimension %d of %s into %lld parts, but at most %d "
                 "are allowed",
                 (long long)split_size, d, SHOW(t), (long long)parts, INT32_MAX);
        return tg__no_list;
    }
    return cut_up(t, d, (int)parts, NULL, split_size);
}

tg_list tg_chunk(tg_tensor *t, int64_t chunks, int dim)
{
    int d = dim_to_cut("chunk", t, dim);
    if (d < 0) return tg__no_list;
    if (t->ndim == 0) return fail_to_cut("chunk", t);
    if (chunks < 1 || chunks > INT32_MAX) {
        tg__fail(t->context, TG_ERR_ARGUMENT, "chunk: chunks is %lld for %s, but must be at %s %d",
                 (long long)chunks, SHOW(t), chunks < 1 ? "least" : "most",
                 chunks < 1 ? 1 : INT32_MAX);
        return tg__no_list;
    }
    const int64_t n = t->shape[d];
    return n > 0 ? tg_split(t, (n - 1) / chunks + 1, d) : cut_up(t, d, (int)chunks, NULL, 0);
}

/* ---- Copies that are said with others. */

static bool check_repeats(const tg_tensor *t, tg_shape repeats)
{
    const int extra = repeats.ndim - t->ndim;
    int64_t shape[TG_MAX_DIMS];
    if (extra < 0)
        return tg__fail(t->context, TG_ERR_SHAPE,
                        "repeat: %s needs %d repeats, one a dimension, not %d; tg_tile takes fewer",
                        SHOW(t), t->ndim, repeats.ndim);
    if (repeats.ndim > TG_MAX_DIMS)
        return tg__fail(t->context, TG_ERR_SHAPE,
                        "repeat: %s is given %d repeats, but at most %d are allowed", SHOW(t),
                        repeats.ndim, TG_MAX_DIMS);
    for (int d = 0; d < repeats.ndim; d++) {
        const int64_t n = repeats.dims[d];
        if (n < 0)
            return tg__fail(t->context, TG_ERR_SHAPE,
                            "repeat: %s is to be repeated %lld times along dimension %d, but the "
                            "number must not be negative",
                            SHOW(t), (long long)n, d);
        shape[d] = tg__times(d < extra ? 1 : t->shape[d - extra], n);
    }
    return tg__check_shape(t->context, "repeat", (tg_shape){repeats.ndim, shape});
}

/* t with dimension d n times as long: a view of a copy, or of t. */
static tg_tensor *repeat_dim(tg_tensor *t, int64_t n, int d)
{
    int64_t shape[TG_MAX_DIMS];
    const tg_shape repeated = {t->ndim, shape};
    memcpy(shape, t->shape, sizeof shape);
    shape[d] *= n;
    if (t->shape[d] == 1) return tg_expand(t, repeated);
    /* [..., 1, rest] expanded to [..., n, rest], seen as two dimensions around the new one */
    const int64_t before = tg__numel(d, t->shape), after = tg__numel(t->ndim - d, t->shape + d);
    t = tg_expand(tg_reshape(t, TG_SHAPE(before, 1, after)), TG_SHAPE(before, n, after));
    return tg_reshape(t, repeated);
}

tg_tensor *tg_repeat(tg_tensor *t, tg_shape repeats)
{
    frame f;
    if (!t || !tg__check_list(t->context, "repeat", "repeats", repeats) ||
        !check_repeats(t, repeats))
        return NULL;
    tg__enter(&f, "repeat", t);
    const tg_tensor *last = NULL;
    while (t && t->ndim < repeats.ndim) t = tg_unsqueeze(t, 0);
    for (int d = 0; t && d < repeats.ndim; d++)
        if (repeats.dims[d] != 1) last = t = repeat_dim(t, repeats.dims[d], d);
    return tg__leave(&f, t == last ? tg_contiguous(t) : tg_clone(t));
}

tg_tensor *tg_tile(tg_tensor *t, tg_shape dims)
{
    int64_t repeats[TG_MAX_DIMS];
    frame f;
    if (!t || !tg__check_list(t->context, "tile", "dims", dims)) return NULL;
    for (int d = 0; d < t->ndim; d++) {
        int own = d - (t->ndim - dims.ndim);
        repeats[d] = own < 0 ? 1 : dims.dims[own];
    }
    tg__enter(&f, "tile", t);
    return tg__leave(&f, tg_repeat(t, dims.ndim >= t->ndim ? dims : (tg_shape){t->ndim, repeats}));
}

static tg_tensor *roll_dim(tg_tensor *t, int64_t shift, int d)
{
    const int64_t n = t->shape[d], at = n ? (n - shift % n) % n : 0;
    if (at == 0) return tg_clone(t);
    return tg_cat(TG_LIST(tg_narrow(t, d, at, n - at), tg_narrow(t, d, 0, at)), d);
}

static tg_tensor *roll_of(tg_tensor *t, tg_shape shifts, tg_shape dims)
{
    if (!t) return NULL;
    if (dims.ndim == 0 && shifts.ndim == 1)
        return tg_reshape(roll_of(tg_flatten(t, 0, -1), shifts, TG_DIMS(0)),
                          (tg_shape){t->ndim, t->shape});
    if (shifts.ndim != dims.ndim || shifts.ndim < 1)
        return tg__fail(t->context, TG_ERR_ARGUMENT, "roll: %d shifts for %d dims", shifts.ndim,
                        dims.ndim);
    tg_tensor *rolled = t;
    for (int i = 0; rolled && i < dims.ndim; i++) {
        int d = tg__dim(t, "roll", dims.dims[i], t->ndim);
        if (d < 0) return NULL;
        if (t->ndim) rolled = roll_dim(rolled, shifts.dims[i], d);
    }
    return rolled == t ? tg_clone(t) : rolled;
}

tg_tensor *tg_roll(tg_tensor *t, tg_shape shifts, tg_shape dims)
{
    frame f;
    if (!t || !tg__check_list(t->context, "roll", "shifts", shifts) ||
        !tg__check_list(t->context, "roll", "dims", dims))
        return NULL;
    tg__enter(&f, "roll", t);
    return tg__leave(&f, roll_of(t, shifts, dims));
}

/* ---- flip. a[0]: a bit for each dimension. */

static bool flip_forward(const call *c)
{
    const tg_tensor *t = c->in[0];
    int64_t start = 0, strides[TG_MAX_DIMS];
    for (int d = 0; d < t->ndim; d++) {
        const bool turned = (uint64_t)c->a[0].i >> d & 1;
        if (turned) start += (t->shape[d] - 1) * t->strides[d];
        strides[d] = turned ? -t->strides[d] : t->strides[d];
    }
    if (t->numel == 0) return true;
    stack_tensor back;
    char *data = (char *)t->data + start * (int64_t)tg__dtype_size(t->dtype);
    tg__copy(c->out, tg__array(&back, t, data, t->ndim, t->shape, strides));
    return true;
}

static tg_tensor *flip_grad(const record *r, int i, tg_tensor *g)
{
    (void)i;
    return tg__apply(r->op, 1, &g, r->a);
}

static const op_row flip_op = {
    .name = "flip",
    .grad_name = "FlipBackward0",
    .shape = tg__same_shape,
    .forward = flip_forward,
    .grad = flip_grad,
};

tg_tensor *tg_flip(tg_tensor *t, tg_shape dims)
{
    uint64_t bits = 0;
    if (!t) return NULL;
    if (!tg__dim_bits(t, "flip", dims, &bits)) return NULL;
    return tg__apply(&flip_op, 1, &t, (attr[TG_ATTRS]){{.i = (int64_t)bits}});
}

/* ---- Triangles of the last two dimensions. a[0]: the diagonal, a[1]: the upper one. */

static bool triangle_shape(const call *c, spec *s)
{
    const tg_tensor *t = c->in[0];
    if (t->ndim < 2)
        return tg__fail(c->tg, TG_ERR_SHAPE, "%s: %s has less than 2 dimensions", c->op->name,
                        SHOW(t));
    return tg__same_shape(c, s);
}

static bool triangle_forward(const call *c)
{
    tg_tensor *t = c->out;
    const int64_t rows = t->shape[t->ndim - 2], n = t->shape[t->ndim - 1];
    const size_t size = tg__dtype_size(t->dtype);
    tg__copy(t, c->in[0]);
    for (int64_t i = 0; n > 0 && i < t->numel / n; i++) {
        int64_t cut =
            i % rows + c->a[0].i + !c->a[1].i; /* the first that is not in the lower one */
        cut = cut < 0 ? 0 : cut > n ? n : cut;
        const int64_t from = c->a[1].i ? 0 : cut, to = c->a[1].i ? cut : n;
        memset((char *)t->data + (size_t)(i * n + from) * size, 0, (size_t)(to - from) * size);
    }
    return true;
}

static const op_row tril_op = {
    .name = "tril",
    .grad_name = "TrilBackward0",
    .shape = triangle_shape,
    .forward = triangle_forward,
    .grad = flip_grad,
};
static const op_row triu_op = {
    .name = "triu",
    .grad_name = "TriuBackward0",
    .shape = triangle_shape,
    .forward = triangle_forward,
    .grad = flip_grad,
};

static tg_tensor *triangle(const op_row *o, tg_tensor *t, int64_t diagonal)
{
    const int64_t far = TG_MOST_ELEMENTS; /* beyond any matrix, and sums with it do not overflow */
    diagonal = diagonal > far ? far : diagonal < -far ? -far : diagonal;
    return tg__apply(o, 1, &t, (attr[TG_ATTRS]){{.i = diagonal}, {.i = o == &triu_op}});
}

tg_tensor *tg_tril(tg_tensor *t, int64_t diagonal)
{
    return triangle(&tril_op, t, diagonal);
}

tg_tensor *tg_triu(tg_tensor *t, int64_t diagonal)
{
    return triangle(&triu_op, t, diagonal);
}

/* ---- pad: with a constant. The list and its length are too long for a record, so a row pads one
 * dimension. a: dim, before, after, value; neither negative. */

static bool pad_shape(const call *c, spec *s)
{
    tg__same_shape(c, s);
    s->shape[c->a[0].i] += c->a[1].i + c->a[2].i;
    return true;
}

static bool pad_forward(const call *c)
{
    const tg_tensor *t = c->in[0], *out = c->out;
    tg__fill(c->out, c->a[3].f);
    if (t->numel == 0) return true;
    stack_tensor inner;
    const int64_t at = c->a[1].i * out->strides[c->a[0].i] * (int64_t)tg__dtype_size(out->dtype);
    tg__copy(tg__array(&inner, out, (char *)out->data + at, t->ndim, t->shape, out->strides), t);
    return true;
}

static tg_tensor *pad_grad(const record *r, int i, tg_tensor *g)
{
    const int d = (int)r->a[0].i;
    return tg_narrow(g, d, r->a[1].i, r->in[i].t->shape[d]);
}

static const op_row pad_op = {
    .name = "pad",
    .grad_name = "ConstantPadNdBackward0",
    .shape = pad_shape,
    .forward = pad_forward,
    .grad = pad_grad,
};

/* Numbers after which something, or nothing, is left of each dimension, and not too much. */
static bool check_pad(const tg_tensor *t, tg_shape pad)
{
    int64_t shape[TG_MAX_DIMS];
    if (pad.ndim % 2)
        return tg__fail(t->context, TG_ERR_SHAPE,
                        "pad: pad has length %d, but must hold two numbers for each padded "
                        "dimension of %s",
                        pad.ndim, SHOW(t));
    if (pad.ndim / 2 > t->ndim)
        return tg__fail(t->context, TG_ERR_SHAPE,
                        "pad: pad has length %d, but %s takes at most %d, two numbers a dimension",
                        pad.ndim, SHOW(t), 2 * t->ndim);
    memcpy(shape, t->shape, sizeof shape);
    for (int i = 0; i < pad.ndim; i++) {
        const int d = t->ndim - 1 - i / 2;
        const int64_t more = pad.dims[i];
        if (more < -t->shape[d] || (more < 0 && shape[d] < -more))
            return tg__fail(t->context, TG_ERR_SHAPE,
                            "pad: %lld and %lld leave less than nothing of dimension %d of %s",
                            (long long)pad.dims[i / 2 * 2], (long long)pad.dims[i / 2 * 2 + 1], d,
                            SHOW(t));
        shape[d] = more < 0 ? shape[d] + more : tg__plus(shape[d], more);
    }
    return tg__check_shape(t->context, "pad", (tg_shape){t->ndim, shape});
}

/* Numbers below 0 cut elements off. */
static tg_tensor *cut_dim(tg_tensor *t, int d, int64_t before, int64_t after)
{
    const int64_t skip = before < 0 ? -before : 0, drop = after < 0 ? -after : 0;
    return skip || drop ? tg_narrow(t, d, skip, t->shape[d] - skip - drop) : t;
}

static tg_tensor *pad_dim(tg_tensor *t, int d, int64_t before, int64_t after, double value)
{
    if (before <= 0 && after <= 0) return t;
    return tg__apply(
        &pad_op, 1, &t,
        (attr[TG_ATTRS]){
            {.i = d}, {.i = before > 0 ? before : 0}, {.i = after > 0 ? after : 0}, {.f = value}});
}

tg_tensor *tg_pad(tg_tensor *t, tg_shape pad, double value)
{
    frame f;
    if (!t || !tg__check_value(t->context, "pad", t->dtype, value) ||
        !tg__check_list(t->context, "pad", "numbers", pad) || !check_pad(t, pad))
        return NULL;
    tg__enter(&f, "pad", t);
    tg_tensor *out = t;
    for (int i = 0; out && i < pad.ndim / 2; i++) /* first: no step is larger than the result */
        out = cut_dim(out, t->ndim - 1 - i, pad.dims[2 * i], pad.dims[2 * i + 1]);
    for (int i = 0; out && i < pad.ndim / 2; i++)
        out = pad_dim(out, t->ndim - 1 - i, pad.dims[2 * i], pad.dims[2 * i + 1], value);
    return tg__leave(&f, out == t || (out && priv(out)->is_view) ? tg_clone(out) : out);
}
