/* Least squares in float64, against PyTorch, whose driver "gelsd" is the one that numpy calls. */
#include <stdio.h>
#include <tinygrad.h>

#include "bench.h"

typedef struct rows_and_target {
    tg_tensor *a, *b;
} rows_and_target;

static void solve(void *data, long times)
{
    const rows_and_target *s = data;
    for (long i = 0; i < times; i++) {
        tg_scope_begin(s->a->context);
        tg_lstsq(s->a, s->b);
        tg_scope_end(s->a->context);
    }
}

static void measure(int64_t rows, int64_t columns)
{
    tg_context *tg = tg_open(NULL);
    char size[40];
    rows_and_target s;
    s.a = tg_randn(tg, TG_F64, TG_SHAPE(rows, columns));
    s.b = tg_randn(tg, TG_F64, TG_SHAPE(rows));
    contender c[] = {{.name = "libtinygrad", .run = solve, .data = &s}, {.name = "PyTorch"}};
    snprintf(c[1].torch, sizeof c[1].torch, "least_squares %lld %lld", (long long)rows,
             (long long)columns);
    snprintf(size, sizeof size, "%lldx%lld", (long long)rows, (long long)columns);
    bench_measure(c, 2);
    bench_check(tg_ok(tg), tg_error(tg));
    bench_compare("lstsq_f64", size, &c[0], &c[1], 0, (bench_target){RATIO_AT_MOST, 1.3});
    tg_close(tg);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    measure(100, 3);
    measure(10000, 10);
    measure(1000000, 20);
    measure(10000000, 2);
    return bench_end();
}
