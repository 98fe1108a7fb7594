/* one_hot: each label becomes a row of zeros with a 1 at the index that the label is. It has no
 * gradient. */
#include "op.h"

/* Checks that the shape of the result is possible. */
static bool check_one_hot_shape(const tg_tensor *index, int64_t num_classes)
{
    int64_t shape[TG_MAX_DIMS + 1];
    for (int d = 0; d < index->ndim; d++) shape[d] = index->shape[d];
    shape[index->ndim] = num_classes;
    return tg__check_shape(index->context, "one_hot", (tg_shape){index->ndim + 1, shape});
}

/* The input is contiguous. The attribute is the number of classes, which all labels are below. */
static bool one_hot_shape(const call *c, spec *s)
{
    tg__same_shape(c, s);
    s->shape[s->ndim++] = c->a[0].i;
    return true;
}

static bool one_hot_forward(const call *c)
{
    const int64_t *label = c->in[0]->data;
    int64_t *row = c->out->data;
    tg__fill(c->out, 0);
    for (int64_t i = 0; i < c->in[0]->numel; i++, row += c->a[0].i) row[label[i]] = 1;
    return true;
}

static const op_row one_hot_op = {
    .name = "one_hot", .shape = one_hot_shape, .forward = one_hot_forward};

static tg_tensor *one_hot(tg_tensor *index, int64_t num_classes)
{
    tg_context *tg = index->context;
    if (index->dtype != TG_I64)
        return tg__fail(tg, TG_ERR_DTYPE, "one_hot: the labels are %s, not int64",
                        tg_dtype_name(index->dtype));
    if (num_classes < -1 || num_classes == 0)
        return tg__fail(
            tg, TG_ERR_ARGUMENT,
            "one_hot: num_classes is %lld, but must be at least 1, or -1 for as many as "
            "the labels %s need",
            (long long)num_classes, SHOW(index));
    if (num_classes < 0 && index->numel == 0)
        return tg__fail(
            tg, TG_ERR_ARGUMENT,
            "one_hot: num_classes is -1, but there are no labels in %s to tell how many "
            "are needed",
            SHOW(index));
    if (num_classes > 0 && !check_one_hot_shape(index, num_classes)) return NULL;
    index = tg_contiguous(index);
    if (!index) return NULL;
    if (index->numel > 0) {
        int64_t least = INT64_MAX, most = INT64_MIN;
        const int64_t *label = index->data;
        for (int64_t i = 0; i < index->numel; i++) {
            least = label[i] < least ? label[i] : least;
            most = label[i] > most ? label[i] : most;
        }
        if (least < 0)
            return tg__fail(tg, TG_ERR_INDEX, "one_hot: label %lld is negative", (long long)least);
        if (num_classes > 0 && most >= num_classes)
            return tg__fail(tg, TG_ERR_INDEX, "one_hot: label %lld is not one of %lld classes",
                            (long long)most, (long long)num_classes);
        if (num_classes < 0) num_classes = tg__plus(most, 1);
    }
    if (!check_one_hot_shape(index, num_classes)) return NULL;
    return tg__apply(&one_hot_op, 1, &index, (attr[TG_ATTRS]){{.i = num_classes}});
}

tg_tensor *tg_one_hot(tg_tensor *index, int64_t num_classes)
{
    frame f;
    tg__enter(&f, "one_hot", index);
    return tg__leave(&f, index ? one_hot(index, num_classes) : NULL);
}
