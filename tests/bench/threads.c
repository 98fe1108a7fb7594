/* What two threads gain over one, on work of all sizes, and against OpenBLAS with two threads. */
#include <stdio.h>

#include "bench.h"
#include "model.h"
#include "product.h"

enum { THREADS = 2 };

static const bench_target none = {NO_LIMIT, 0};

/* The same work in a context with one thread and in one with two. */
typedef struct pair {
    tg_context *one, *two;
} pair;

static pair open_pair(void)
{
    pair p = {tg_open(NULL), tg_open(NULL)};
    bench_check(tg_set_num_threads(p.two, THREADS), "there are no threads");
    return p;
}

static void close_pair(pair p)
{
    bench_check(tg_ok(p.one) && tg_ok(p.two), tg_error(p.two));
    tg_close(p.one);
    tg_close(p.two);
}

/* ---- Products of square matrices. */

static void run_openblas(void *data, long times)
{
    openblas_threads(THREADS);
    openblas_run(data, times);
    openblas_threads(1);
}

static void measure_product(int n, bool openblas)
{
    pair contexts = open_pair();
    product one = {.m = n, .k = n, .n = n}, two = one;
    product_fill(&one, contexts.one);
    product_fill(&two, contexts.two);
    contender c[] = {
        {.name = "libtinygrad, 2 threads", .run = product_run, .data = &two},
        {.name = "libtinygrad, 1 thread", .run = product_run, .data = &one},
        {.name = "OpenBLAS, 2 threads", .run = openblas ? run_openblas : NULL, .data = &one}};
    bench_measure(c, 2);
    /* OpenBLAS is measured alone, as its threads keep their cores busy for a while after a call. */
    bench_measure(&c[2], 1);
    char size[40];
    snprintf(size, sizeof size, "%dx%dx%d", n, n, n);
    const bench_target targets[] = {none, n >= 512 ? (bench_target){RATIO_AT_LEAST, 0.95} : none};
    bench_compare_all("matmul, 2 threads", size, c, 2, 2.0 * n * n * n, targets);
    product_free(&one);
    product_free(&two);
    close_pair(contexts);
}

/* ---- One operation on n numbers. */

static void run_exp(void *data, long times)
{
    tg_tensor *a = data;
    while (times-- > 0) {
        tg_scope_begin(a->context);
        tg_exp(a);
        tg_scope_end(a->context);
    }
}

static void run_sum_over_rows(void *data, long times)
{
    tg_tensor *a = data;
    while (times-- > 0) {
        tg_scope_begin(a->context);
        tg_sum_dims(a, TG_DIMS(1), false);
        tg_scope_end(a->context);
    }
}

static void measure_operation(const char *name, void (*run)(void *, long), int64_t n)
{
    pair contexts = open_pair();
    contender c[] = {{.name = "libtinygrad, 2 threads",
                      .run = run,
                      .data = tg_rand(contexts.two, TG_F32, TG_SHAPE(n / 100, 100))},
                     {.name = "libtinygrad, 1 thread",
                      .run = run,
                      .data = tg_rand(contexts.one, TG_F32, TG_SHAPE(n / 100, 100))}};
    bench_measure(c, 2);
    char size[40];
    snprintf(size, sizeof size, "%lld", (long long)n);
    bench_compare(name, size, &c[0], &c[1], 0, none);
    close_pair(contexts);
}

/* ---- Training steps. */

static void measure_training(const char *name, const char *size, pair contexts, model *one,
                             model *two)
{
    contender c[] = {{.name = "libtinygrad, 2 threads", .run = model_train, .data = two},
                     {.name = "libtinygrad, 1 thread", .run = model_train, .data = one}};
    bench_measure(c, 2);
    bench_compare(name, size, &c[0], &c[1], 0, none);
    close_pair(contexts);
}

static void measure_lecture(int64_t n)
{
    pair contexts = open_pair();
    model one = model_lecture(contexts.one, n), two = model_lecture(contexts.two, n);
    char size[40];
    snprintf(size, sizeof size, "%lld", (long long)n);
    measure_training("lecture step, 2 threads", size, contexts, &one, &two);
}

static void measure_perceptron(int64_t batch)
{
    static const int64_t widths[] = {784, 128, 10};
    pair contexts = open_pair();
    model one = model_perceptron(contexts.one, batch, 2, widths),
          two = model_perceptron(contexts.two, batch, 2, widths);
    char size[40];
    snprintf(size, sizeof size, "batch %lld", (long long)batch);
    measure_training("MLP step, 2 threads", size, contexts, &one, &two);
}

int main(int argc, char **argv)
{
    static const int sides[] = {64, 128, 256, 512, 1024, 2048};
    bench_begin(argc, argv);
    bool openblas = openblas_find();
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) measure_product(sides[i], openblas);
    for (int64_t n = 10000; n <= 10000000; n *= 10) measure_operation("exp, 2 threads", run_exp, n);
    for (int64_t n = 10000; n <= 10000000; n *= 10)
        measure_operation("sum over rows, 2 threads", run_sum_over_rows, n);
    for (int64_t n = 100; n <= 10000000; n *= 10) measure_lecture(n);
    for (int64_t batch = 64; batch <= 4096; batch *= 8) measure_perceptron(batch);
    return bench_end();
}
