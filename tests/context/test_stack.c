/* How much stack the library needs: a thread with a stack of 64 KB, half of what musl gives a
 * thread, runs the operations that need most. */
#define _XOPEN_SOURCE 700 /* pthread_attr_setstack */
#include "each_level.h"
#include "sanitizer.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ROOM = 1 << 20, ALLOWED = 1 << 16, UNTOUCHED = 0xa5 };

static tg_tensor *turned(tg_tensor *t, bool turns)
{
    return turns ? tg_t(tg_contiguous(tg_t(t))) : t;
}

static void products(tg_context *tg, tg_dtype dtype)
{
    static const int64_t sizes[][3] = {{60, 300, 300},  {3, 2, 5000},  {8, 1, 220000},
                                       {2, 2000, 1100}, {1, 20, 5000}, {20, 20, 3000},
                                       {100, 2, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int layout = 0; layout < 4; layout++) {
            tg_scope_begin(tg);
            const int64_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
            tg_tensor *a = turned(tg_rand(tg, dtype, TG_SHAPE(m, k)), layout & 1);
            tg_tensor *b = turned(tg_rand(tg, dtype, TG_SHAPE(k, n)), layout & 2);
            tg_matmul(a, b);
            if (m < 10) tg_matmul(a, tg_select(b, 1, 0));
            if (m * n < 1000) tg_matmul(tg_expand(a, TG_SHAPE(2, m, k)), b);
            tg_scope_end(tg);
        }
}

static void reductions(tg_context *tg, tg_dtype dtype)
{
    tg_scope_begin(tg);
    tg_tensor *x = tg_rand(tg, dtype, TG_SHAPE(20000, 20)), *t = tg_t(x);
    tg_sum(x), tg_sum_dims(x, TG_DIMS(0), false), tg_sum_dims(t, TG_DIMS(0), false);
    tg_max_indexed(x, 0, false), tg_argmin_dim(x, 1, false), tg_var_dims(x, TG_DIMS(0), 1, true);
    tg_add(t, tg_select(t, 0, 1)), tg_where(tg_gt_scalar(t, 0.5), t, tg_scalar(tg, dtype, 1));
    tg_where(tg_gt_scalar(t, 0.5), t,
             tg_expand(tg_rand(tg, dtype, TG_SHAPE(20000)), TG_SHAPE(20, 20000)));
    tg_softmax(t, 0), tg_log_softmax(x, 1), tg_cumsum(x, 0), tg_sort(x, 0),
        tg_topk(x, 3, 1, true, true);
    tg_logsumexp(x, TG_DIMS(0), false), tg_norm(x, 2), tg_gelu(t, TG_GELU_NONE), tg_contiguous(t);
    tg_mse_loss(x, tg_add_scalar(x, 1), TG_MEAN), tg_randperm(tg, 1000),
        tg_randn(tg, dtype, TG_SHAPE(1000));
    tg_scope_end(tg);
}

static void systems(tg_context *tg, tg_dtype dtype)
{
    tg_scope_begin(tg);
    tg_tensor *a = tg_rand(tg, dtype, TG_SHAPE(30, 30)), *b = tg_rand(tg, dtype, TG_SHAPE(30, 2));
    tg_tensor *spd = tg_add(tg_matmul(a, tg_t(a)), tg_eye(tg, dtype, 30, 30));
    tg_requires_grad_(spd, true);
    tg_tensor *all = tg_add(tg_sum(tg_solve(spd, b)), tg_sum(tg_inv(spd)));
    all = tg_add(all, tg_add(tg_sum(tg_cholesky(spd)), tg_sum(tg_lstsq(spd, b))));
    tg_backward(tg_add(all, tg_det(tg_mul_scalar(spd, 0.1))));
    tg_scope_end(tg);
}

static void layers(tg_context *tg, tg_dtype dtype)
{
    tg_scope_begin(tg);
    tg_set_default_dtype(tg, dtype);
    tg_pool_options two = tg_pool_defaults(2);
    tg_module *conv = tg_conv2d_layer(tg, 3, 20, TG_SHAPE(3, 3), TG_BIAS, NULL);
    tg_module *norm = tg_batchnorm2d(tg, 20, NULL),
              *last = tg_linear(tg, 20 * 15 * 15, 10, TG_BIAS);
    tg_module *net = tg_sequential(TG_MODULES(conv, norm, last));
    tg_optim *adam = tg_adamw(net, NULL);
    for (int step = 0; step < 2; step++) {
        tg_tensor *x = tg_randn(tg, dtype, TG_SHAPE(9, 3, 32, 32));
        x = tg_max_pool2d(tg_relu(tg_forward(norm, tg_forward(conv, x))), &two);
        tg_tensor *y = tg_forward(last, tg_flatten(tg_dropout(x, 0.5, true), 1, -1));
        tg_zero_grad(adam);
        tg_backward(tg_cross_entropy(y, tg_randint(tg, 0, 10, TG_SHAPE(9)), NULL));
        tg_clip_grad_norm_(tg_parameters(net), 1, 2, false);
        tg_step(adam);
    }
    tg_set_default_dtype(tg, TG_F32);
    tg_scope_end(tg);
}

static void long_chain(tg_context *tg)
{
    tg_scope_begin(tg);
    tg_tensor *w = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(3)), true), *x = w;
    for (int i = 0; i < 20000; i++) x = tg_add_scalar(x, 1);
    tg_backward(tg_sum(x));
    tg_scope_end(tg);
}

typedef struct errand {
    const char *level;
    int threads;
    char error[200];
} errand;

static void *run(void *arg)
{
    errand *e = arg;
    tg_options o = tg_defaults();
    o.simd_level = e->level;
    tg_context *tg = tg_open(&o);
    if (tg_ok(tg)) {
        tg_set_num_threads(tg, e->threads);
        for (int dtype = TG_F32; dtype <= TG_F64; dtype++) {
            products(tg, (tg_dtype)dtype);
            reductions(tg, (tg_dtype)dtype);
            systems(tg, (tg_dtype)dtype);
            layers(tg, (tg_dtype)dtype);
        }
        long_chain(tg);
        snprintf(e->error, sizeof e->error, "%s", tg_error(tg));
        tg_matmul(tg_ones(tg, TG_F32, TG_SHAPE(2)), tg_ones(tg, TG_F32, TG_SHAPE(3)));
    }
    tg_close(tg);
    return NULL;
}

/* Maps the file into memory that all mappings of it share. */
static unsigned char *map(FILE *file)
{
    void *memory = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

/* Runs everything in a thread and returns how many bytes of its stack were written to. The stack is
 * read through a second mapping, since valgrind reports reads below the stack pointer. */
static size_t depth_of(errand *e)
{
    pthread_attr_t how;
    pthread_t thread;
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), ROOM), 0);
    unsigned char *stack = map(file), *seen = map(file);
    size_t untouched = 0;
    memset(seen, UNTOUCHED, ROOM);
    assert_int_equal(pthread_attr_init(&how), 0);
    assert_int_equal(pthread_attr_setstack(&how, stack, ROOM), 0);
    assert_int_equal(pthread_create(&thread, &how, run, e), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&how);
    while (untouched < ROOM && seen[untouched] == UNTOUCHED) untouched++;
    munmap(stack, ROOM);
    munmap(seen, ROOM);
    fclose(file);
    return ROOM - untouched;
}

static void test_everything_runs_in_a_thread_of_64_kb(void **state)
{
    (void)state;
    for (int l = 0; l < LEVELS; l++)
        for (int threads = 1; threads <= (l == LEVELS - 1 ? 2 : 1); threads++) {
            errand e = {tg__level_name(l), threads, ""};
            const size_t depth = depth_of(&e);
            assert_string_equal(e.error, "");
#ifdef UNDER_ASAN
            (void)depth; /* measures the larger frames of the sanitizer */
#else
            print_message("%s: %zu bytes of stack\n", e.level, depth);
            assert_true(depth <= ALLOWED);
#endif
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_runs_in_a_thread_of_64_kb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
