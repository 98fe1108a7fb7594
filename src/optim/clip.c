/* Gradient clipping, which stands between backward and step. */
#include "optim.h"

#include <float.h>
#include <math.h>

static bool check_clip(const char *name, tg_list parameters, double value)
{
    if (!tg__check_inputs(name, parameters.n, parameters.items)) return false;
    tg_context *tg = parameters.items[0]->context;
    if (!tg__ready(tg)) return false;
    for (int i = 0; i < parameters.n; i++) {
        tg_tensor *g = parameters.items[i]->grad;
        if (g && !tg__writable(g, name)) return false;
    }
    return value >= 0 || tg__fail(tg, TG_ERR_ARGUMENT, "%s: the bound %g is negative", name, value);
}

/* The library's own power, as that of libm differs from machine to machine. */
static double power(const tg_context *tg, double base, double exponent)
{
    pick(tg->level, pow, TG_F64)(1, &base, &base, &exponent);
    return base;
}

/* The sum of (norm / scale)^order over all gradients, where norm is the norm of one gradient; for
 * an infinite order the sum is 0. *largest becomes the greatest norm, or NaN if one is NaN. */
static double sum_of_norms(tg_list parameters, double order, double scale, double *largest)
{
    double total = 0;
    for (int i = 0; i < parameters.n; i++) {
        tg_tensor *g = parameters.items[i]->grad;
        if (!g || g->numel == 0) continue;
        const double norm = tg_item(tg_norm(g, order)), share = norm / scale;
        total += order == 2 ? share * share : isinf(order) ? 0 : power(g->context, share, order);
        if (!(norm <= *largest) && !isnan(*largest)) *largest = norm;
    }
    return total;
}

/* The norm of all gradients together, which is the norm of their norms. If the sum of the powers
 * leaves the range of double, the norms are divided by the greatest of them first. */
static double total_norm(tg_list parameters, double order)
{
    double largest = 0, scale = 1, total = sum_of_norms(parameters, order, scale, &largest);
    if (isinf(order)) return largest;
    const bool in_range = total >= parameters.n * DBL_MIN && total < INFINITY;
    if (!in_range && largest > 0 && largest < INFINITY) {
        scale = largest;
        total = sum_of_norms(parameters, order, scale, &largest);
    }
    return scale *
           (order == 2 ? sqrt(total) : power(parameters.items[0]->context, total, 1 / order));
}

double tg_clip_grad_norm_(tg_list parameters, double max_norm, double norm_type,
                          bool error_if_nonfinite)
{
    if (parameters.n == 0) return 0;
    if (!check_clip("clip_grad_norm_", parameters, max_norm)) return NAN;
    tg_context *tg = parameters.items[0]->context;
    if (!(norm_type > 0))
        return tg__fail(tg, TG_ERR_ARGUMENT, "clip_grad_norm_: norm_type %g is not positive",
                        norm_type),
               NAN;
    tg_scope_begin(tg);
    tg_no_grad_begin(tg);
    const double total = total_norm(parameters, norm_type), factor = max_norm / (total + 1e-6);
    if (error_if_nonfinite && !isfinite(total))
        tg__fail(tg, TG_ERR_ARGUMENT, "clip_grad_norm_: the norm of the gradients is %g",
                 isnan(total) ? (double)NAN : total);
    for (int i = 0; i < parameters.n && tg__ready(tg); i++) {
        tg_tensor *g = parameters.items[i]->grad;
        if (!g || factor >= 1) continue;
        pick(tg->level, affine, g->dtype)(g->numel, g->data, 0, factor);
        tg__written(g, "clip_grad_norm_");
    }
    tg_no_grad_end(tg);
    tg_scope_end(tg);
    return tg__ready(tg) ? total : NAN;
}

bool tg_clip_grad_value_(tg_list parameters, double clip_value)
{
    if (parameters.n == 0) return true;
    if (!check_clip("clip_grad_value_", parameters, clip_value)) return false;
    for (int i = 0; i < parameters.n; i++) {
        tg_tensor *g = parameters.items[i]->grad;
        if (!g) continue;
        const double bound = tg__rounded(g->dtype, clip_value);
        for (int64_t k = 0; k < g->numel; k++) {
            const double x = tg__load(g->dtype, g->data, k);
            if (fabs(x) > bound) tg__store(g->dtype, g->data, k, copysign(bound, x));
        }
        tg__written(g, "clip_grad_value_");
    }
    return true;
}
