/* The gradients of parts of a tensor, such as slices, are written into one buffer, and a sweep has
 * no more memory at a time than the gradients that are still to be used. */
#include "leaf.h"

/* ---- Values: the gradient of the sum of w x^k over many parts of x is compared with a loop over
 * their elements. All numbers are small integers, whose sums are exact. */

enum { DIMS = 3, ROUNDS = 300, MOST_PARTS = 12 };
static const int64_t shape[DIMS] = {4, 5, 6};
enum { ELEMENTS = 4 * 5 * 6 };

/* A part: the elements start, start + step, ... of dimension dim, `size` of them. A size of 0 is
 * a select. */
typedef struct part {
    int dim;
    int64_t start, size, step;
} part;

static unsigned random_state = 1;

static int64_t random_below(int64_t n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (int64_t)(random_state >> 8) % n;
}

static tg_tensor *take_part(tg_tensor *x, part p)
{
    if (p.size == 0) return tg_select(x, p.dim, p.start);
    if (p.step == 1) return tg_narrow(x, p.dim, p.start, p.size);
    return tg_slice(x, p.dim, p.start, p.start + (p.size - 1) * p.step + 1, p.step);
}

static bool is_in_part(part p, int64_t element)
{
    int64_t index[DIMS];
    for (int d = DIMS - 1; d >= 0; d--) {
        index[d] = element % shape[d];
        element /= shape[d];
    }
    const int64_t from_start = index[p.dim] - p.start;
    return from_start >= 0 && from_start % p.step == 0 &&
           from_start / p.step < (p.size ? p.size : 1);
}

/* Parts that cover a dimension in ascending or descending order, possibly with a part left out, or
 * parts anywhere. Returns how many. */
static int choose_parts(part *parts)
{
    const int kind = (int)random_below(4), dim = (int)random_below(DIMS);
    int n = 0;
    if (kind == 3) {
        for (n = 0; n < 4; n++) {
            const int d = random_below(3) ? dim : (int)random_below(DIMS);
            const int64_t start = random_below(shape[d]), step = 1 + random_below(2),
                          room = (shape[d] - 1 - start) / step + 1;
            parts[n] = (part){d, start, random_below(room + 1), step};
            if (parts[n].size <= 1) parts[n].step = 1;
        }
        return n;
    }
    for (int64_t at = 0; at < shape[dim];) {
        const int64_t left = shape[dim] - at, size = 1 + random_below(left < 2 ? left : 2);
        const bool selects = size == 1 && random_below(2);
        if (kind != 2 || random_below(4)) parts[n++] = (part){dim, at, selects ? 0 : size, 1};
        at += size;
    }
    for (int i = 0; kind == 1 && i < n / 2; i++) {
        const part other = parts[i];
        parts[i] = parts[n - 1 - i];
        parts[n - 1 - i] = other;
    }
    return n;
}

static tg_tensor *sum_of_parts(tg_tensor *x, int n, const part *parts, int power)
{
    tg_tensor *sum = tg_sum(tg_mul_scalar(tg_select(x, 0, 0), 0));
    for (int i = 0; i < n; i++) {
        tg_tensor *y = take_part(x, parts[i]);
        sum = tg_add(sum, tg_mul_scalar(tg_sum(power == 2 ? tg_mul(y, y) : y), i + 1));
    }
    return sum;
}

/* The same parts taken one directly after the other, and the first of them used last. */
static tg_tensor *sum_of_list(tg_tensor *x, int n, const part *parts, int power)
{
    tg_tensor *y[MOST_PARTS], *sum = tg_scalar(x->context, TG_F64, 0);
    for (int i = 0; i < n; i++) y[i] = take_part(x, parts[i]);
    for (int i = n - 1; i >= 0; i--)
        sum = tg_add(sum, tg_mul_scalar(tg_sum(power == 2 ? tg_mul(y[i], y[i]) : y[i]), i + 1));
    return sum;
}

static void check_gradient(const tg_tensor *g, const double *x, int n, const part *parts, int power)
{
    for (int64_t e = 0; e < ELEMENTS; e++) {
        double expected = 0;
        for (int i = 0; i < n; i++)
            if (is_in_part(parts[i], e)) expected += (i + 1) * (power == 2 ? 2 * x[e] : 1);
        if (element_of(g, e) != expected)
            fail_msg("element %d is %g, not %g", (int)e, element_of(g, e), expected);
    }
}

static void test_the_gradient_of_any_parts(void **state)
{
    double values[ELEMENTS];
    for (int i = 0; i < ELEMENTS; i++) values[i] = (i * 7) % 11 - 5;
    for (int round = 0; round < ROUNDS; round++) {
        part parts[MOST_PARTS];
        const int power = 1 + round % 2;
        tg_scope_begin(*state);
        tg_tensor *x = leaf_of(*state, (tg_shape){DIMS, shape}, values);
        const int n = choose_parts(parts);
        tg_tensor *sum = (round % 3 ? sum_of_list : sum_of_parts)(x, n, parts, power);
        if (n == 0) sum = tg_sum(tg_mul_scalar(x, 0));
        assert_true(tg_backward(sum));
        check_gradient(x->grad, values, n, parts, power);
        tg_tensor *g, *twice;
        const tg_grad_options o = {.create_graph = true};
        assert_true(tg_grad(TG_LIST(sum), TG_LIST(x), &g, &o));
        check_gradient(g, values, n, parts, power);
        if (power == 2 && n > 0) { /* d/dx of sum(x d/dx) is d/dx + d2/dx2 x, twice 2 w x */
            assert_true(
                tg_grad(TG_LIST(tg_sum(tg_mul(g, tg_detach(x)))), TG_LIST(x), &twice, NULL));
            check_gradient(twice, values, n, parts, 2);
        }
        tg_scope_end(*state);
    }
}

/* PyTorch's gradient of a split is the gradients of the parts joined, each as it is. */
static void test_parts_keep_the_sign_of_zero(void **state)
{
    tg_tensor *x = leaf(*state, 1, 2, 3, 4), *minus = constant(*state, -0.0, -0.0, 1, -0.0);
    tg_list parts = tg_chunk(x, 2, 0);
    assert_true(tg_backward_with(tg_cat(parts, 0), minus));
    check_values(x->grad, 0, 0, 1, 0);
    for (int i = 0; i < 4; i++) assert_int_equal(signbit(element_of(x->grad, i)) != 0, i != 2);
}

static void test_a_part_whose_gradient_is_wanted(void **state)
{
    tg_tensor *x = leaf(*state, 1, 2, 3, 4), *y = tg_mul_scalar(x, 2), *w = constant(*state, 5, 7);
    tg_list parts = tg_chunk(y, 2, 0);
    assert_non_null(tg_retain_grad(y));
    assert_non_null(tg_retain_grad(parts.items[0]));
    assert_true(tg_backward(tg_sum(tg_mul(tg_mul(parts.items[0], parts.items[1]), w))));
    check_values(y->grad, 30, 56, 10, 28);
    check_values(parts.items[0]->grad, 30, 56);
    check_values(x->grad, 60, 112, 20, 56);
    tg_tensor *g[2];
    assert_true(
        tg_grad(TG_LIST(tg_sum(tg_square(parts.items[1]))), TG_LIST(parts.items[1], y), g, NULL));
    check_values(g[0], 12, 16);
    check_values(g[1], 0, 0, 12, 16);
}

/* ---- Memory: h_t = tanh(h_(t-1) + x_t), where x_t is a part of x. */

static size_t bytes_of_backward(int64_t steps, int64_t rows, int64_t columns, int parts)
{
    tg_context *tg = tg_open(NULL);
    tg_tensor *x = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(steps, rows, columns)), true);
    tg_tensor *h = tg_zeros(tg, TG_F32, TG_SHAPE(rows, columns));
    for (int64_t t = 0; t < steps; t++) {
        const tg_list list = tg_chunk(tg_add(tg_select(x, 0, t), h), parts, 1);
        tg_tensor *y[MOST_PARTS];
        for (int i = 0; i < list.n; i++) y[i] = tg_tanh(list.items[i]);
        h = tg_cat((tg_list){list.n, y}, 1);
    }
    tg_tensor *loss = tg_sum(h);
    /* The peak so far is as high as what is live, as all tensors are of the outermost scope. */
    const size_t before = tg_get_stats(tg).peak_bytes;
    assert_true(tg_backward(loss));
    const size_t bytes = tg_get_stats(tg).peak_bytes - before;
    tg_close(tg);
    return bytes;
}

static void test_a_sweep_holds_few_gradients_at_a_time(void **state)
{
    (void)state;
    static const int64_t rows[] = {8, 64}; /* gradients that lie in a page, and in a block */
    for (int i = 0; i < 4; i++) {
        const int64_t r = rows[i % 2], steps = 200;
        const size_t one = (size_t)r * 64 * sizeof(float);
        const size_t bytes = bytes_of_backward(steps, r, 64, i < 2 ? 1 : 4);
        /* The gradient of x is one of `steps` parts, and beside it live a few gradients of one part
         * and what describes them, in pages of 64 KB. */
        const size_t most = (size_t)steps * (one + 640) + 12 * one + 2 * 65536;
        if (bytes > most) fail_msg("%d: %zu bytes, not %zu", i, bytes, most);
    }
}

/* A gradient that has a gradient keeps what it is made of, and that grows with the number of steps,
 * not with its square. */
static void test_a_gradient_with_a_graph_grows_with_the_steps(void **state)
{
    enum { STEPS = 100, PART = 64 * 64 };
    const size_t before = tg_get_stats(*state).peak_bytes;
    tg_tensor *x = tg_ones(*state, TG_F32, TG_SHAPE(STEPS, 64, 64)), *g;
    tg_tensor *sum = tg_scalar(*state, TG_F32, 0);
    tg_requires_grad_(x, true);
    for (int t = 0; t < STEPS; t++)
        sum = tg_add(sum, tg_mul_scalar(tg_sum(tg_square(tg_select(x, 0, t))), t));
    const tg_grad_options o = {.create_graph = true};
    assert_true(tg_grad(TG_LIST(sum), TG_LIST(x), &g, &o));
    assert_true(tg_backward(tg_sum(tg_square(g))));
    for (int t = 0; t < STEPS; t++) { /* g = 2 t x, and the derivative of its square is 8 t^2 x */
        assert_true(tg_get(g, TG_SHAPE(t, 63, 0)) == 2 * t);
        assert_true(tg_get(x->grad, TG_SHAPE(t, 0, 63)) == 8 * t * t);
    }
    const size_t bytes = tg_get_stats(*state).peak_bytes - before,
                 most = sizeof(float) * STEPS * PART * 16;
    if (bytes > most) fail_msg("%zu bytes, not %zu", bytes, most);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(test_##name, open_context, close_context)
    const struct CMUnitTest tests[] = {
        test(the_gradient_of_any_parts),
        test(parts_keep_the_sign_of_zero),
        test(a_part_whose_gradient_is_wanted),
        test(a_sweep_holds_few_gradients_at_a_time),
        test(a_gradient_with_a_graph_grows_with_the_steps),
    };
    return cmocka_run_group_tests_name("parts", tests, NULL, NULL);
}
