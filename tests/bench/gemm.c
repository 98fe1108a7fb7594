/* Matrix products against OpenBLAS, oneDNN and PyTorch, as far as they are installed. */
#include <stdio.h>

#include "bench.h"
#include "peak.h"
#include "product.h"

static bool openblas, openblas_avx512, onednn;

/* Compares the result with OpenBLAS's. Each element is a sum of k products of numbers below 1, so
 * that a float32 sum differs from the exact one by at most k * k * 2^-24, and two such sums differ
 * by at most k * k * 2^-23. */
static void check_agreement(product *p)
{
    tg_context *tg = p->a->context;
    const tg_shape shape = TG_SHAPE(p->m, p->n);
    openblas_run(p, 1);
    tg_scope_begin(tg);
    tg_tensor *theirs =
        p->dtype == TG_F32 ? tg_from_f32(tg, shape, p->c) : tg_from_f64(tg, shape, p->c);
    double worst = tg_item(tg_max(tg_abs(tg_sub(tg_matmul(p->a, p->b), theirs))));
    const double unit = p->dtype == TG_F32 ? 0x1p-23 : 0x1p-52;
    bench_check(worst <= p->k * unit * p->k, "matmul and OpenBLAS differ");
    tg_scope_end(tg);
}

static void measure_product(product p, bool with_torch)
{
    tg_context *tg = tg_open(NULL);
    product_fill(&p, tg);
    if (openblas) check_agreement(&p);

    const bool single = p.dtype == TG_F32;
    contender c[] = {{.name = "libtinygrad", .run = product_run, .data = &p},
                     {.name = "OpenBLAS", .run = openblas ? openblas_run : NULL, .data = &p},
                     {.name = "OpenBLAS, AVX-512",
                      .run = openblas_avx512 ? openblas_avx512_run : NULL,
                      .data = &p},
                     {.name = "oneDNN", .run = single && onednn ? onednn_run : NULL, .data = &p},
                     {.name = "PyTorch"}};
    const int contenders = !single ? 3 : with_torch ? 5 : 4;
    snprintf(c[4].torch, sizeof c[4].torch, "product %d %d %d", p.m, p.k, p.n);
    bench_measure(c, contenders);
    bench_check(tg_ok(tg), tg_error(tg));

    const bench_target goal = {RATIO_AT_LEAST, 0.98}, none = {NO_LIMIT, 0};
    const bool large = p.m >= 64 && p.k >= 64 && p.n >= 64;
    char name[40], size[40];
    snprintf(name, sizeof name, "matmul%s%s%s", p.dtype == TG_F64 ? "_f64" : "",
             p.a_transposed ? "_at" : "", p.b_transposed ? "_bt" : "");
    snprintf(size, sizeof size, "%dx%dx%d", p.m, p.k, p.n);
    bench_set_peak(single ? peak_f32() : peak_f64());
    bench_compare_all(name, size, c, contenders - 1, 2.0 * p.m * p.k * p.n,
                      large ? (bench_target[]){goal, goal, goal, none}
                            : (bench_target[]){none, none, none, goal});
    product_free(&p);
    tg_close(tg);
}

int main(int argc, char **argv)
{
    static const int shapes[][3] = {
        {32, 32, 32},       {64, 64, 64},       {128, 128, 128}, {256, 256, 256}, {512, 512, 512},
        {1024, 1024, 1024}, {2048, 2048, 2048}, {64, 784, 128},  {64, 128, 10},   {1, 784, 128},
        {100, 2, 1},        {1000, 3, 1},       {10000, 2, 1},   {1000000, 2, 1}};
    static const product others[] = {
        {TG_F64, 64, 64, 64, .a_transposed = false},
        {TG_F64, 256, 256, 256, .a_transposed = false},
        {TG_F64, 1024, 1024, 1024, .a_transposed = false},
        {TG_F32, 1024, 1024, 1024, .a_transposed = true},
        {TG_F32, 1024, 1024, 1024, .b_transposed = true},
        {TG_F32, 1024, 1024, 1024, .a_transposed = true, .b_transposed = true},
        {TG_F64, 1024, 1024, 1024, .a_transposed = true},
        {TG_F64, 1024, 1024, 1024, .b_transposed = true},
        {TG_F32, 64, 784, 128, .b_transposed = true},
        {TG_F32, 64, 128, 10, .b_transposed = true},
        {TG_F32, 128, 64, 784, .a_transposed = true},
        {TG_F32, 1, 784, 128, .b_transposed = true},
        {TG_F32, 10000, 2, 1, .a_transposed = true},
        {TG_F32, 1000000, 2, 1, .a_transposed = true},
        {TG_F32, 1, 1000000, 2, .b_transposed = true}};
    bench_begin(argc, argv);
    openblas = openblas_find();
    openblas_avx512 = openblas && openblas_avx512_find();
    onednn = onednn_find();
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        measure_product((product){.m = shapes[i][0], .k = shapes[i][1], .n = shapes[i][2]}, true);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) measure_product(others[i], false);
    return bench_end();
}
