/* one_hot: each label becomes a row of zeros with a 1 at the index that the label is. It has no
 * gradient, and is composed of other operations. */
#include "op.h"

/* Checks that the shape of the result is possible. */
static bool check_one_hot_shape(const tg_tensor *index, int64_t num_classes)
{
    int64_t shape[TG_MAX_DIMS + 1];
    for (int d = 0; d < index->ndim; d++) shape[d] = index->shape[d];
    shape[index->ndim] = num_classes;
    return tg__check_shape(index->context, "one_hot", (tg_shape){index->ndim + 1, shape});
}

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
    if (index->numel > 0) {
        const tg_tensor *min = tg_min(index), *max = tg_max(index);
        if (!min || !max) return NULL;
        const int64_t least = tg_item_i64(min), most = tg_item_i64(max);
        if (least < 0)
            return tg__fail(tg, TG_ERR_INDEX, "one_hot: label %lld is negative", (long long)least);
        if (num_classes > 0 && most >= num_classes)
            return tg__fail(tg, TG_ERR_INDEX, "one_hot: label %lld is not one of %lld classes",
                            (long long)most, (long long)num_classes);
        if (num_classes < 0) num_classes = tg__plus(most, 1);
    }
    if (!check_one_hot_shape(index, num_classes)) return NULL;
    tg_tensor *classes = tg_arange_i64(tg, 0, num_classes, 1);
    return tg_cast(tg_eq(tg_unsqueeze(index, -1), classes), TG_I64);
}

tg_tensor *tg_one_hot(tg_tensor *index, int64_t num_classes)
{
    frame f;
    tg__enter(&f, "one_hot", index);
    return tg__leave(&f, index ? one_hot(index, num_classes) : NULL);
}
