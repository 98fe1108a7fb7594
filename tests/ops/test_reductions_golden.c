/* Reductions, cumulative sums, sorting, and operations on rows, compared with PyTorch and with
 * central differences. */
#include "golden.h"

#define OPS(OP)                                                                                    \
    OP(reductions, sum, tg_sum(x[0]))                                                              \
    OP(reductions, mean, tg_mean(x[0]))                                                            \
    OP(reductions, sum_dims, tg_sum_dims(x[0], rest(c, 1), i[0] != 0))                             \
    OP(reductions, mean_dims, tg_mean_dims(x[0], rest(c, 1), i[0] != 0))                           \
    OP(extremes, max, tg_max(x[0]))                                                                \
    OP(extremes, min, tg_min(x[0]))                                                                \
    OP(extremes, argmax, tg_argmax(x[0]))                                                          \
    OP(extremes, argmin, tg_argmin(x[0]))                                                          \
    OP(extremes, max_dim, tg_max_dim(x[0], (int)i[0], i[1] != 0))                                  \
    OP(extremes, min_dim, tg_min_dim(x[0], (int)i[0], i[1] != 0))                                  \
    OP(extremes, argmax_dim, tg_argmax_dim(x[0], (int)i[0], i[1] != 0))                            \
    OP(extremes, argmin_dim, tg_argmin_dim(x[0], (int)i[0], i[1] != 0))                            \
    OP(order, sort, tg_sort(x[0], (int)i[0]))                                                      \
    OP(order, argsort, tg_argsort(x[0], (int)i[0]))                                                \
    OP(products, prod, tg_prod(x[0]))                                                              \
    OP(products, prod_dim, tg_prod_dim(x[0], (int)i[0], i[1] != 0))                                \
    OP(products, cumsum, tg_cumsum(x[0], (int)i[0]))                                               \
    OP(products, cumprod, tg_cumprod(x[0], (int)i[0]))                                             \
    OP(extremes, amax, tg_amax(x[0], rest(c, 1), i[0] != 0))                                       \
    OP(extremes, amin, tg_amin(x[0], rest(c, 1), i[0] != 0))                                       \
    OP(extremes, max_values, tg_max_indexed(x[0], (int)i[0], i[1] != 0).values)                    \
    OP(extremes, max_places, tg_max_indexed(x[0], (int)i[0], i[1] != 0).indices)                   \
    OP(extremes, min_values, tg_min_indexed(x[0], (int)i[0], i[1] != 0).values)                    \
    OP(extremes, min_places, tg_min_indexed(x[0], (int)i[0], i[1] != 0).indices)                   \
    OP(statistics, var, tg_var_dims(x[0], rest(c, 2), i[1], i[0] != 0))                            \
    OP(statistics, std, tg_std_dims(x[0], rest(c, 2), i[1], i[0] != 0))                            \
    OP(statistics, norm, tg_norm_dims(x[0], f[1], rest(c, 2), i[0] != 0))                          \
    OP(statistics, logsumexp, tg_logsumexp(x[0], rest(c, 1), i[0] != 0))                           \
    OP(statistics, any, tg_any(x[0]))                                                              \
    OP(statistics, all, tg_all(x[0]))                                                              \
    OP(statistics, any_dim, tg_any_dim(x[0], (int)i[0], i[1] != 0))                                \
    OP(statistics, all_dim, tg_all_dim(x[0], (int)i[0], i[1] != 0))                                \
    OP(rows, softmax, tg_softmax(x[0], (int)i[0]))                                                 \
    OP(rows, log_softmax, tg_log_softmax(x[0], (int)i[0]))                                         \
    OP(order, sort_values, tg_sort_indexed(x[0], (int)i[0], i[1] != 0, i[2] != 0).values)          \
    OP(order, sort_places, tg_sort_indexed(x[0], (int)i[0], i[1] != 0, i[2] != 0).indices)         \
    OP(order, topk_values, tg_topk(x[0], i[0], (int)i[1], i[2] != 0, i[3] != 0).values)            \
    OP(order, topk_places, tg_topk(x[0], i[0], (int)i[1], i[2] != 0, i[3] != 0).indices)

OPS(GOLDEN_RUN)
static const golden_op operations[] = {OPS(GOLDEN_ROW)};

int main(void)
{
    return run_golden("reductions_golden.txt", operations, sizeof operations / sizeof *operations);
}
