/* Checks what the headers offer in C++ beyond C: lists in order, lambdas as modules, and scopes
 * that end with their block. Prints which checks fail, and returns their number. */
#include <cstdio>
#include <stdexcept>
#include <tinygrad.h>

static int faults;

static void check(bool right, const char *what)
{
    if (right) return;
    std::printf("wrong: %s\n", what);
    faults++;
}

static int64_t calls;

static int64_t next()
{
    return ++calls;
}

static tg_tensor *draw(tg_context *tg)
{
    return tg_rand(tg, TG_F32, TG_SHAPE(1));
}

/* Each macro that makes a list evaluates its items from left to right. The numbers are those that
 * torch.rand(1) and torch.nn.Linear(2, 3) draw after torch.manual_seed(1). */
static void test_lists_go_from_left_to_right(tg_context *tg)
{
    const tg_tensor *shape = tg_empty(tg, TG_F32, TG_SHAPE(next(), next(), next()));
    check(shape->shape[0] == 1 && shape->shape[1] == 2 && shape->shape[2] == 3, "TG_SHAPE");
    calls = 0;
    const tg_tensor *sum = tg_sum_dims(tg_ones(tg, TG_F32, TG_SHAPE(2, 3, 5)),
                                       TG_DIMS(++calls == 1 ? 0 : 3, ++calls == 2 ? 1 : 3), false);
    check(sum && sum->ndim == 1 && sum->shape[0] == 5, "TG_DIMS");
    calls = -1;
    tg_tensor *counts = tg_arange(tg, TG_I64, 0, 6, 1);
    check(tg_get(tg_reshape(counts, TG_SHAPE(2, 3)), TG_INDEX(next(), next())) == 1, "TG_INDEX");

    tg_manual_seed(tg, 1);
    const tg_tensor *drawn = tg_cat(TG_LIST(draw(tg), draw(tg)), 0);
    check(tg_get(drawn, TG_INDEX(0)) > 0.7575 && tg_get(drawn, TG_INDEX(0)) < 0.7577, "TG_LIST");
    tg_manual_seed(tg, 1);
    const tg_module *net =
        tg_sequential(TG_MODULES(tg_linear(tg, 2, 3, TG_BIAS), tg_linear(tg, 3, 1, TG_BIAS)));
    const double first = tg_get(tg_param(net, "0.weight"), TG_INDEX(0, 0));
    check(first > 0.3643 && first < 0.3644, "TG_MODULES");

    check(tg_ones(tg, TG_F32, TG_SHAPE())->ndim == 0 && TG_LIST().n == 0 && TG_MODULES().n == 0,
          "empty lists");
    check(tg_ok(tg), tg_error(tg));
}

/* A lambda with captures is a module; one without, and a function, are as in C. */
static void test_lambdas_are_modules(tg_context *tg)
{
    double factor = 2;
    const double shift = 1;
    tg_module *net = tg_sequential(TG_MODULES(
        tg_lambda(tg, [&factor, shift](
                          tg_tensor *x) { return tg_add_scalar(tg_mul_scalar(x, factor), shift); }),
        tg_lambda(tg, [](tg_tensor *x) { return tg_square(x); }), tg_lambda(tg, tg_neg)));
    tg_tensor *x = tg_requires_grad_(tg_ones(tg, TG_F64, TG_SHAPE(1)), true);
    check(tg_item(tg_forward(net, x)) == -9, "lambda");
    factor = 3;
    tg_tensor *y = tg_forward(net, x);
    check(tg_item(y) == -16 && tg_backward(y) && tg_item(x->grad) == -24, "lambda by reference");
    check(tg_ok(tg), tg_error(tg));
}

static size_t live(tg_context *tg)
{
    return tg_get_stats(tg).live_bytes;
}

static int leave_by_return(tg_context *tg)
{
    TG_SCOPE (tg) {
        tg_zeros(tg, TG_F32, TG_SHAPE(10000));
        return 1;
    }
    return 0;
}

/* The scope of a block has ended however the block is left: by break, continue, return or throw. */
static void test_a_block_ends_its_scope(tg_context *tg)
{
    const size_t before = live(tg);
    int rounds = 0;
    for (int i = 0; i < 3; i++) {
        TG_SCOPE (tg) {
            tg_zeros(tg, TG_F32, TG_SHAPE(10000));
            TG_SCOPE (tg) tg_zeros(tg, TG_F32, TG_SHAPE(10000));
            rounds++;
            if (i == 0) break;
            if (i == 1) continue;
        }
        check(live(tg) == before, "break and continue");
    }
    check(rounds == 3 && leave_by_return(tg) == 1 && live(tg) == before, "return");
    try {
        TG_SCOPE (tg) {
            tg_zeros(tg, TG_F32, TG_SHAPE(10000));
            throw 1;
        }
    } catch (int) {
    }
    check(live(tg) == before, "throw");
    check(tg_ok(tg), tg_error(tg));
    tg_scope_end(tg);
    check(!tg_ok(tg), "no scope is left");
    tg_clear_error(tg);
}

static tg_tensor *throws(tg_tensor *)
{
    throw std::runtime_error("thrown");
}

/* An exception passes through the functions of the library, for which a release build needs unwind
 * tables. The context is only closed after it. */
static void test_an_exception_passes_through()
{
    bool caught = false;
    tg_context *tg = tg_open(nullptr);
    try {
        tg_forward(tg_sequential(TG_MODULES(tg_lambda(tg, throws))),
                   tg_ones(tg, TG_F32, TG_SHAPE(1)));
    } catch (const std::runtime_error &) {
        caught = true;
    }
    check(caught, "exception");
    tg_close(tg);
}

int main()
{
    tg_context *tg = tg_open(nullptr);
    test_lists_go_from_left_to_right(tg);
    test_lambdas_are_modules(tg);
    test_a_block_ends_its_scope(tg);
    tg_close(tg);
    test_an_exception_passes_through();
    return faults;
}
