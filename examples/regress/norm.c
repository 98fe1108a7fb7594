/* The coefficients of minimum norm, where features depend on each other. */
#include <math.h>

#include "regress.h"

/* A fit without the features that depend on others, and the dependences: for each of those a column
 * of coefficients of all features that add up to 0 in every row. */
typedef struct independent {
    tg_tensor *x;     /* the features that are left */
    tg_tensor *kept;  /* their numbers */
    tg_tensor *nulls; /* (intercept + features, dependences), or NULL if there are none */
} independent;

/* Adds the dependence that was found, and takes its feature away. */
static void add_dependence(const job *j, independent *s)
{
    const least_squares *exact = &j->exact;
    const int64_t o = exact->intercept, size = o + j->train.x->shape[1];
    tg_tensor *column = tg_zeros(j->tg, TG_F64, TG_SHAPE(size, 1));
    if (!column) return;
    double *null = column->data;
    if (o) null[0] = -tg_get(exact->combination, TG_INDEX(0));
    for (int64_t i = 0; i < exact->dependent; i++)
        null[o + (int64_t)tg_get(s->kept, TG_INDEX(i))] =
            -tg_get(exact->combination, TG_INDEX(i + 1));
    null[o + (int64_t)tg_get(s->kept, TG_INDEX(exact->dependent))] = 1;
    s->nulls = s->nulls ? tg_cat(TG_LIST(s->nulls, column), 1) : column;
    s->x = without(s->x, 1, exact->dependent);
    s->kept = without(s->kept, 0, exact->dependent);
}

/* The coefficients of all features, where those that were taken away have 0. */
static tg_tensor *spread(const job *j, const independent *s)
{
    const int64_t o = j->exact.intercept;
    tg_tensor *all = tg_zeros(j->tg, TG_F64, TG_SHAPE(o + j->train.x->shape[1], 1));
    double *b = all ? all->data : NULL;
    if (b && o) b[0] = tg_get(j->exact.coefficients, TG_INDEX(0));
    for (int64_t i = 0; b && i < s->kept->numel; i++)
        b[o + (int64_t)tg_get(s->kept, TG_INDEX(i))] =
            tg_get(j->exact.coefficients, TG_INDEX(i + o));
    return all;
}

/* The line with these coefficients, in terms of the means of the features. */
static line make_line(const job *j, tg_tensor *b)
{
    const int64_t o = j->exact.intercept;
    tg_tensor *x = j->train.x;
    line l = {.center = tg_mean_dims(x, TG_DIMS(0), TG_KEEPDIM),
              .slope = tg_contiguous(tg_narrow(b, 0, o, x->shape[1]))};
    if (!o) l.center = tg_zeros_like(l.center);
    l.level = o ? -tg_get(b, TG_INDEX(0, 0)) : 0;
    l.level = l.slope && l.center ? -line_intercept(&l) : NAN;
    return l;
}

/* All coefficients that fit equally well are b + nulls t. The shortest is what the least-squares
 * fit of b by the nulls leaves. */
int find_minimum_norm(job *j)
{
    independent s = {.x = j->train.x,
                     .kept = tg_arange_i64(j->tg, 0, j->train.x ? j->train.x->shape[1] : 0, 1)};
    for (j->kept = NULL;; add_dependence(j, &s)) {
        if (!least_squares_fit(s.x, j->train.y, j->train.weights, !j->set.no_intercept, &j->exact))
            return FAILED;
        if (j->exact.dependent < 0) break;
        if (s.kept->numel == 1) return report_dependent(j);
    }
    j->fit = fit_exact(&j->exact);
    if (!s.nulls) return DONE;
    tg_tensor *b = spread(j, &s);
    b = tg_sub(b, tg_matmul(s.nulls, tg_lstsq(s.nulls, b)));
    if (!b) return FAILED;
    j->kept = s.kept;
    j->fit =
        (fit){.line = make_line(j, b), .coefficients = tg_flatten(b, 0, -1), .converged = true};
    j->fit.misses = tg_zeros_like(j->fit.coefficients);
    return DONE;
}
