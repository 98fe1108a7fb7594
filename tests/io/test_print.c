/* The text of printed tensors, compared with PyTorch's, which tests/golden/print.py writes; and the
 * functions that print. */
#include "check.h"
#include "foreign_locale.h"
#include "program.h"
#include "tensor/dtype.h"

enum { TEXT = 1 << 15, GOLDEN = 1 << 18 };

/* ---- Tensors from the recipes of the golden file: a dtype, a shape, and operations by name. */

/* Each row is the name of an operation in a recipe, and its result for t and the numbers s that
 * follow the name. */
#define STEP(name, result)                                                                         \
    static tg_tensor *name##_step(tg_tensor *t, tg_shape s)                                        \
    {                                                                                              \
        (void)s;                                                                                   \
        return result;                                                                             \
    }
#define STEPS(X)                                                                                   \
    X(default_float64, tg_set_default_dtype(t->context, TG_F64) ? t : NULL)                        \
    X(requires_grad_, tg_requires_grad_(t, true))                                                  \
    X(transpose, tg_transpose(t, (int)s.dims[0], (int)s.dims[1]))                                  \
    X(t, tg_t(t))                                                                                  \
    X(permute, tg_permute(t, s))                                                                   \
    X(view, tg_view(t, s))                                                                         \
    X(reshape, tg_reshape(t, s))                                                                   \
    X(flatten, tg_flatten(t, 0, -1))                                                               \
    X(squeeze, tg_squeeze(t))                                                                      \
    X(squeeze_dim, tg_squeeze_dim(t, (int)s.dims[0]))                                              \
    X(unsqueeze, tg_unsqueeze(t, (int)s.dims[0]))                                                  \
    X(expand, tg_expand(t, s))                                                                     \
    X(select, tg_select(t, (int)s.dims[0], s.dims[1]))                                             \
    X(narrow, tg_narrow(t, (int)s.dims[0], s.dims[1], s.dims[2]))                                  \
    X(slice, tg_slice(t, (int)s.dims[0], s.dims[1], s.dims[2], s.dims[3]))                         \
    X(diagonal, tg_diagonal(t, (int)s.dims[0], (int)s.dims[1], (int)s.dims[2]))                    \
    X(contiguous, tg_contiguous(t))                                                                \
    X(clone, tg_clone(t))                                                                          \
    X(detach, tg_detach(t))                                                                        \
    X(float64, tg_cast(t, TG_F64))                                                                 \
    X(add, tg_add(t, t))                                                                           \
    X(sub, tg_sub(t, t))                                                                           \
    X(mul, tg_mul(t, t))                                                                           \
    X(div, tg_div(t, t))                                                                           \
    X(pow, tg_pow(t, t))                                                                           \
    X(add_scalar, tg_add_scalar(t, (double)s.dims[0]))                                             \
    X(sub_scalar, tg_sub_scalar(t, (double)s.dims[0]))                                             \
    X(mul_scalar, tg_mul_scalar(t, (double)s.dims[0]))                                             \
    X(div_scalar, tg_div_scalar(t, (double)s.dims[0]))                                             \
    X(pow_scalar, tg_pow_scalar(t, (double)s.dims[0]))                                             \
    X(maximum, tg_maximum(t, t))                                                                   \
    X(minimum, tg_minimum(t, t))                                                                   \
    X(neg, tg_neg(t))                                                                              \
    X(abs, tg_abs(t))                                                                              \
    X(sign, tg_sign(t))                                                                            \
    X(square, tg_square(t))                                                                        \
    X(sqrt, tg_sqrt(t))                                                                            \
    X(exp, tg_exp(t))                                                                              \
    X(log, tg_log(t))                                                                              \
    X(relu, tg_relu(t))                                                                            \
    X(sigmoid, tg_sigmoid(t))                                                                      \
    X(tanh, tg_tanh(t))                                                                            \
    X(gt_scalar, tg_gt_scalar(t, (double)s.dims[0]))                                               \
    X(where, tg_where(tg_gt_scalar(t, 2), t, t))                                                   \
    X(sum, tg_sum(t))                                                                              \
    X(sum_dim, tg_sum_dims(t, s, false))                                                           \
    X(mean, tg_mean(t))                                                                            \
    X(mean_dim, tg_mean_dims(t, s, false))                                                         \
    X(max, tg_max(t))                                                                              \
    X(min, tg_min(t))                                                                              \
    X(matmul, tg_matmul(t, t))                                                                     \
    X(mv, tg_matmul(t, tg_select(t, 0, 0)))                                                        \
    X(dot, tg_dot(t, t))                                                                           \
    X(cat, tg_cat(TG_LIST(t, t), (int)s.dims[0]))                                                  \
    X(stack, tg_stack(TG_LIST(t, t), (int)s.dims[0]))                                              \
    X(add_, tg_add_(t, t))                                                                         \
    X(mul_, tg_mul_(t, t))                                                                         \
    X(mse_loss, tg_mse_loss(t, tg_zeros_like(t), TG_MEAN))
STEPS(STEP)

static const struct {
    const char *name;
    tg_tensor *(*run)(tg_tensor *t, tg_shape numbers);
} steps[] = {
#define ROW(name, result) {#name, name##_step},
    STEPS(ROW)
#undef ROW
};

/* Reads integers with commas between them, such as "2,3". A text that does not begin with a number
 * gives an empty list. */
static tg_shape read_numbers(const char *text, int64_t *numbers)
{
    int n = 0;
    char *end;
    while (n < TG_MAX_DIMS) {
        numbers[n] = strtoll(text, &end, 10);
        if (end == text) break;
        n++;
        if (*end != ',') break;
        text = end + 1;
    }
    return (tg_shape){n, numbers};
}

/* Calls the operation that word names: "NAME", or "NAME:1,2" with numbers. */
static tg_tensor *run_step(tg_tensor *t, char *word)
{
    int64_t numbers[TG_MAX_DIMS] = {0};
    char *colon = strchr(word, ':');
    tg_shape s = read_numbers(colon ? colon + 1 : "", numbers);
    if (colon) *colon = 0;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (!strcmp(steps[i].name, word)) return steps[i].run(t, s);
    fail_msg("no step is called %s", word);
    return NULL;
}

static tg_dtype dtype_of(const char *name)
{
    for (int d = TG_F32; d < TG_DTYPES; d++)
        if (!strcmp(tg_dtype_name((tg_dtype)d), name)) return (tg_dtype)d;
    fail_msg("no dtype is called %s", name);
    return TG_F32;
}

/* Writes n elements to out. values lists their bits in hexadecimal, and begins anew when it ends.
 */
static void read_values(const char *values, tg_dtype dtype, int64_t n, void *out)
{
    const char *at = values;
    for (int64_t i = 0; i < n; i++) {
        char *end;
        uint64_t bits = strtoull(at, &end, 16);
        uint32_t low = (uint32_t)bits;
        switch (dtype) {
        case TG_F32: memcpy((float *)out + i, &low, sizeof low); break;
        case TG_BOOL: ((bool *)out)[i] = bits != 0; break;
        default: memcpy((int64_t *)out + i, &bits, sizeof bits); break;
        }
        at = *end ? end : values;
    }
}

static tg_tensor *tensor_of_bits(tg_context *tg, tg_dtype dtype, tg_shape shape, const char *values)
{
    int64_t n = 1;
    for (int i = 0; i < shape.ndim; i++) n *= shape.dims[i];
    void *bits = test_malloc((size_t)n * sizeof(int64_t) + 1);
    read_values(values, dtype, n, bits);
    tg_tensor *t = NULL;
    switch (dtype) {
    case TG_F32: t = tg_from_f32(tg, shape, bits); break;
    case TG_F64: t = tg_from_f64(tg, shape, bits); break;
    case TG_I64: t = tg_from_i64(tg, shape, bits); break;
    case TG_BOOL: t = tg_from_bool(tg, shape, bits); break;
    }
    test_free(bits);
    return t;
}

/* Makes the tensor of a recipe, "DTYPE SHAPE OPERATION...", from these values. */
static tg_tensor *follow(tg_context *tg, char *recipe, const char *values)
{
    int64_t sizes[TG_MAX_DIMS];
    tg_dtype dtype = dtype_of(strtok(recipe, " "));
    tg_shape shape = read_numbers(strtok(NULL, " "), sizes);
    tg_tensor *t = tensor_of_bits(tg, dtype, shape, values);
    for (char *word; t && (word = strtok(NULL, " "));) t = run_step(t, word);
    return t;
}

/* ---- The golden file. */

/* Returns the next line, and moves text behind it. */
static char *next_line(char **text)
{
    char *line = *text, *end = strchr(line, '\n');
    assert_non_null(end);
    *end = 0;
    *text = end + 1;
    return line;
}

static void check_case(tg_context *tg, char **text)
{
    static char want[TEXT], got[TEXT];
    char title[200];
    char *recipe = next_line(text), *values = next_line(text);
    size_t length = 0;
    assert_int_equal(recipe[0], '=');
    snprintf(title, sizeof title, "%s", recipe + 2);
    while (**text == '|') {
        const char *line = next_line(text) + 1;
        length += (size_t)snprintf(want + length, TEXT - length, "%s%s", length ? "\n" : "", line);
        assert_true(length < TEXT);
    }

    tg_scope_begin(tg);
    tg_tensor *t = follow(tg, recipe + 2, values);
    if (!t && sizeof(size_t) < sizeof(int64_t) && tg_error_code(tg) == TG_ERR_SHAPE) {
        print_message("%s: not in memory of 32 bits\n", title);
        tg_clear_error(tg);
        tg_scope_end(tg);
        return;
    }
    if (!t) fail_msg("%s: %s", title, tg_error(tg));
    size_t told = tg_snprint(got, TEXT, t);
    if (strcmp(got, want)) fail_msg("%s: printed\n%s\nnot\n%s", title, got, want);
    assert_int_equal(told, length);
    tg_set_default_dtype(tg, TG_F32);
    tg_scope_end(tg);
}

static void text_is_that_of_pytorch(void **state)
{
    char *file = test_malloc(GOLDEN), *text = file;
    program_read(TEST_ROOT "/tests/golden/print_golden.txt", file, GOLDEN);
    int cases = atoi(next_line(&text));
    assert_true(cases >= 250);
    for (int i = 0; i < cases; i++) check_case(*state, &text);
    assert_int_equal(*text, 0);
    test_free(file);
}

/* ---- tg_print and tg_snprint. */

static tg_tensor *two_numbers(tg_context *tg)
{
    return tg_from_f32(tg, TG_SHAPE(2), (float[]){1.5f, -2});
}
static const char two_numbers_text[] = "tensor([ 1.5000, -2.0000])";

static void snprint_returns_and_cuts_like_snprintf(void **state)
{
    tg_tensor *t = two_numbers(*state);
    size_t length = strlen(two_numbers_text);
    char buffer[sizeof two_numbers_text + 2];
    assert_int_equal(tg_snprint(NULL, 0, t), length);
    assert_int_equal(tg_snprint(NULL, 10, t), length);
    for (size_t size = 0; size < sizeof buffer; size++) {
        memset(buffer, '#', sizeof buffer);
        assert_int_equal(tg_snprint(buffer, size, t), length);
        size_t kept = size < length + 1 ? size : length + 1;
        if (kept > 0) {
            assert_memory_equal(buffer, two_numbers_text, kept - 1);
            assert_int_equal(buffer[kept - 1], 0);
        }
        for (size_t i = kept; i < sizeof buffer; i++) assert_int_equal(buffer[i], '#');
    }
}

static void print_writes_a_line_for_each_tensor(void **state)
{
    tg_context *tg = *state;
    char text[100] = {0};
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_true(tg_print(file, two_numbers(tg)));
    assert_true(tg_print(file, tg_scalar(tg, TG_I64, 3)));
    rewind(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    assert_string_equal(text, "tensor([ 1.5000, -2.0000])\ntensor(3)\n");
    fclose(file);
}

static void printing_works_while_an_error_is_pending(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = two_numbers(tg);
    char buffer[100], message[200];
    assert_null(tg_reshape(t, TG_SHAPE(3)));
    snprintf(message, sizeof message, "%s", tg_error(tg));
    tg_snprint(buffer, sizeof buffer, t);
    assert_string_equal(buffer, two_numbers_text);
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_true(tg_print(file, t));
    fclose(file);
    check_error(tg, TG_ERR_SHAPE, message);
}

static void printing_takes_no_memory(void **state)
{
    tg_context *tg = *state;
    static char text[TEXT];
    tg_tensor *t = tg_t(tg_full(tg, TG_F64, TG_SHAPE(200, 30), 1e-7));
    tg_stats before = tg_get_stats(tg);
    assert_true(tg_snprint(text, sizeof text, t) > 0);
    tg_stats after = tg_get_stats(tg);
    assert_true(before.allocator_calls == after.allocator_calls);
    assert_true(before.live_bytes == after.live_bytes && before.peak_bytes == after.peak_bytes);
}

static void wrong_arguments_are_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = two_numbers(tg);
    char buffer[8] = "before";
    assert_false(tg_print(stdout, NULL));
    assert_int_equal(tg_snprint(buffer, sizeof buffer, NULL), 0);
    assert_string_equal(buffer, "");
    assert_int_equal(tg_snprint(NULL, 0, NULL), 0);
    assert_true(tg_ok(tg));

    assert_false(tg_print(NULL, t));
    check_error(tg, TG_ERR_ARGUMENT, "print: the file is NULL");

    tg_add(t, tg_requires_grad_(tg_scalar(tg, t->dtype, 1), true)); /* its record refers to t */
    tg_release(t);
    assert_int_equal(tg_snprint(buffer, sizeof buffer, t), 0);
    assert_false(tg_print(stdout, t));
    check_error(tg, TG_ERR_CONTEXT, "snprint: the tensor [2] was released");
}

static void check_write_fails(tg_context *tg, FILE *file)
{
    assert_non_null(file);
    assert_false(tg_print(file, two_numbers(tg)));
    assert_int_equal(tg_error_code(tg), TG_ERR_IO);
    assert_string_equal(tg_error(tg), "print: the file could not be written");
    tg_clear_error(tg);
    fclose(file);
}

static void failed_writes_are_reported(void **state)
{
    check_write_fails(*state, fopen(TEST_ROOT "/tests/golden/print_golden.txt", "r"));
#ifdef __linux__
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    setvbuf(full, NULL, _IONBF, 0);
    check_write_fails(*state, full);
#endif
}

static void text_does_not_depend_on_the_locale(void **state)
{
    /* The decimal separator of German is a comma, and that of Pashto a character of two bytes. */
    static const char *const names[] = {"de_DE", "ps_AF"};
    tg_context *tg = *state;
    char buffer[100];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!enter_locale(names[i])) skip();
        tg_snprint(buffer, sizeof buffer, two_numbers(tg));
        assert_string_equal(buffer, two_numbers_text);
        tg_snprint(buffer, sizeof buffer, tg_from_f32(tg, TG_SHAPE(2), (float[]){-1e-6f, NAN}));
        assert_string_equal(buffer, "tensor([-1.0000e-06,         nan])");
        tg_snprint(buffer, sizeof buffer, tg_ones(tg, TG_F32, TG_SHAPE(2)));
        assert_string_equal(buffer, "tensor([1., 1.])");
        leave_locale();
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_context, close_context)
    const struct CMUnitTest tests[] = {
        TEST(text_is_that_of_pytorch),
        TEST(snprint_returns_and_cuts_like_snprintf),
        TEST(print_writes_a_line_for_each_tensor),
        TEST(printing_works_while_an_error_is_pending),
        TEST(printing_takes_no_memory),
        TEST(wrong_arguments_are_refused),
        TEST(failed_writes_are_reported),
        TEST(text_does_not_depend_on_the_locale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
