/* The state of LBFGS, under the names of torch.optim.LBFGS. */
#include "lbfgs.h"

#include <float.h>
#include <string.h>

static bool has_pair(exchange *x, int64_t k)
{
    return tg__exchange_has(x, tg__exchange_name(x, "state.0.old_dirs.%lld", (long long)k));
}

/* How many pairs the list that was given has, of which at most `history` are taken. */
static int64_t count_pairs(exchange *x, int64_t history)
{
    int64_t n = 0;
    while (n < history && has_pair(x, n)) n++;
    return n;
}

/* Exchanges pair k, which lies in that row. PyTorch calls the changes y of the gradient old_dirs.
 */
static void exchange_pair(exchange *x, const lbfgs *l, int64_t k, int64_t row)
{
    const long long number = k;
    double rho = l->rho[row];
    tg__exchange_vector(x, tg__exchange_name(x, "state.0.old_dirs.%lld", number), TG_F64, l->n,
                        l->changes + row * l->n);
    tg__exchange_vector(x, tg__exchange_name(x, "state.0.old_stps.%lld", number), TG_F64, l->n,
                        l->steps + row * l->n);
    tg__exchange_number(x, tg__exchange_name(x, "state.0.ro.%lld", number), TG_F64, &rho, 0,
                        DBL_MAX);
    if (x->phase == TAKING) l->rho[row] = rho;
}

/* Exchanges what there is after at least one iteration. A list that was given replaces the pairs:
 * the rows are then in use from the first one on. */
static void exchange_history(exchange *x, lbfgs *l, curvature *c)
{
    const bool telling = x->phase == TELLING;
    double t = l->t;
    bool unevaluated = telling ? l->unevaluated : tg__exchange_has(x, "state.0.x");
    if (!telling) c->used = count_pairs(x, l->history);
    tg__exchange_number(x, "state.0.H_diag", TG_F64, &c->scale, 0, DBL_MAX);
    tg__exchange_number(x, "state.0.t", TG_F64, &t, -DBL_MAX, DBL_MAX);
    tg__exchange_vector(x, "state.0.d", TG_F64, l->n, l->d);
    tg__exchange_vector(x, "state.0.prev_flat_grad", TG_F64, l->n, l->previous_g);
    if (unevaluated) tg__exchange_vector(x, "state.0.x", TG_F64, l->n, l->x);
    for (int64_t k = 0; k < c->used; k++) exchange_pair(x, l, k, telling ? *tg__row_of(l, k) : k);
    if (x->phase != TAKING) return;
    l->t = t;
    l->unevaluated = unevaluated;
    if (!unevaluated) return;
    memcpy(l->point, l->x, (size_t)l->n * sizeof *l->point);
    pick(l->level, add_multiple, TG_F64)(l->n, l->point, t, l->d);
}

/* Notes an error if the options of the state need another history, or more pairs, than the
 * optimiser has memory for. */
static void check_memory(exchange *x, const lbfgs *l, const tg_lbfgs_options *o)
{
    if (o->history_size != l->history || tg__count_rows(o) > l->rows)
        tg__exchange_note(x, WRONG,
                          "history_size %lld with max_iter %lld needs an optimiser that was "
                          "made with them",
                          (long long)o->history_size, (long long)o->max_iter);
}

void tg__exchange_lbfgs(exchange *x, tg_optim *optim, const tg_lbfgs_options *o)
{
    static const char iterations[] = "state.0.n_iter";
    lbfgs *l = optim->extra;
    curvature c = l->now;
    if (x->phase == TELLING && c.iterations == 0) return;
    if (x->phase != TELLING) c.iterations = tg__exchange_has(x, iterations), c.first = c.used = 0;
    check_memory(x, l, o);
    tg__exchange_ignores(x, "state.0.func_evals");
    tg__exchange_ignores(x, "state.0.prev_loss");
    for (int64_t k = 0; k < l->history && x->phase == CHECKING; k++)
        tg__exchange_ignores(x, tg__exchange_name(x, "state.0.al.%lld", (long long)k));
    if (c.iterations > 0) tg__exchange_number(x, iterations, TG_I64, &c.iterations, 0, 0x1p53);
    if (c.iterations > 0) exchange_history(x, l, &c);
    if (x->phase != TAKING) return;
    for (int64_t i = 0; i < l->rows; i++) c.ring[i] = i;
    if (c.iterations == 0) l->t = 0, l->unevaluated = false, c.scale = 1;
    l->now = c;
}
