/* Ranks that meet: shares of rows, lists of named tensors that are broadcast and compared, and what
 * happens when ranks differ, fail or die. */
#include "check.h"
#include "guarded.h"
#include "ranks.h"

#include <unistd.h>

/* ---- Shares. */

static tg_exchange as_rank(int rank, int size)
{
    return (tg_exchange){.rank = rank, .size = size};
}

static void shares_follow_each_other_in_whole_blocks(void **state)
{
    (void)state;
    static const int64_t numbers[] = {0, 1, 5, 64, 100, 1000, 4096, 99991, 100000000};
    static const int64_t blocks[] = {1, 7, 64, 1000};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++)
            for (int size = 1; size <= 9; size++) {
                int64_t next = 0;
                for (int r = 0; r < size; r++) {
                    const tg_exchange x = as_rank(r, size);
                    const tg_share share = tg_share_rows(&x, numbers[i], blocks[b]);
                    const double even = (double)numbers[i] / size;
                    assert_int_equal(share.first, next);
                    assert_true(share.first % blocks[b] == 0 || share.first == numbers[i]);
                    assert_true(fabs((double)share.n - even) <
                                (double)blocks[b] + even / 16 + 1e-9);
                    next += share.n;
                }
                assert_int_equal(next, numbers[i]);
            }
}

static void shares_begin_at_round_numbers_of_blocks(void **state)
{
    (void)state;
    const tg_exchange x = as_rank(1, 4);
    const tg_share share = tg_share_rows(&x, 1010 * 10, 10); /* 252 blocks, and 256 is rounder */
    assert_int_equal(share.first, 2560);
    assert_int_equal(share.n, 2560);
}

static void shares_of_one_process_and_of_nonsense(void **state)
{
    (void)state;
    const tg_exchange x = as_rank(4, 4), last = as_rank(6, 7);
    assert_int_equal(tg_share_rows(NULL, 10, 3).n, 10);
    assert_int_equal(tg_share_rows(&x, 10, 3).n, 0);
    assert_int_equal(tg_share_rows(NULL, -1, 3).n, 0);
    assert_int_equal(tg_share_rows(NULL, 10, 0).n, 0);
    assert_int_equal(
        tg_share_rows(&last, INT64_MAX, 1).first + tg_share_rows(&last, INT64_MAX, 1).n, INT64_MAX);
}

/* ---- What ranks do together. */

/* What each rank has found, in memory that all ranks share. */
typedef struct findings {
    void (*f)(tg_context *tg, tg_state *s, const tg_exchange *x); /* what the ranks do */
    struct {
        char error[300];
        tg_status code;
        float weight[6];
        int64_t count;
    } of[MOST_RANKS];
} findings;

/* Each rank has a list of a transposed weight, which is 10 * rank + 1 and so on, and a number. */
static void run_rank(const tg_exchange *x, void *user)
{
    findings *all = user;
    const float base = (float)(10 * x->rank);
    tg_context *tg = tg_open(NULL);
    tg_tensor *weight = tg_from_f32(
        tg, TG_SHAPE(2, 3), (float[]){base + 1, base + 2, base + 3, base + 4, base + 5, base + 6});
    tg_tensor *count = tg_from_i64(tg, TG_SHAPE(), (int64_t[]){x->rank});
    tg_state *s = tg_state_new(tg);
    tg_state_add(s, "weight", tg_t(weight));
    tg_state_add(s, "count", count);
    tg_state_add(s, "empty", tg_zeros(tg, TG_F32, TG_SHAPE(0)));
    all->f(tg, s, x);
    snprintf(all->of[x->rank].error, sizeof all->of->error, "%s", tg_error(tg));
    all->of[x->rank].code = tg_error_code(tg);
    tg_copy_to_f32(weight, all->of[x->rank].weight);
    all->of[x->rank].count = tg_item_i64(count);
    tg_close(tg);
}

static void broadcast_from_2(tg_context *tg, tg_state *s, const tg_exchange *x)
{
    (void)tg;
    tg_state_broadcast_(s, x, 2);
}

static void broadcast_and_compare(tg_context *tg, tg_state *s, const tg_exchange *x)
{
    (void)tg;
    if (tg_state_broadcast_(s, x, 2)) tg_state_agree(s, x);
}

static void compare(tg_context *tg, tg_state *s, const tg_exchange *x)
{
    tg_copy_from_f32(tg_state_get(s, "weight"), (float[]){1, 2, 3, 4, 5, 6});
    (void)tg;
    tg_state_agree(s, x);
}

static void differ_in_a_shape(tg_context *tg, tg_state *s, const tg_exchange *x)
{
    tg_state_add(s, "bias", tg_zeros(tg, TG_F32, TG_SHAPE(x->rank == 1 ? 2 : 3)));
    tg_state_broadcast_(s, x, 2);
}

static void differ_in_number(tg_context *tg, tg_state *s, const tg_exchange *x)
{
    if (x->rank == 1) tg_state_add(s, "bias", tg_zeros(tg, TG_F32, TG_SHAPE(2)));
    tg_state_broadcast_(s, x, 2);
}

static void differ_in_root(tg_context *tg, tg_state *s, const tg_exchange *x)
{
    (void)tg;
    tg_state_broadcast_(s, x, x->rank == 1 ? 1 : 2);
}

static void take_a_root_that_is_none(tg_context *tg, tg_state *s, const tg_exchange *x)
{
    (void)tg;
    tg_state_broadcast_(s, x, x->size);
}

static void be_in_different_calls(tg_context *tg, tg_state *s, const tg_exchange *x)
{
    (void)tg;
    if (x->rank == 1)
        tg_state_agree(s, x);
    else
        tg_state_broadcast_(s, x, 2);
}

static void have_an_error_on_rank_1(tg_context *tg, tg_state *s, const tg_exchange *x)
{
    if (x->rank == 1) tg_zeros(tg, TG_F32, TG_SHAPE(-1));
    tg_state_broadcast_(s, x, 2);
}

static void have_a_list_that_cannot_be_written(tg_context *tg, tg_state *s, const tg_exchange *x)
{
    static const float constant[2] = {1, 2};
    tg_state_add(s, "constant",
                 x->rank == 1 ? tg_wrap_const(tg, TG_F32, TG_SHAPE(2), TG_SHAPE(1), constant)
                              : tg_zeros(tg, TG_F32, TG_SHAPE(2)));
    tg_state_broadcast_(s, x, 2);
}

static void lose_rank_1(tg_context *tg, tg_state *s, const tg_exchange *x)
{
    (void)tg;
    if (x->rank != 1) tg_state_broadcast_(s, x, 2);
}

static const char *cut_allgather(void *user, const void *own, size_t bytes, void *all)
{
    const tg_exchange *x = user;
    static char room[1 << 12];
    (void)all;
    return x->allgather(x->user, own, bytes / 2, room);
}

static void cut_a_message_short(tg_context *tg, tg_state *s, const tg_exchange *x)
{
    const tg_exchange cut = {(void *)(uintptr_t)x, x->rank, x->size, cut_allgather, NULL, NULL};
    (void)tg;
    tg_state_broadcast_(s, x->rank == 1 ? &cut : x, 2);
}

typedef void runner(int size, rank_function *f, void *user);
static runner *const runners[] = {ranks_on_threads, ranks_in_processes};

/* Runs f on ranks of both kinds. `check` is given what they have found. */
static void on_ranks(int size, void (*f)(tg_context *, tg_state *, const tg_exchange *),
                     void (*check)(int size, const findings *found))
{
    for (size_t i = 0; i < sizeof runners / sizeof *runners; i++) {
        findings *found = shared_memory(sizeof *found);
        found->f = f;
        runners[i](size, run_rank, found);
        check(size, found);
        free_shared_memory(found, sizeof *found);
    }
}

/* No tensor has changed on the rank. */
static void check_unchanged(int rank, const findings *found)
{
    for (int i = 0; i < 6; i++)
        assert_true(found->of[rank].weight[i] == (float)(10 * rank + 1 + i));
    assert_int_equal(found->of[rank].count, rank);
}

static void check_all_have_those_of_2(int size, const findings *found)
{
    for (int r = 0; r < size; r++) {
        assert_string_equal(found->of[r].error, "");
        for (int i = 0; i < 6; i++) assert_true(found->of[r].weight[i] == (float)(21 + i));
        assert_int_equal(found->of[r].count, 2);
    }
}

static void broadcast_gives_all_ranks_the_tensors_of_one(void **state)
{
    (void)state;
    on_ranks(4, broadcast_and_compare, check_all_have_those_of_2);
    on_ranks(7, broadcast_from_2, check_all_have_those_of_2);
}

static const char *expected; /* the error of all ranks but `except`, if that is not -1 */
static int except;
static tg_status code;

static void check_expected_error(int size, const findings *found)
{
    for (int r = 0; r < size; r++) {
        check_unchanged(r, found);
        if (r == except) continue;
        assert_string_equal(found->of[r].error, expected);
        assert_int_equal(found->of[r].code, code);
    }
}

static void check_any_error(int size, const findings *found)
{
    for (int r = 0; r < size; r++) {
        check_unchanged(r, found);
        if (r == except) continue;
        assert_non_null(strstr(found->of[r].error, expected));
        assert_int_equal(found->of[r].code, code);
    }
}

static void expect(void (*f)(tg_context *, tg_state *, const tg_exchange *), int but, tg_status c,
                   const char *message)
{
    expected = message;
    except = but;
    code = c;
    on_ranks(4, f, check_expected_error);
}

static void lists_that_differ_are_an_error_on_all_ranks(void **state)
{
    (void)state;
    expect(differ_in_a_shape, -1, TG_ERR_SHAPE,
           "state_broadcast_: the lists of rank 0, of 4 tensors, and rank 1, of 4, differ in "
           "names, shapes or dtypes");
    expect(differ_in_number, -1, TG_ERR_SHAPE,
           "state_broadcast_: the lists of rank 0, of 3 tensors, and rank 1, of 4, differ in "
           "names, shapes or dtypes");
    expect(differ_in_root, -1, TG_ERR_ARGUMENT,
           "state_broadcast_: root is 2 on rank 0 and 1 on rank 1");
    expect(take_a_root_that_is_none, -1, TG_ERR_INDEX, "state_broadcast_: root 4 of 4 ranks");
}

static void an_error_on_one_rank_is_an_error_on_all(void **state)
{
    (void)state;
    expect(have_an_error_on_rank_1, 1, TG_ERR_SHAPE,
           "state_broadcast_: rank 1: zeros: size -1 of dimension 0 is negative");
    expected = "state_broadcast_: ";
    except = -1;
    code = TG_ERR_ARGUMENT;
    on_ranks(4, have_a_list_that_cannot_be_written, check_any_error);
}

static void check_each_names_both_calls(int size, const findings *found)
{
    for (int r = 0; r < size; r++) {
        check_unchanged(r, found);
        assert_non_null(strstr(found->of[r].error,
                               "rank 1 is in state_agree, and rank 0 in state_broadcast_: all "
                               "ranks make the same calls in the same order"));
    }
}

static void ranks_in_different_calls_are_an_error_on_all(void **state)
{
    (void)state;
    on_ranks(3, be_in_different_calls, check_each_names_both_calls);
}

static void a_rank_that_dies_is_an_error_on_the_others(void **state)
{
    (void)state;
    expected = "state_broadcast_: exchange: ";
    except = 1;
    code = TG_ERR_IO;
    on_ranks(4, lose_rank_1, check_any_error);
}

static void a_message_cut_short_is_an_error_on_all_ranks(void **state)
{
    (void)state;
    expected = "state_broadcast_: exchange: ";
    except = -1;
    code = TG_ERR_IO;
    on_ranks(4, cut_a_message_short, check_any_error);
}

static void check_difference(int size, const findings *found)
{
    for (int r = 0; r < size; r++) {
        assert_string_equal(found->of[r].error,
                            "state_agree: count has other bits on rank 1 than on rank 0");
        assert_int_equal(found->of[r].code, TG_ERR_ARGUMENT);
    }
}

static void agree_names_the_tensor_that_differs(void **state)
{
    (void)state;
    on_ranks(3, compare, check_difference);
}

/* What three ranks do with lists of tensors while an allocation fails on rank 1. */
typedef struct tight {
    long fail_at; /* the number of the allocation; 0: none */
    bool refused; /* it was asked for */
    struct {
        tg_status first;  /* of the first call of tg_state_broadcast_ */
        tg_status second; /* of a call of tg_state_agree with lists that differ */
        char error[300];
    } of[3];
} tight;

static void run_tight_rank(const tg_exchange *x, void *user)
{
    tight *t = user;
    guarded g = {0};
    tg_context *tg = open_on_guarded(&g);
    tg_state *s = tg_state_new(tg);
    tg_state_add(s, "small", tg_full(tg, TG_F32, TG_SHAPE(3), x->rank));
    tg_state_add(s, "large", tg_t(tg_full(tg, TG_F32, TG_SHAPE(90, 80), x->rank)));
    if (x->rank == 1 && t->fail_at) g.fail_at = g.asked + t->fail_at;
    tg_state_broadcast_(s, x, 2);
    t->of[x->rank].first = tg_error_code(tg);
    tg_clear_error(tg);
    tg_fill_(tg_state_get(s, "large"), x->rank);
    tg_clear_error(tg);
    tg_state_agree(s, x);
    t->of[x->rank].second = tg_error_code(tg);
    tg_clear_error(tg);
    if (x->rank == 1) t->refused = g.failed > 0;
    g.fail_at = 0;
    if (tg_state_broadcast_(s, x, 2)) tg_state_agree(s, x);
    snprintf(t->of[x->rank].error, sizeof t->of->error, "%s", tg_error(tg));
    if (tg_get(tg_state_get(s, "large"), TG_SHAPE(79, 89)) != 2 || g.damaged)
        snprintf(t->of[x->rank].error, sizeof t->of->error, "not the elements of rank 2");
    tg_close(tg);
}

static void each_allocation_of_one_rank_fails_in_turn(void **state)
{
    (void)state;
    int failures = 0;
    for (tight t = {0}; t.refused || t.fail_at < 2; t.fail_at++) {
        ranks_on_threads(3, run_tight_rank, &t);
        for (int r = 0; r < 3; r++) {
            assert_string_equal(t.of[r].error, "");
            assert_int_equal(t.of[r].first, t.of[0].first);
            assert_int_equal(t.of[r].second, t.of[0].second);
            assert_true(t.of[r].first == TG_OK || t.of[r].first == TG_ERR_MEMORY);
            assert_true(t.of[r].second == TG_ERR_ARGUMENT || t.of[r].second == TG_ERR_MEMORY);
        }
        failures += t.of[0].first == TG_ERR_MEMORY || t.of[0].second == TG_ERR_MEMORY;
    }
    assert_true(failures > 1);
}

static void an_exchange_that_makes_no_sense_is_refused(void **state)
{
    tg_context *tg = *state;
    tg_state *s = tg_state_new(tg);
    tg_exchange x = as_rank(0, 1);
    assert_false(tg_state_agree(s, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "state_agree: the exchange is NULL");
    assert_false(tg_state_broadcast_(s, &x, 0));
    check_error(tg, TG_ERR_ARGUMENT, "state_broadcast_: allgather of the exchange is NULL");
    x = as_rank(3, 3);
    x.allgather = cut_allgather;
    assert_false(tg_state_broadcast_(s, &x, 0));
    check_error(tg, TG_ERR_ARGUMENT, "state_broadcast_: the exchange has rank 3 of 3 ranks");
    assert_false(tg_state_agree(NULL, &x));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_follow_each_other_in_whole_blocks),
        cmocka_unit_test(shares_begin_at_round_numbers_of_blocks),
        cmocka_unit_test(shares_of_one_process_and_of_nonsense),
        cmocka_unit_test(broadcast_gives_all_ranks_the_tensors_of_one),
        cmocka_unit_test(lists_that_differ_are_an_error_on_all_ranks),
        cmocka_unit_test(an_error_on_one_rank_is_an_error_on_all),
        cmocka_unit_test(ranks_in_different_calls_are_an_error_on_all),
        cmocka_unit_test(a_rank_that_dies_is_an_error_on_the_others),
        cmocka_unit_test(a_message_cut_short_is_an_error_on_all_ranks),
        cmocka_unit_test(agree_names_the_tensor_that_differs),
        cmocka_unit_test(each_allocation_of_one_rank_fails_in_turn),
        cmocka_unit_test_setup_teardown(an_exchange_that_makes_no_sense_is_refused, open_context,
                                        close_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
