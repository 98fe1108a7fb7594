/* How the time of some calls grows with the number of tensors, records or layers that they work on.
 * If the number grows a hundredfold, a call of linear time takes a hundred times as long, or a few
 * hundred times if the cache no longer holds them all. A call of quadratic time takes ten thousand
 * times as long. */
#include <stdio.h>
#include <stdlib.h>

#include "../support/sum_all.h"
#include "bench.h"

static tg_tensor **leaves(tg_context *tg, int n)
{
    tg_tensor **t = malloc((size_t)n * sizeof *t);
    for (int i = 0; t && i < n; i++)
        t[i] = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(1)), true);
    bench_check(t, "no memory");
    return t;
}

static void join(tg_context *tg, int n, tg_tensor *(*joined)(tg_list tensors, int dim))
{
    tg_tensor **t = leaves(tg, n);
    tg_backward(tg_sum(joined((tg_list){n, t}, 0)));
    free(t);
}

static void run_cat(tg_context *tg, int n)
{
    join(tg, n, tg_cat);
}

static void run_stack(tg_context *tg, int n)
{
    join(tg, n, tg_stack);
}

static void run_split(tg_context *tg, int n)
{
    tg_tensor *x = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(n)), true);
    tg_backward(tg_sum(tg_cat(tg_split(x, 1, 0), 0)));
}

/* A user-defined operation of n tensors, and its gradients. */
static void run_own(tg_context *tg, int n)
{
    tg_tensor **t = leaves(tg, n);
    tg_backward(tg_apply(&sum_all, (tg_list){n, t}, NULL, 0));
    free(t);
}

/* Computes the gradients of a chain of n operations with respect to the result of each of them. */
static void run_grad(tg_context *tg, int n)
{
    tg_tensor **t = leaves(tg, n), **g = malloc((size_t)n * sizeof *g);
    for (int i = 1; i < n; i++) t[i] = tg_mul_scalar(t[i - 1], 1);
    bench_check(g && tg_grad(TG_LIST(t[n - 1]), (tg_list){n, t}, g, NULL), "grad failed");
    free(t);
    free(g);
}

/* Makes a network of n layers and an optimiser for it, asks for its parameters by name, and makes a
 * step. */
static void run_modules(tg_context *tg, int n)
{
    tg_module **m = malloc((size_t)n * sizeof *m);
    for (int i = 0; m && i < n; i++) m[i] = tg_linear(tg, 1, 1, TG_NO_BIAS);
    tg_module *net = tg_sequential((tg_modules){n, m});
    tg_optim *sgd = tg_sgd(net, NULL);
    for (int i = 0; i < n; i++) bench_check(tg_param_name(net, i), "a name is missing");
    tg_backward(tg_sum(tg_forward(net, tg_ones(tg, TG_F32, TG_SHAPE(1, 1)))));
    tg_step(sgd);
    free(m);
}

typedef struct work {
    void (*run)(tg_context *tg, int n);
    tg_context *tg;
    int n;
} work;

static void run_work(void *data, long times)
{
    const work *w = data;
    while (times-- > 0) {
        TG_SCOPE (w->tg) w->run(w->tg, w->n);
    }
}

static void measure_growth(const char *name, void (*run)(tg_context *tg, int n))
{
    enum { FEW = 1000, MANY = 100000 };
    tg_context *tg = tg_open(NULL);
    work few = {run, tg, FEW}, many = {run, tg, MANY};
    contender c[] = {{.name = "few", .run = run_work, .data = &few},
                     {.name = "many", .run = run_work, .data = &many}};
    bench_measure(c, 2);
    bench_check(tg_ok(tg), tg_error(tg));
    tg_close(tg);
    bench_report(&(row){.name = name,
                        .size = "10^5 to 10^3",
                        .unit = "times",
                        .ours = c[1].median / c[0].median,
                        .ours_best = c[1].least / c[0].least,
                        .target = {AT_MOST, 1000}});
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    measure_growth("cat, both ways", run_cat);
    measure_growth("stack, both ways", run_stack);
    measure_growth("split, both ways", run_split);
    measure_growth("own operation", run_own);
    measure_growth("grad to so many", run_grad);
    measure_growth("modules", run_modules);
    return bench_end();
}
