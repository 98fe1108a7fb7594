/* Random numbers, compared with those of PyTorch for the same seeds; and what draws nothing. */
#include "each_level.h"

#include "bits.h"
#include "random/random.h"

/* Normal numbers in float64, and those of tensors of fewer than 16 elements, are computed with
 * functions of the C library (libm). With glibc on x86-64, which made the golden numbers, they are
 * the same to the bit. Another good libm differs in the last bits of a double, by less than 1e-14
 * relative; the float32 rounded from that double may then be the neighbouring one, which differs by
 * at most 2^-23 relative. */
#if defined(__GLIBC__) && defined(__x86_64__)
enum { LIBM_IS_PYTORCHS = 1 };
#else
enum { LIBM_IS_PYTORCHS = 0 };
#endif

/* One line of the golden file: OP ARGS : VALUES, or hash OP ARGS : HASH OF THE VALUES. */
typedef struct golden {
    char op[16];
    char args[3][40];
    bool hash;
    const char *values;
    bool bias_follows; /* the next line has the bias of the layer that this line draws */
} golden;

static bool follows_libm(const golden *g)
{
    bool normal = strncmp(g->op, "randn", 5) == 0 || strncmp(g->op, "normal", 6) == 0;
    return normal && (strstr(g->op, "64") || atoi(g->args[0]) < 16);
}

static bool same_bits(tg_dtype dtype, uint64_t got, uint64_t want, bool libm)
{
    if (got == want) return true;
    if (!libm || LIBM_IS_PYTORCHS) return false;
    double a = value_of(dtype, got), b = value_of(dtype, want);
    return fabs(a - b) <= (dtype == TG_F32 ? 0x1p-23 : 1e-14) * fabs(b);
}

/* Checks that the elements of t have the bits that values lists in hexadecimal. libm: the elements
 * are computed with libm, and may differ a little where that is not PyTorch's. */
static void check_stream(tg_tensor *t, const char *values, bool libm, const char *what)
{
    t = tg_contiguous(t);
    assert_non_null(t);
    char *at = NULL;
    for (int64_t i = 0; i < t->numel; i++, values = at) {
        uint64_t want = strtoull(values, &at, 16), got = bits_at(t, i);
        if (at == values) fail_msg("%s: fewer than %lld values", what, (long long)t->numel);
        if (!same_bits(t->dtype, got, want, libm))
            fail_msg("%s: element %lld is %llx, not %llx", what, (long long)i,
                     (unsigned long long)got, (unsigned long long)want);
    }
    if (values[strspn(values, " \n")])
        fail_msg("%s: more than %lld values", what, (long long)t->numel);
}

/* Checks the 64-bit FNV-1a hash of the elements' bytes in little-endian order. */
static void check_hash(const tg_tensor *t, const char *value, const char *what)
{
    assert_non_null(t);
    uint64_t hash = 14695981039346656037u;
    for (int64_t i = 0; i < t->numel; i++) {
        uint64_t bits = bits_at(t, i);
        for (size_t byte = 0; byte < tg__dtype_size(t->dtype); byte++)
            hash = (hash ^ (bits >> (8 * byte) & 255)) * 1099511628211u;
    }
    if (hash != strtoull(value, NULL, 16)) fail_msg("%s: other values", what);
}

static tg_tensor *draw_layer(tg_context *tg, const golden *g, tg_module **layer)
{
    if (strcmp(g->op, "linear_b") == 0) return tg_param(*layer, "bias");
    int64_t out = atoll(g->args[0]), in = atoll(g->args[1]);
    *layer = tg_linear(tg, in, out, g->bias_follows ? TG_BIAS : TG_NO_BIAS);
    return tg_param(*layer, "weight");
}

static tg_tensor *draw_golden(tg_context *tg, const golden *g, tg_module **layer)
{
    const char *op = g->op;
    int64_t n = atoll(g->args[0]);
    double a = atof(g->args[1]), b = atof(g->args[2]);
#define IS(name) (strcmp(op, name) == 0)
    if (IS("randn32")) return tg_randn(tg, TG_F32, TG_SHAPE(n));
    if (IS("randn64")) return tg_randn(tg, TG_F64, TG_SHAPE(n));
    if (IS("rand32")) return tg_rand(tg, TG_F32, TG_SHAPE(n));
    if (IS("rand64")) return tg_rand(tg, TG_F64, TG_SHAPE(n));
    if (IS("uniform32")) return tg_uniform_(tg_empty(tg, TG_F32, TG_SHAPE(n)), a, b);
    if (IS("normal32")) return tg_normal_(tg_empty(tg, TG_F32, TG_SHAPE(n)), a, b);
    if (IS("randint")) return tg_randint(tg, atoll(g->args[1]), atoll(g->args[2]), TG_SHAPE(n));
    if (IS("randperm")) return tg_randperm(tg, n);
    if (IS("random64")) return tg_random_(tg_empty(tg, TG_I64, TG_SHAPE(n)));
    if (IS("bern")) return tg_bernoulli_(tg_empty(tg, TG_F32, TG_SHAPE(n)), a);
    if (IS("bernt")) return tg_bernoulli(tg_full(tg, TG_F32, TG_SHAPE(n), a));
    if (IS("drop")) return tg_dropout(tg_ones(tg, TG_F32, TG_SHAPE(n)), a, true);
    if (IS("randnmul")) return tg_mul_scalar(tg_randn(tg, TG_F32, TG_SHAPE(n)), a);
    if (IS("sort32")) return tg_sort(tg_randn(tg, TG_F32, TG_SHAPE(n)), 0);
    if (IS("sortidx")) return tg_argsort(tg_randn(tg, TG_F32, TG_SHAPE(n)), 0);
    if (IS("linear_w") || IS("linear_b")) return draw_layer(tg, g, layer);
#undef IS
    fail_msg("the golden file asks for %s", op);
    return NULL;
}

static char *read_golden_file(void)
{
    FILE *f = fopen(TEST_ROOT "/tests/golden/random_golden.txt", "rb");
    assert_non_null(f);
    enum { ROOM = 1 << 17 };
    char *text = malloc(ROOM);
    assert_non_null(text);
    size_t n = fread(text, 1, ROOM, f);
    assert_true(n > 0 && n < ROOM);
    text[n] = 0;
    fclose(f);
    return text;
}

static golden parse_golden(char *line, const char *next)
{
    golden g = {.hash = strncmp(line, "hash ", 5) == 0};
    char *colon = strchr(line, ':');
    if (!colon) fail_msg("no values: %s", line);
    *colon = 0;
    g.values = colon + 1;
    g.bias_follows = strncmp(next, "linear_b", 8) == 0;
    int fields = sscanf(g.hash ? line + 5 : line, "%15s %39s %39s %39s", g.op, g.args[0], g.args[1],
                        g.args[2]);
    if (fields < 2) fail_msg("no arguments: %s", line);
    return g;
}

static void check_golden(tg_context *tg, const golden *g, const char *what, tg_module **layer)
{
    tg_tensor *t = draw_golden(tg, g, layer);
    if (!tg_ok(tg)) fail_msg("%s: %s", what, tg_error(tg));
    bool libm = follows_libm(g);
    if (!g->hash)
        check_stream(t, g->values, libm, what);
    else if (!libm || LIBM_IS_PYTORCHS)
        check_hash(t, g->values, what);
    else
        print_message("%s: drawn, but a hash of values that follow libm is not compared\n", what);
}

/* Checks every line of the golden file that has values, and returns the number of these lines. */
static int run_golden_file(tg_context *tg)
{
    char *text = read_golden_file();
    int records = 0;
    tg_module *layer = NULL;
    for (char *line = text, *next; *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next) *next++ = 0;
        if (*line == '#' || *line == 0) continue;
        if (strncmp(line, "seed ", 5) == 0) {
            tg_manual_seed(tg, strtoull(line + 5, NULL, 10));
            continue;
        }
        golden g = parse_golden(line, next);
        check_golden(tg, &g, line, &layer);
        records++;
    }
    free(text);
    return records;
}

static void check_golden_file_at(int level)
{
    tg_context *tg = tg_open(NULL);
    tg->level = level;
    assert_int_equal(run_golden_file(tg), 274);
    tg_close(tg);
}

static void numbers_are_pytorchs_at_each_simd_level(void **state)
{
    (void)state;
    each_level(check_golden_file_at);
}

static void assert_same(tg_tensor *a, tg_tensor *b)
{
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(a->dtype, b->dtype);
    assert_int_equal(a->numel, b->numel);
    for (int64_t i = 0; i < a->numel; i++) assert_true(bits_at(a, i) == bits_at(b, i));
}

/* The C++ standard states word 10000 of std::mt19937 with seed 5489. A draw from a range of 2^32
 * numbers takes two words of the generator and keeps the second, so that draw 5000 is that word. */
static void generator_is_the_mt19937_of_the_cpp_standard(void **state)
{
    tg_context *tg = *state;
    tg_manual_seed(tg, 5489);
    tg_tensor *t = tg_randint(tg, 0, INT64_C(1) << 32, TG_SHAPE(5000));
    assert_non_null(t);
    assert_int_equal(tg_data_i64(t)[4999], 4123659995);
}

static void each_context_has_a_stream_of_its_own(void **state)
{
    tg_context *one = *state, *two = tg_open(NULL);
    tg_manual_seed(one, 1);
    tg_tensor *alone[2];
    for (int i = 0; i < 2; i++) alone[i] = tg_randn(one, TG_F32, TG_SHAPE(33));
    tg_manual_seed(one, 1);
    tg_manual_seed(two, 2);
    for (int i = 0; i < 2; i++) {
        assert_same(tg_randn(one, TG_F32, TG_SHAPE(33)), alone[i]);
        assert_non_null(tg_randn(two, TG_F32, TG_SHAPE(7)));
    }
    tg_close(two);
}

static void fresh_context_is_seeded_with_0(void **state)
{
    tg_context *tg = *state;
    tg_tensor *first = tg_rand(tg, TG_F32, TG_SHAPE(3));
    tg_manual_seed(tg, 0);
    assert_same(first, tg_rand(tg, TG_F32, TG_SHAPE(3)));
}

static void only_the_low_32_bits_of_a_seed_matter(void **state)
{
    tg_context *tg = *state;
    const uint64_t pairs[][2] = {{42, 42 + (UINT64_C(5) << 32)},
                                 {(uint64_t)INT64_C(-1), UINT32_MAX},
                                 {UINT64_C(1) << 63, 0}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        tg_manual_seed(tg, pairs[i][0]);
        tg_tensor *a = tg_rand(tg, TG_F64, TG_SHAPE(700));
        tg_manual_seed(tg, pairs[i][1]);
        assert_same(a, tg_rand(tg, TG_F64, TG_SHAPE(700)));
    }
}

/* The Box-Muller transform makes two normal numbers at a time; a lone draw keeps the second for the
 * next lone draw of any dtype, as PyTorch does. */
static void second_normal_of_a_pair_is_kept_until_the_next_seed(void **state)
{
    tg_context *tg = *state;
    tg_manual_seed(tg, 7);
    tg_tensor *pair = tg_randn(tg, TG_F64, TG_SHAPE(2));
    tg_manual_seed(tg, 7);
    assert_true(tg_item(tg_randn(tg, TG_F64, TG_SHAPE(1))) == tg_get(pair, TG_INDEX(0)));
    assert_non_null(tg_randn(tg, TG_F32, TG_SHAPE(20)));
    assert_non_null(tg_randperm(tg, 5));
    tg_tensor *second = tg_randn(tg, TG_F32, TG_SHAPE());
    assert_true(tg_item(second) == (double)(float)tg_get(pair, TG_INDEX(1)));
    /* A seed discards the number that was kept. */
    assert_non_null(tg_randn(tg, TG_F32, TG_SHAPE()));
    tg_manual_seed(tg, 7);
    assert_true(tg_item(tg_randn(tg, TG_F64, TG_SHAPE(1))) == tg_get(pair, TG_INDEX(0)));
}

/* The expected numbers from here on are those of PyTorch 1.13 for seed 3. */
static void draws_into_views_follow_the_order_of_pytorch(void **state)
{
    tg_context *tg = *state;
    tg_manual_seed(tg, 3);
    tg_tensor *t = tg_t(tg_zeros(tg, TG_F32, TG_SHAPE(3, 8)));
    check_stream(tg_normal_(t, 1, 0.5),
                 "3fb368e0 3e909816 3fbb4a51 3f8b3078 3fbe8e3e 3fb4340f 3f85b1d1 3fa16944 3f9fb12d "
                 "3f3171b0 3fcf3a07 3f6af7a9 3f82f4a7 3f11539f 3f293889 3ea1b9c4 3f93222d 3ef0de56 "
                 "3f959985 3f9ad47a 3fafda43 3fc0b61f 3f75c755 3f8f4a6c",
                 true, "normal_ of a transpose");
    tg_manual_seed(tg, 3);
    t = tg_slice(tg_zeros(tg, TG_F32, TG_SHAPE(9, 4)), 1, 0, TG_END, 2);
    check_stream(tg_normal_(t, 0, 1),
                 "3f4da380 3e330786 3db63a26 bf1d1ca0 3d3d29cf bfaf231e 3eaccc28 3f816c3f bfb7b3f5 "
                 "3f7a38f8 3f05a511 3f9e740e bf5d58c2 3e991165 3ed6a3d4 bda38aaa 3f6d2943 3f50d03e",
                 true, "normal_ of every other column");
    tg_manual_seed(tg, 3);
    t = tg_permute(tg_zeros(tg, TG_F32, TG_SHAPE(2, 3, 2)), TG_DIMS(1, 2, 0));
    check_stream(tg_uniform_(t, -1, 2),
                 "bf7cb9c2 3fa86580 bf2eec38 3f9d94a0 be11e454 3f4883f7 bf6b4c77 3fd4efdc 3ed46650 "
                 "3eb4c8bc bf51d4a8 3fb30120",
                 false, "uniform_ of permuted dimensions");
    tg_manual_seed(tg, 3);
    t = tg_t(tg_zeros(tg, TG_I64, TG_SHAPE(2, 3)));
    check_stream(tg_random_(t),
                 "d01176a121b0698 2c5990091be6315 35492cf9d706e683 64982bfd6fe34a93 "
                 "4a78bbb81f0f63c8 657376ca04ccab6b",
                 false, "random_ of a transpose");
    tg_manual_seed(tg, 3);
    t = tg_t(tg_zeros(tg, TG_BOOL, TG_SHAPE(2, 3)));
    check_stream(tg_bernoulli_(t, 0.5), "1 1 1 0 0 0", false, "bernoulli_ of a transpose");
}

static void draws_into_a_slice_leave_the_other_elements(void **state)
{
    tg_context *tg = *state;
    tg_tensor *all = tg_zeros(tg, TG_F32, TG_SHAPE(6, 6));
    assert_non_null(tg_uniform_(tg_narrow(tg_narrow(all, 0, 2, 3), 1, 1, 4), 1, 2));
    for (int64_t i = 0; i < 6; i++) {
        for (int64_t j = 0; j < 6; j++) {
            bool inside = i >= 2 && i < 5 && j >= 1 && j < 5;
            assert_true((tg_get(all, TG_INDEX(i, j)) != 0) == inside);
        }
    }
}

static void float64_int64_and_full_ranges_are_pytorchs(void **state)
{
    tg_context *tg = *state;
    tg_manual_seed(tg, 3);
    check_stream(tg_uniform_(tg_empty(tg, TG_F64, TG_SHAPE(4)), -0.1, 0.3),
                 "bfb61b795fa98480 3f8e18fbe7170d1a 3fcac5f364e56c74 bf9ebff8b67b0bc0", false,
                 "uniform_, float64");
    tg_manual_seed(tg, 3);
    check_stream(tg_normal_(tg_empty(tg, TG_F64, TG_SHAPE(17)), -3, 0.1),
                 "c0082c984ecf8bf1 c007261dc54ca30f c009c76698b60474 c00860c141ff9e87 "
                 "c00913c001e86dd9 c0083a32a73a84ee c007dd9adbb57cd1 c00764bff6c40fce "
                 "c0072322ef2cff2e c0077fd25154096f c007326c4cb5f500 c0082d578bd49dbc "
                 "c008779aefeab3a2 c008fae08348889e c008373d079bc17d c007d649e5debea8 "
                 "c007fa1c858a2e04",
                 true, "normal_, float64");
    tg_manual_seed(tg, 3);
    check_stream(tg_bernoulli_(tg_empty(tg, TG_I64, TG_SHAPE(8)), 0.7), "1 1 0 1 0 1 1 1", false,
                 "bernoulli_, int64");
    check_stream(tg_rand(tg, TG_F32, TG_SHAPE(1)), "3e33d1dc", false, "what follows");
    tg_manual_seed(tg, 3);
    check_stream(tg_randint(tg, INT64_MIN, INT64_MAX, TG_SHAPE(2)),
                 "d01176a121b0698 35492cf9d706e683", false, "randint of all numbers");
}

static void bernoulli_of_a_tensor_is_pytorchs(void **state)
{
    tg_context *tg = *state;
    tg_manual_seed(tg, 3);
    tg_tensor *hits = tg_bernoulli(tg_full(tg, TG_F64, TG_SHAPE(12), 0.3));
    check_stream(tg_cast(hits, TG_I64), "1 1 0 1 0 0 1 0 0 0 1 0", false, "bernoulli, float64");
    check_stream(tg_rand(tg, TG_F32, TG_SHAPE(1)), "3e3937e0", false, "what follows");
    tg_manual_seed(tg, 3);
    tg_tensor *p = tg_div_scalar(tg_arange(tg, TG_F32, 0, 12, 1), 12);
    hits = tg_bernoulli(tg_t(tg_reshape(p, TG_SHAPE(3, 4))));
    check_stream(tg_cast(hits, TG_I64), "0 1 1 1 0 1 0 0 1 0 1 1", false, "bernoulli, transposed");
    check_stream(tg_rand(tg, TG_F32, TG_SHAPE(1)), "3e196fe4", false, "what follows");
}

static void dropout_is_pytorchs(void **state)
{
    tg_context *tg = *state;
    tg_manual_seed(tg, 3);
    tg_tensor *third = tg_div_scalar(tg_ones(tg, TG_F64, TG_SHAPE(6)), 3);
    check_stream(tg_dropout(third, 0.3, true),
                 "3fde79e79e79e79e 3fde79e79e79e79e 0 3fde79e79e79e79e 0 3fde79e79e79e79e", false,
                 "dropout, float64");
    tg_manual_seed(tg, 3);
    tg_tensor *x = tg_reshape(tg_arange(tg, TG_F32, 0, 6, 1), TG_SHAPE(2, 3));
    check_stream(tg_dropout(tg_t(x), 0.5, true), "0 40c00000 0 41000000 0 0", false,
                 "dropout, transposed");
    check_stream(tg_rand(tg, TG_F32, TG_SHAPE(1)), "3e196fe4", false, "what follows");
}

static void dropout_scales_the_gradient_as_the_values(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(20)), true);
    tg_tensor *y = tg_dropout(x, 0.25, true);
    assert_true(tg_backward(tg_sum(y)));
    assert_same(x->grad, y);
}

/* Runs a statement and checks that it draws nothing, which leaves the generator as it was. */
#define STILL(tg, ...)                                                                             \
    do {                                                                                           \
        generator before_ = (tg)->random;                                                          \
        __VA_ARGS__;                                                                               \
        assert_memory_equal(&before_, &(tg)->random, sizeof before_);                              \
    } while (0)

static void dropout_draws_only_if_it_has_to(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = tg_from_f32(tg, TG_SHAPE(2), (float[]){1, -1});
    tg_tensor *none = tg_zeros(tg, TG_F32, TG_SHAPE(0));
    STILL(tg, assert_ptr_equal(tg_dropout(x, 0, true), x));
    STILL(tg, assert_ptr_equal(tg_dropout(x, 0.5, false), x));
    STILL(tg, assert_ptr_equal(tg_dropout(none, 0.5, true), none));
    STILL(tg, check_stream(tg_dropout(x, 1, true), "0 80000000", false, "p = 1"));
    assert_true(tg_ok(tg));
}

static void nothing_is_drawn_for_tensors_without_elements(void **state)
{
    tg_context *tg = *state;
    STILL(tg, assert_non_null(tg_randn(tg, TG_F32, TG_SHAPE(0))));
    STILL(tg, assert_non_null(tg_rand(tg, TG_F64, TG_SHAPE(3, 0))));
    STILL(tg, assert_non_null(tg_randint(tg, 0, 5, TG_SHAPE(0))));
    STILL(tg, assert_non_null(tg_randperm(tg, 0)));
    STILL(tg, assert_non_null(tg_randperm(tg, 1)));
    STILL(tg, assert_non_null(tg_bernoulli(tg_zeros(tg, TG_F32, TG_SHAPE(0)))));
    STILL(tg, assert_non_null(tg_normal_(tg_zeros(tg, TG_F32, TG_SHAPE(2, 0)), 0, 1)));
    assert_true(tg_ok(tg));
}

/* Checks that a call fails with this code and message, and draws nothing. */
#define FAILS(tg, call, code, message)                                                             \
    do {                                                                                           \
        STILL(tg, assert_null(call));                                                              \
        assert_int_equal(tg_error_code(tg), code);                                                 \
        assert_string_equal(tg_error(tg), message);                                                \
        tg_clear_error(tg);                                                                        \
    } while (0)

static void wrong_arguments_of_new_tensors_are_refused(void **state)
{
    tg_context *tg = *state;
    FAILS(tg, tg_rand(tg, TG_I64, TG_SHAPE(2)), TG_ERR_DTYPE, "rand: not for int64");
    FAILS(tg, tg_randn(tg, TG_BOOL, TG_SHAPE(2)), TG_ERR_DTYPE, "randn: not for bool");
    FAILS(tg, tg_randn(tg, (tg_dtype)9, TG_SHAPE(2)), TG_ERR_DTYPE, "randn: not for ?");
    FAILS(tg, tg_randint(tg, 5, 3, TG_SHAPE(2)), TG_ERR_ARGUMENT,
          "randint: low 5 must be less than high 3");
    FAILS(tg, tg_randint(tg, 3, 3, TG_SHAPE(0)), TG_ERR_ARGUMENT,
          "randint: low 3 must be less than high 3");
    FAILS(tg, tg_randperm(tg, -1), TG_ERR_ARGUMENT, "randperm: n -1 must not be negative");
    STILL(tg, assert_null(tg_randperm(tg, INT64_MAX)));
    assert_int_equal(tg_error_code(tg), TG_ERR_SHAPE);
    tg_clear_error(tg);
    STILL(tg, assert_null(tg_randn(tg, TG_F32, TG_SHAPE(-1))));
    assert_int_equal(tg_error_code(tg), TG_ERR_SHAPE);
    tg_clear_error(tg);
    tg_tensor *p = tg_from_f32(tg, TG_SHAPE(2), (float[]){0.5f, 1.5f});
    FAILS(tg, tg_bernoulli(p), TG_ERR_ARGUMENT, "bernoulli: p 1.5 must lie in [0, 1]");
    FAILS(tg, tg_bernoulli(tg_fill_(p, NAN)), TG_ERR_ARGUMENT,
          "bernoulli: p nan must lie in [0, 1]");
    FAILS(tg, tg_bernoulli(tg_ones(tg, TG_I64, TG_SHAPE(2))), TG_ERR_DTYPE,
          "bernoulli: not for int64; use tg_cast");
    FAILS(tg, tg_dropout(p, -0.5, false), TG_ERR_ARGUMENT, "dropout: p -0.5 must lie in [0, 1]");
    FAILS(tg, tg_dropout(p, NAN, true), TG_ERR_ARGUMENT, "dropout: p nan must lie in [0, 1]");
    FAILS(tg, tg_dropout(tg_ones(tg, TG_I64, TG_SHAPE(2)), 0.5, true), TG_ERR_DTYPE,
          "dropout: not for int64; use tg_cast");
}

static void wrong_arguments_of_draws_in_place_are_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(3)), *d = tg_ones(tg, TG_F64, TG_SHAPE(3));
    tg_tensor *i = tg_ones(tg, TG_I64, TG_SHAPE(3));
    FAILS(tg, tg_uniform_(i, 0, 1), TG_ERR_DTYPE, "uniform_: not for int64");
    FAILS(tg, tg_uniform_(t, 1, 0), TG_ERR_ARGUMENT, "uniform_: low 1 must not be above high 0");
    FAILS(tg, tg_uniform_(t, NAN, 1), TG_ERR_ARGUMENT,
          "uniform_: low nan and high 1 must be finite in float32");
    FAILS(tg, tg_uniform_(t, 0, 1e39), TG_ERR_ARGUMENT,
          "uniform_: low 0 and high 1e+39 must be finite in float32");
    FAILS(tg, tg_uniform_(d, -INFINITY, 0), TG_ERR_ARGUMENT,
          "uniform_: low -inf and high 0 must be finite in float64");
    FAILS(tg, tg_uniform_(t, -3e38, 3e38), TG_ERR_ARGUMENT,
          "uniform_: the distance from low -3e+38 to high 3e+38 is infinite in float32");
    FAILS(tg, tg_uniform_(d, -1e308, 1e308), TG_ERR_ARGUMENT,
          "uniform_: the distance from low -1e+308 to high 1e+308 is infinite in float64");
    FAILS(tg, tg_normal_(i, 0, 1), TG_ERR_DTYPE, "normal_: not for int64");
    FAILS(tg, tg_normal_(t, 0, -1), TG_ERR_ARGUMENT, "normal_: std -1 must not be negative");
    FAILS(tg, tg_normal_(t, 0, NAN), TG_ERR_ARGUMENT, "normal_: std nan must not be negative");
    FAILS(tg, tg_bernoulli_(i, 1.1), TG_ERR_ARGUMENT, "bernoulli_: p 1.1 must lie in [0, 1]");
    FAILS(tg, tg_random_(t), TG_ERR_DTYPE, "random_: not for float32");
    STILL(tg, assert_null(tg_normal_(tg_expand(t, TG_SHAPE(2, 3)), 0, 1)));
    assert_int_equal(tg_error_code(tg), TG_ERR_ARGUMENT);
    tg_clear_error(tg);
    STILL(tg, assert_null(tg_random_(tg_borrow(tg, i))));
    assert_int_equal(tg_error_code(tg), TG_ERR_ARGUMENT);
    tg_clear_error(tg);
    for (int64_t at = 0; at < 3; at++) {
        assert_true(tg_get(t, TG_INDEX(at)) == 1);
        assert_true(tg_get(d, TG_INDEX(at)) == 1);
        assert_true(tg_get(i, TG_INDEX(at)) == 1);
    }
}

static void nothing_is_drawn_while_an_error_is_pending(void **state)
{
    tg_context *tg = *state;
    tg_tensor *t = tg_ones(tg, TG_F32, TG_SHAPE(3)), *i = tg_ones(tg, TG_I64, TG_SHAPE(3));
    STILL(tg, assert_null(tg_randperm(tg, -1)));
    STILL(tg, assert_null(tg_rand(tg, TG_F32, TG_SHAPE(2))));
    STILL(tg, assert_null(tg_randn(tg, TG_F32, TG_SHAPE(2))));
    STILL(tg, assert_null(tg_randint(tg, 0, 5, TG_SHAPE(2))));
    STILL(tg, assert_null(tg_randperm(tg, 5)));
    STILL(tg, assert_null(tg_bernoulli(t)));
    STILL(tg, assert_null(tg_uniform_(t, 2, 3)));
    STILL(tg, assert_null(tg_normal_(t, 2, 3)));
    STILL(tg, assert_null(tg_bernoulli_(t, 0)));
    STILL(tg, assert_null(tg_random_(i)));
    STILL(tg, assert_null(tg_dropout(t, 0.5, true)));
    STILL(tg, assert_ptr_equal(tg_dropout(t, 0.5, false), t));
    assert_true(tg_get(t, TG_INDEX(0)) == 1 && tg_get(i, TG_INDEX(0)) == 1);
    check_error(tg, TG_ERR_ARGUMENT, "randperm: n -1 must not be negative");
}

static void null_arguments_give_null(void **state)
{
    tg_context *tg = *state;
    assert_false(tg_manual_seed(NULL, 1));
    assert_null(tg_rand(NULL, TG_F32, TG_SHAPE(2)));
    assert_null(tg_randn(NULL, TG_F32, TG_SHAPE(2)));
    assert_null(tg_randint(NULL, 5, 3, TG_SHAPE(2)));
    assert_null(tg_randperm(NULL, -1));
    assert_null(tg_bernoulli(NULL));
    assert_null(tg_uniform_(NULL, 0, 1));
    assert_null(tg_normal_(NULL, 0, 1));
    assert_null(tg_bernoulli_(NULL, 0));
    assert_null(tg_random_(NULL));
    assert_null(tg_dropout(NULL, 0.5, true));
    assert_true(tg_ok(tg));
}

/* The limit of memory has room for one tensor of 400000 bytes, but not for two. */
static void nothing_is_drawn_when_memory_runs_out(void **state)
{
    (void)state;
    tg_options options = tg_defaults();
    options.max_bytes = 600000;
    tg_context *tg = tg_open(&options);
    tg_tensor *x = tg_ones(tg, TG_F32, TG_SHAPE(100000));
    assert_non_null(x);
    STILL(tg, assert_null(tg_randn(tg, TG_F32, TG_SHAPE(100000))));
    assert_int_equal(tg_error_code(tg), TG_ERR_MEMORY);
    tg_clear_error(tg);
    STILL(tg, assert_null(tg_bernoulli(x)));
    tg_close(tg);

    /* Here the mask of dropout fits into memory, but its product with x does not. */
    options.max_bytes = 1000000;
    tg = tg_open(&options);
    x = tg_ones(tg, TG_F32, TG_SHAPE(100000));
    STILL(tg, assert_null(tg_dropout(x, 0.5, true)));
    assert_int_equal(tg_error_code(tg), TG_ERR_MEMORY);
    tg_close(tg);
}

static void leaves_that_require_gradients_may_be_drawn(void **state)
{
    tg_context *tg = *state;
    tg_tensor *w = tg_requires_grad_(tg_zeros(tg, TG_F32, TG_SHAPE(20)), true);
    assert_ptr_equal(tg_normal_(w, 0, 1), w);
    assert_true(w->requires_grad);
    assert_true(tg_get(w, TG_INDEX(0)) != 0);
}

/* ---- Draws that are made together, against the words of the generator one by one. Odd numbers of
 * words make samples of two words begin at every place between two twists. */

static void check_integers(tg_tensor *t, generator *g, int64_t low, uint64_t range)
{
    for (int64_t i = 0; i < t->numel; i++) {
        const uint64_t word = range > UINT32_MAX ? tg__u64(g) : tg__u32(g);
        assert_int_equal(((int64_t *)t->data)[i], (int64_t)(word % range + (uint64_t)low));
    }
}

static void draws_take_the_words_in_order(void **state)
{
    tg_context *tg = *state;
    static const uint64_t ranges[] = {1,          2,          3,          1000,       65537,
                                      0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0x100000000};
    tg_manual_seed(tg, 5);
    generator g = tg->random;
    for (int round = 0; round < 40; round++) {
        tg_scope_begin(tg);
        const int64_t n = 2 * round * round + 1;
        tg_tensor *t = tg_rand(tg, TG_F32, TG_SHAPE(n));
        for (int64_t i = 0; i < n; i++)
            assert_true(((float *)t->data)[i] == (float)(tg__u32(&g) & 0xffffff) * 0x1p-24f);
        t = tg_rand(tg, TG_F64, TG_SHAPE(n));
        for (int64_t i = 0; i < n; i++)
            assert_true(((double *)t->data)[i] ==
                        (double)(tg__u64(&g) & ((UINT64_C(1) << 53) - 1)) * 0x1p-53);
        const uint64_t range = ranges[round % 10];
        const int64_t low = round % 3 ? -7 : INT64_MIN;
        t = tg_randint(tg, low, (int64_t)((uint64_t)low + range), TG_SHAPE(n));
        check_integers(t, &g, low, range);
        t = tg_randperm(tg, n);
        int64_t *order = malloc((size_t)n * sizeof *order);
        for (int64_t i = 0; i < n; i++) order[i] = i;
        for (int64_t i = 0; i < n - 1; i++) {
            const int64_t other = i + tg__u32(&g) % (n - i), moved = order[i];
            order[i] = order[other];
            order[other] = moved;
        }
        assert_memory_equal(order, t->data, (size_t)n * sizeof *order);
        free(order);
        tg_scope_end(tg);
    }
    assert_memory_equal(&g, &tg->random, sizeof g);
}

/* Bernoulli draws compare a uniform sample with the probability; 0 and 1 are never missed. */
static void bernoulli_draws_compare_uniform_samples(void **state)
{
    tg_context *tg = *state;
    tg_manual_seed(tg, 6);
    for (tg_dtype d = TG_F32; d <= TG_F64; d++) {
        const int64_t n = 1037;
        tg_tensor *p = tg_rand(tg, d, TG_SHAPE(n));
        tg_fill_(tg_narrow(p, 0, 20, 50), 0);
        tg_fill_(tg_narrow(p, 0, 80, 50), 1);
        generator before = tg->random;
        tg_tensor *draws = tg_bernoulli(p);
        tg->random = before;
        tg_tensor *samples = tg_rand(tg, d, TG_SHAPE(n));
        for (int64_t i = 0; i < n; i++)
            assert_true(element_of(draws, i) == (element_of(samples, i) < element_of(p, i)));
    }
    for (tg_dtype d = TG_F32; d <= TG_BOOL; d++) {
        tg_tensor *draws = tg_empty(tg, d, TG_SHAPE(777));
        generator before = tg->random;
        tg_bernoulli_(draws, 0.3);
        tg->random = before;
        tg_tensor *samples = tg_rand(tg, TG_F64, TG_SHAPE(777));
        for (int64_t i = 0; i < 777; i++)
            assert_true(element_of(draws, i) == (element_of(samples, i) < 0.3));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_pytorchs_at_each_simd_level),
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_context, close_context)
        TEST(generator_is_the_mt19937_of_the_cpp_standard),
        TEST(each_context_has_a_stream_of_its_own),
        TEST(fresh_context_is_seeded_with_0),
        TEST(only_the_low_32_bits_of_a_seed_matter),
        TEST(second_normal_of_a_pair_is_kept_until_the_next_seed),
        TEST(draws_into_views_follow_the_order_of_pytorch),
        TEST(draws_into_a_slice_leave_the_other_elements),
        TEST(float64_int64_and_full_ranges_are_pytorchs),
        TEST(bernoulli_of_a_tensor_is_pytorchs),
        TEST(dropout_is_pytorchs),
        TEST(dropout_scales_the_gradient_as_the_values),
        TEST(dropout_draws_only_if_it_has_to),
        TEST(nothing_is_drawn_for_tensors_without_elements),
        TEST(wrong_arguments_of_new_tensors_are_refused),
        TEST(wrong_arguments_of_draws_in_place_are_refused),
        TEST(nothing_is_drawn_while_an_error_is_pending),
        TEST(null_arguments_give_null),
        TEST(nothing_is_drawn_when_memory_runs_out),
        TEST(leaves_that_require_gradients_may_be_drawn),
        TEST(draws_take_the_words_in_order),
        TEST(bernoulli_draws_compare_uniform_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
