/* Training steps that sum the loss over blocks of rows, on one thread and on two, against C written
 * by hand, one operation on all rows, and PyTorch; and how the memory grows with the rows. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "hand_written.h"
#include "model.h"

static const bench_target none = {NO_LIMIT, 0};

/* A network, its data in rows, and its optimiser. */
typedef struct trainer {
    tg_context *tg;
    tg_tensor *x, *y;
    tg_module *net;
    tg_rows *rows;
    tg_optim *sgd;
    int threads;
} trainer;

static tg_tensor *loss_of_block(const tg_block *b, void *user)
{
    (void)user;
    return tg_mse_loss(tg_forward(b->module, b->data.items[0]), b->data.items[1], TG_SUM);
}

static void train_on_rows(void *data, long times)
{
    trainer *t = data;
    tg_set_num_threads(t->tg, t->threads);
    while (times-- > 0)
        TG_SCOPE (t->tg) {
            tg_zero_grad(t->sgd);
            tg_backward_rows(t->rows, loss_of_block, NULL);
            tg_step(t->sgd);
        }
}

static void train_on_all(void *data, long times)
{
    trainer *t = data;
    tg_set_num_threads(t->tg, 1);
    while (times-- > 0)
        TG_SCOPE (t->tg) {
            tg_tensor *loss = tg_mse_loss(tg_forward(t->net, t->x), t->y, TG_MEAN);
            tg_zero_grad(t->sgd);
            tg_backward(loss);
            tg_step(t->sgd);
        }
}

static void add_rows(trainer *t, double lr)
{
    tg_sgd_options how = tg_sgd_defaults();
    how.lr = lr;
    t->sgd = tg_sgd(t->net, &how);
    t->rows = tg_rows_new(TG_LIST(t->x, t->y), TG_ROWS(.module = t->net, .reduction = TG_MEAN));
}

static trainer lecture_of(tg_context *tg, int64_t n)
{
    const model m = model_lecture(tg, n);
    trainer t = {.tg = tg, .x = m.x, .y = m.y, .net = m.layers[0], .threads = 1};
    add_rows(&t, 0.1);
    return t;
}

static trainer perceptron_of(tg_context *tg, int64_t n)
{
    trainer t = {.tg = tg, .threads = 1};
    t.x = tg_randn(tg, TG_F32, TG_SHAPE(n, 64));
    t.y = tg_randn(tg, TG_F32, TG_SHAPE(n, 1));
    tg_module *first = tg_linear(tg, 64, 64, TG_BIAS), *last = tg_linear(tg, 64, 1, TG_BIAS);
    t.net = tg_sequential(TG_MODULES(first, tg_lambda(tg, tg_relu), last));
    add_rows(&t, 0.01);
    return t;
}

/* ---- Time. */

static void measure_lecture(int64_t n)
{
    tg_context *tg = tg_open(NULL);
    trainer one = lecture_of(tg, n), two = one;
    two.threads = 2;
    hand fused = {.n = (long)n, .lr = 0.1f};
    fused.x0 = tg_data_f32(one.x);
    fused.x1 = fused.x0 + one.x->strides[1];
    fused.y = tg_data_f32(one.y);
    contender c[] = {{.name = "rows, 1 thread", .run = train_on_rows, .data = &one},
                     {.name = "C, one fused pass", .run = hand_fused, .data = &fused},
                     {.name = "all rows at once", .run = train_on_all, .data = &one},
                     {.name = "PyTorch"},
                     {.name = "rows, 2 threads", .run = train_on_rows, .data = &two}};
    snprintf(c[3].torch, sizeof c[3].torch, "lecture %ld", (long)n);
    bench_measure(c, 5);
    bench_check(tg_ok(tg), tg_error(tg));
    char size[32];
    snprintf(size, sizeof size, "%ld", (long)n);
    const bench_target limit = n >= 100000 ? (bench_target){RATIO_AT_MOST, 1.5} : none;
    bench_compare_all("lecture step, rows", size, c, 3, 0, (bench_target[]){limit, none, none});
    bench_compare("lecture, rows, 2 threads", size, &c[4], &c[1], 0,
                  n >= 100000 ? (bench_target){RATIO_AT_MOST, 0.8} : none);
    tg_close(tg);
}

static void measure_perceptron(int64_t n)
{
    tg_context *tg = tg_open(NULL);
    trainer one = perceptron_of(tg, n), two = one;
    two.threads = 2;
    contender c[] = {{.name = "rows, 1 thread", .run = train_on_rows, .data = &one},
                     {.name = "all rows at once", .run = train_on_all, .data = &one},
                     {.name = "PyTorch"},
                     {.name = "rows, 2 threads", .run = train_on_rows, .data = &two}};
    snprintf(c[2].torch, sizeof c[2].torch, "regression %ld 64 64 1", (long)n);
    bench_measure(c, 4);
    bench_check(tg_ok(tg), tg_error(tg));
    char size[32];
    snprintf(size, sizeof size, "%ld", (long)n);
    bench_compare_all("MLP 64-64-1, rows", size, c, 2, 0, (bench_target[]){none, none});
    bench_compare("MLP, rows, 2 threads", size, &c[3], &c[0], 0, none);
    tg_close(tg);
}

/* ---- Memory: how far the resident memory of a process grows in three steps, beyond the data. */

static double grown_in_child(int64_t n, int threads, void (*train)(void *, long))
{
    double kb = NAN;
    int ends[2];
    if (pipe(ends)) return kb;
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        tg_context *tg = tg_open(NULL);
        trainer t = perceptron_of(tg, n);
        t.threads = threads;
        const double before = bench_memory("VmRSS");
        train(&t, 3);
        kb = tg_ok(tg) ? bench_memory("VmHWM") - before : NAN;
        _exit(write(ends[1], &kb, sizeof kb) != sizeof kb);
    }
    close(ends[1]);
    if (read(ends[0], &kb, sizeof kb) != sizeof kb) kb = NAN;
    close(ends[0]);
    waitpid(child, NULL, 0);
    bench_check(!isnan(kb), "training in a process of its own failed");
    return kb;
}

static void measure_memory(int64_t n, int threads)
{
    char name[40], size[32];
    snprintf(name, sizeof name, "MLP, memory, %d thread%s", threads, threads > 1 ? "s" : "");
    snprintf(size, sizeof size, "%ld", (long)n);
    bench_report(&(row){.name = name,
                        .size = size,
                        .unit = "KB",
                        .rival = "all rows at once",
                        .ours = grown_in_child(n, threads, train_on_rows),
                        .theirs = grown_in_child(n, 1, train_on_all)});
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    const int64_t most = bench_quick() ? 1000000 : 100000000;
    for (int64_t n = 10000; n <= most; n *= 10) measure_lecture(n);
    for (int64_t n = 10000; n <= 1000000; n *= 10) measure_perceptron(n);
    for (int64_t n = 10000; n <= 1000000; n *= 10)
        for (int threads = 1; threads <= 2; threads++) measure_memory(n, threads);
    return bench_end();
}
