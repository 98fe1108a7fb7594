/* The state of the random stream: PyTorch's words, both ways. */
#include "states.h"

static const struct {
    const char *label;
    uint64_t seed;
    int uniforms, normals;
} cases[] = {
    {"new", 5, 0, 0}, {"inside", (uint64_t)-3, 10, 0}, {"end", 7, 624, 0}, {"normal", 9, 100, 3}};
enum { CASES = sizeof cases / sizeof *cases };

static const tg_state *golden_case(tg_context *tg, int i)
{
    char label[32];
    snprintf(label, sizeof label, "rng.%s", cases[i].label);
    return golden_state(tg, label);
}

static void test_the_state_has_pytorchs_words(void **state)
{
    tg_context *tg = *state;
    for (int i = 0; i < CASES; i++) {
        tg_manual_seed(tg, cases[i].seed);
        tg_rand(tg, TG_F32, TG_SHAPE(cases[i].uniforms));
        tg_randn(tg, TG_F32, TG_SHAPE(cases[i].normals));
        const tg_tensor *ours = tg_get_rng_state(tg),
                        *theirs = tg_state_get(golden_case(tg, i), "state");
        for (int64_t k = 0; k < 632; k++) {
            const int64_t a = tg_get_i64(ours, TG_INDEX(k)), b = tg_get_i64(theirs, TG_INDEX(k));
            if (k == 628 ? llabs(a - b) > 2 : a != b) /* the normal sample follows libm */
                fail_msg("%s: word %lld differs", cases[i].label, (long long)k);
        }
    }
}

/* The words as bytes, each a number. */
static tg_tensor *bytes_of(tg_tensor *words)
{
    tg_tensor *bytes = tg_empty(words->context, TG_I64, TG_SHAPE(8 * words->numel));
    for (int64_t i = 0; i < bytes->numel; i++) {
        const uint64_t word = (uint64_t)tg_get_i64(words, TG_INDEX(i / 8));
        tg_set_i64(bytes, TG_INDEX(i), (int64_t)(word >> i % 8 * 8 & 255));
    }
    return bytes;
}

static void test_the_draws_go_on_as_pytorchs(void **state)
{
    tg_context *tg = *state;
    for (int i = 0; i < 2 * CASES; i++) {
        const tg_state *s = golden_case(tg, i / 2);
        tg_tensor *words = tg_state_get(s, "state");
        assert_true(tg_set_rng_state(tg, i % 2 ? bytes_of(words) : words));
        assert_true(same_bits(tg_get_rng_state(tg), words));
        const tg_tensor *normals = tg_randn(tg, TG_F32, TG_SHAPE(3)),
                        *want = tg_state_get(s, "normals");
        for (int k = 0; k < 3; k++)
            assert_true(fabs(tg_get(normals, TG_INDEX(k)) - tg_get(want, TG_INDEX(k))) < 1e-6);
        assert_true(same_bits(tg_rand(tg, TG_F32, TG_SHAPE(700)), tg_state_get(s, "uniforms")));
    }
    check_ok(tg);
}

static void test_what_is_no_state_is_refused_and_the_stream_stays(void **state)
{
    static const char no_state[] = "set_rng_state: the numbers are no state of the generator";
    static const struct {
        int word;
        int64_t value;
    } wrong[] = {{1, 624}, /* not seeded */
                 {1, INT64_MIN},
                 {1, (INT64_C(1) << 32)},       /* left is 0 */
                 {1, (INT64_C(1) << 32) + 626}, /* left is too large */
                 {1, (INT64_C(1) << 32) + 3},   /* left and next do not agree */
                 {2, -1},
                 {2, 625},
                 {3, -1},
                 {626, INT64_C(1) << 32},
                 {630, 2},
                 {631, INT64_C(1) << 32}};
    tg_context *tg = *state;
    tg_manual_seed(tg, 1);
    tg_rand(tg, TG_F32, TG_SHAPE(10));
    tg_tensor *before = tg_get_rng_state(tg);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tg_tensor *t = tg_clone(before);
        tg_set_i64(t, TG_INDEX(wrong[i].word), wrong[i].value);
        assert_false(tg_set_rng_state(tg, t));
        check_error(tg, TG_ERR_ARGUMENT, no_state);
        assert_true(same_bits(tg_get_rng_state(tg), before));
    }
    tg_tensor *t = tg_clone(before);
    tg_set_i64(t, TG_INDEX(630), 1);
    tg_set_i64(t, TG_INDEX(628), INT64_C(0x7ff8) << 48); /* a normal sample that is NaN */
    assert_false(tg_set_rng_state(tg, t));
    check_error(tg, TG_ERR_ARGUMENT, no_state);
    t = bytes_of(before);
    tg_set_i64(t, TG_INDEX(100), 256);
    assert_false(tg_set_rng_state(tg, t));
    check_error(tg, TG_ERR_ARGUMENT, no_state);
    assert_false(tg_set_rng_state(tg, tg_zeros(tg, TG_I64, TG_SHAPE(631))));
    check_error(tg, TG_ERR_SHAPE, "set_rng_state: the state is [631], not [632] or [5056]");
    assert_true(same_bits(tg_get_rng_state(tg), before));
}

/* A forward that fails restores the stream, also if it has set the state. */
static tg_tensor *sets_and_fails(tg_module *self, tg_tensor *x)
{
    (void)self;
    tg_manual_seed(x->context, 5);
    tg_set_rng_state(x->context, tg_get_rng_state(x->context));
    return tg_matmul(x, tg_ones(x->context, TG_F32, TG_SHAPE(7)));
}

static void test_a_forward_that_fails_restores_the_stream(void **state)
{
    tg_context *tg = *state;
    tg_module *m = tg_module_new(tg, "Fails", sets_and_fails, 0);
    tg_manual_seed(tg, 1);
    tg_tensor *before = tg_get_rng_state(tg);
    assert_null(tg_forward(m, tg_ones(tg, TG_F32, TG_SHAPE(2))));
    tg_clear_error(tg);
    assert_true(same_bits(tg_get_rng_state(tg), before));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_state_has_pytorchs_words),
        cmocka_unit_test(test_the_draws_go_on_as_pytorchs),
        cmocka_unit_test(test_what_is_no_state_is_refused_and_the_stream_stays),
        cmocka_unit_test(test_a_forward_that_fails_restores_the_stream),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
