/* Training on rows that several ranks hold: the bits of one process, and errors on all ranks. */
#include "check.h"
#include "guarded.h"
#include "ranks.h"
#include "sanitizer.h"
#include "training_runs.h"

#include "kernels/kernels.h"

/* What the ranks do, and what each has found, in memory that all ranks share. */
typedef struct job job;
typedef void job_function(job *j, const tg_exchange *x);
struct job {
    training how;
    job_function *f;
    struct {
        uint64_t hash;
        tg_status code;
        char error[300];
        bool has_grad; /* of the first parameter, in the end */
    } of[MOST_RANKS];
};

typedef void runner(int size, rank_function *f, void *user);
static runner *const runners[] = {ranks_on_threads, ranks_in_processes};
enum { RUNNERS = sizeof runners / sizeof *runners };
static const int sizes[] = {1, 2, 3, 4, 7};

static void run_job(const tg_exchange *x, void *user)
{
    job *j = user;
    j->f(j, x);
}

static void train_whole(job *j, const tg_exchange *x)
{
    j->of[x->rank].hash = hash_of_training(x, &j->how, j->of[x->rank].error);
}

/* The hash of f on `size` ranks of the kind, which all of them must have found. */
static uint64_t hash_on_ranks(int kind, int size, job_function *f, const training *how)
{
    job *j = shared_memory(sizeof *j);
    *j = (job){.how = *how, .f = f};
    runners[kind](size, run_job, j);
    const uint64_t hash = j->of[0].hash;
    for (int r = 0; r < size; r++) {
        assert_string_equal(j->of[r].error, "");
        assert_true(j->of[r].hash == hash);
    }
    free_shared_memory(j, sizeof *j);
    return hash;
}

static uint64_t hash_alone(const training *how)
{
    char error[300];
    const uint64_t hash = hash_of_training(NULL, how, error);
    assert_string_equal(error, "");
    return hash;
}

/* The nodes of narrow networks travel in envelopes, those of wide ones by allgather and by slices.
 */
static void a_run_has_one_hash_on_any_number_of_ranks(void **state)
{
    (void)state;
    static const int64_t widths[] = {3, 40, 600};
    const size_t step = getenv("TG_TEST_QUICK") ? 3 : 1; /* through the numbers of ranks */
    if (step > 1) print_message("TG_TEST_QUICK: 1 and 4 ranks of 1 to 7.\n");
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (int k = 0; k < OPTIMISERS; k++) {
            training how = {(optimiser)k, 1, 300, 16, widths[w], true, 3, NULL};
            const uint64_t hash = hash_alone(&how);
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i += step) {
                how.share = !how.share;
                how.threads = how.share ? 1 : 2;
                assert_true(hash_on_ranks((int)i % RUNNERS, sizes[i], train_whole, &how) == hash);
            }
        }
}

/* Each rank has other kernels and another number of threads than its neighbours. */
static void train_in_a_way_of_its_own(job *j, const tg_exchange *x)
{
    static const int threads[] = {1, 2, 3, 7, 16};
    training how = j->how;
    how.threads = threads[x->rank % 5];
    how.simd_level = tg__level_name(x->rank % (tg__level(NULL) + 1));
    j->of[x->rank].hash = hash_of_training(x, &how, j->of[x->rank].error);
}

static void ranks_with_different_levels_and_threads_have_one_hash(void **state)
{
    (void)state;
    for (int k = 0; k < OPTIMISERS; k++) {
        const training how = {(optimiser)k, 1, 300, 4, 40, true, 3, NULL};
        const uint64_t hash = hash_alone(&how);
        for (int kind = 0; kind < RUNNERS; kind++)
            assert_true(hash_on_ranks(kind, 7, train_in_a_way_of_its_own, &how) == hash);
    }
}

static void ranks_without_rows_take_part(void **state)
{
    (void)state;
    for (int share = 0; share < 2; share++)
        for (int64_t rows = 1; rows <= 33; rows += 16) {
            training how = {BY_ADAM, 1, rows, 16, 600, share, 3, NULL};
            const uint64_t hash = hash_alone(&how);
            for (int kind = 0; kind < RUNNERS; kind++)
                assert_true(hash_on_ranks(kind, 7, train_whole, &how) == hash);
        }
}

/* Row i of a source of 3 numbers. */
static const char *read_numbers(void *user, int64_t first, int64_t n, void *const *out)
{
    (void)user;
    for (int64_t i = 0; i < 3 * n; i++) ((float *)out[0])[i] = 1 / (float)(3 * first + i + 1);
    return NULL;
}

static tg_tensor *sum_of_numbers(const tg_block *b, void *user)
{
    (void)user;
    return tg_sum(b->data.items[0]);
}

static void sum_a_source(job *j, const tg_exchange *x)
{
    tg_context *tg = tg_open(NULL);
    const tg_row_type type = {TG_F32, TG_SHAPE(3)};
    const tg_row_source source = {1000, 1, &type, read_numbers, NULL};
    tg_rows *rows =
        tg_rows_from_source(tg, &source, TG_ROWS(.block_rows = 16, .exchange = x, .share = true));
    const tg_tensor *sum = tg_sum_rows(rows, sum_of_numbers, NULL);
    const int rank = x ? x->rank : 0;
    j->of[rank].hash = hash_elements(1, sum);
    snprintf(j->of[rank].error, sizeof j->of->error, "%s", tg_error(tg));
    tg_close(tg);
}

static void ranks_read_their_shares_of_a_source(void **state)
{
    (void)state;
    job alone = {0};
    sum_a_source(&alone, NULL);
    const uint64_t hash = alone.of[0].hash;
    assert_string_equal(alone.of[0].error, "");
    assert_true(hash != 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_true(hash_on_ranks((int)i % RUNNERS, sizes[i], sum_a_source, &alone.how) == hash);
}

/* Finds how many allocator calls the third and fourth step make. */
static void count_allocator_calls(job *j, const tg_exchange *x)
{
    trained t;
    begin_training(&t, x, &j->how);
    uint64_t before = 0;
    for (int step = 0; step < 4; step++) {
        if (step == 2) before = tg_get_stats(t.tg).allocator_calls;
        TG_SCOPE (t.tg) step_training(&t, &j->how);
    }
    j->of[x->rank].hash = tg_get_stats(t.tg).allocator_calls - before;
    tg_close(t.tg);
}

static void no_allocator_call_after_the_first_step(void **state)
{
    (void)state;
#ifdef UNDER_ASAN
    skip(); /* the end of a scope frees its memory then */
#endif
    for (int64_t width = 3; width <= 3000; width *= 10) {
        job *j = shared_memory(sizeof *j);
        *j = (job){.how = {BY_ADAM, 1, 300, 16, width, true, 4, NULL}, .f = count_allocator_calls};
        ranks_on_threads(3, run_job, j);
        for (int r = 0; r < 3; r++) assert_int_equal(j->of[r].hash, 0);
        free_shared_memory(j, sizeof *j);
    }
}

static tg_tensor *no_numbers(const tg_block *b, void *user)
{
    (void)user;
    return tg_zeros(b->context, TG_F32, TG_SHAPE(0, 3));
}

/* There is nothing to send if the sum has no elements and no tensor is shared. The second sum is of
 * one block, which could have more rows than there are. */
static void sum_nothing_and_one_block(job *j, const tg_exchange *x)
{
    tg_context *tg = tg_open(NULL);
    tg_tensor *numbers = tg_arange(tg, TG_F64, 0, 100, 1);
    tg_rows *rows =
        tg_rows_new(TG_LIST(numbers), TG_ROWS(.block_rows = 8, .exchange = x, .share = true));
    const tg_tensor *none = tg_sum_rows(rows, no_numbers, NULL);
    const bool is_empty = none && none->ndim == 2 && none->shape[0] == 0 && none->shape[1] == 3;
    rows = tg_rows_new(TG_LIST(numbers),
                       TG_ROWS(.block_rows = INT64_MAX, .exchange = x, .share = true));
    const tg_tensor *sum = tg_sum_rows(rows, sum_of_numbers, NULL);
    j->of[x->rank].hash = is_empty && sum && tg_item(sum) == 4950;
    snprintf(j->of[x->rank].error, sizeof j->of->error, "%s", tg_error(tg));
    tg_close(tg);
}

static void sums_without_elements_and_blocks_larger_than_the_data(void **state)
{
    (void)state;
    for (int size = 1; size <= 3; size++) {
        job *j = shared_memory(sizeof *j);
        *j = (job){.f = sum_nothing_and_one_block};
        ranks_on_threads(size, run_job, j);
        for (int r = 0; r < size; r++) {
            assert_string_equal(j->of[r].error, "");
            assert_int_equal(j->of[r].hash, 1);
        }
        free_shared_memory(j, sizeof *j);
    }
}

/* ---- Errors. */

/* Runs f on the ranks, of both kinds. All but the rank `except` must have the error, and no rank a
 * gradient. */
static void expect_error(int size, const training *how, void (*f)(job *, const tg_exchange *),
                         int except, tg_status code, const char *error)
{
    for (int kind = 0; kind < RUNNERS; kind++) {
        job *j = shared_memory(sizeof *j);
        *j = (job){.how = *how, .f = f};
        runners[kind](size, run_job, j);
        for (int r = 0; r < size; r++) {
            assert_false(j->of[r].has_grad);
            if (r == except) continue;
            assert_string_equal(j->of[r].error, error);
            assert_int_equal(j->of[r].code, code);
        }
        free_shared_memory(j, sizeof *j);
    }
}

/* Notes what a rank has in the end, and closes its context. */
static void end_rank(job *j, const tg_exchange *x, trained *t)
{
    snprintf(j->of[x->rank].error, sizeof j->of->error, "%s", tg_error(t->tg));
    j->of[x->rank].code = tg_error_code(t->tg);
    j->of[x->rank].has_grad = tg_parameters(t->net).items[0]->grad != NULL;
    tg_close(t->tg);
}

static const training plain = {BY_SGD, 1, 300, 16, 600, true, 1, NULL};

static tg_tensor *fail_in_two_blocks(const tg_block *b, void *user)
{
    (void)user;
    if (b->first == 160 || b->first == 256) return tg_matmul(b->data.items[0], b->data.items[0]);
    return loss_of_rows(b, NULL);
}

static void run_failing_function(job *j, const tg_exchange *x)
{
    trained t;
    begin_training(&t, x, &j->how);
    tg_backward_rows(t.rows, fail_in_two_blocks, NULL);
    end_rank(j, x, &t);
}

static void a_function_that_fails_on_one_rank_fails_on_all(void **state)
{
    (void)state;
    expect_error(2, &plain, run_failing_function, 1, TG_ERR_SHAPE,
                 "backward_rows: rank 1: backward_rows: rows 160 to 175: matmul: [16, 5] @ [16, "
                 "5]: inner sizes differ (5 and 16)");
}

static void widen_on_rank_1(job *j, const tg_exchange *x)
{
    trained t;
    training how = j->how;
    if (x->rank == 1) how.width++;
    begin_training(&t, x, &how);
    tg_backward_rows(t.rows, loss_of_rows, NULL);
    end_rank(j, x, &t);
}

static void ranks_with_other_parameters_are_an_error(void **state)
{
    (void)state;
    training how = plain;
    for (int share = 0; share < 2; share++) {
        how.share = share;
        expect_error(3, &how, widen_on_rank_1, -1, TG_ERR_SHAPE,
                     "backward_rows: rank 0 has 6 parameters with 5405 numbers, and rank 1 6 with "
                     "5414; all ranks need the same shapes and dtypes, and the same of them "
                     "require grad");
    }
}

static void fail_before_the_call(job *j, const tg_exchange *x)
{
    trained t;
    begin_training(&t, x, &j->how);
    if (x->rank == 1) tg_zeros(t.tg, TG_F32, TG_SHAPE(-1));
    tg_backward_rows(t.rows, loss_of_rows, NULL);
    end_rank(j, x, &t);
}

static void an_error_that_is_pending_on_one_rank_is_an_error_on_all(void **state)
{
    (void)state;
    training how = plain;
    for (int share = 0; share < 2; share++) {
        how.share = share;
        expect_error(3, &how, fail_before_the_call, 1, TG_ERR_SHAPE,
                     "backward_rows: rank 1: zeros: size -1 of dimension 0 is negative");
    }
}

static tg_tensor *sum_of_features(const tg_block *b, void *user)
{
    (void)user;
    return tg_sum(b->data.items[0]);
}

static void call_another_function(job *j, const tg_exchange *x)
{
    trained t;
    begin_training(&t, x, &j->how);
    if (x->rank == 1)
        tg_sum_rows(t.rows, sum_of_features, NULL);
    else
        tg_backward_rows(t.rows, loss_of_rows, NULL);
    end_rank(j, x, &t);
}

static void ranks_in_different_calls_are_an_error(void **state)
{
    (void)state;
    expect_error(
        3, &plain, call_another_function, 1, TG_ERR_ARGUMENT,
        "backward_rows: rank 1 is in sum_rows, and rank 0 in backward_rows: all ranks make "
        "the same calls in the same order");
}

static void give_rank_1_other_data(job *j, const tg_exchange *x)
{
    trained t;
    begin_training(&t, x, &j->how);
    tg_sum_rows(t.rows, sum_of_features, NULL);
    if (x->rank == 1)
        tg_rows_set_data(t.rows, TG_LIST(tg_narrow(t.x, 0, 0, 96), tg_narrow(t.labels, 0, 0, 96)));
    tg_backward_rows(t.rows, loss_of_rows, NULL);
    end_rank(j, x, &t);
}

static void other_data_on_one_rank_alone_are_an_error(void **state)
{
    (void)state;
    training how = plain;
    how.share = false;
    expect_error(3, &how, give_rank_1_other_data, -1, TG_ERR_ARGUMENT,
                 "backward_rows: rank 1 is in backward_rows with new rows, and rank 0 in "
                 "backward_rows: all ranks make the same calls in the same order");
}

static void break_a_block(job *j, const tg_exchange *x)
{
    trained t;
    training how = j->how;
    begin_training(&t, x, &how);
    const tg_share share = {x->rank == 0 ? 0 : 100, x->rank == 0 ? 100 : 200};
    tg_rows *rows = tg_rows_new(TG_LIST(tg_narrow(t.x, 0, share.first, share.n),
                                        tg_narrow(t.labels, 0, share.first, share.n)),
                                TG_ROWS(.module = t.net, .tensors = TG_LIST(t.scale, t.offset),
                                        .block_rows = 16, .exchange = x));
    tg_backward_rows(rows, loss_of_rows, NULL);
    end_rank(j, x, &t);
}

static void a_rank_with_a_part_of_a_block_is_an_error(void **state)
{
    (void)state;
    expect_error(2, &plain, break_a_block, -1, TG_ERR_SHAPE,
                 "backward_rows: the ranks before rank 1 have 100 rows, which are no whole blocks "
                 "of 16; tg_share_rows gives whole blocks");
}

static void have_no_rows(job *j, const tg_exchange *x)
{
    trained t;
    begin_training(&t, x, &j->how);
    tg_rows *rows = tg_rows_new(TG_LIST(tg_narrow(t.x, 0, 0, 0), tg_narrow(t.labels, 0, 0, 0)),
                                TG_ROWS(.module = t.net, .tensors = TG_LIST(t.scale, t.offset),
                                        .block_rows = 16, .exchange = x));
    tg_backward_rows(rows, loss_of_rows, NULL);
    end_rank(j, x, &t);
}

static void ranks_that_all_have_no_rows_are_an_error(void **state)
{
    (void)state;
    expect_error(2, &plain, have_no_rows, -1, TG_ERR_SHAPE, "backward_rows: no rank has rows");
}

static tg_tensor *one_or_two(const tg_block *b, void *user)
{
    tg_tensor *sum = tg_sum(b->data.items[0]);
    (void)user;
    return b->first < 150 ? sum : tg_stack(TG_LIST(sum, sum), 0);
}

static void return_two_forms(job *j, const tg_exchange *x)
{
    trained t;
    begin_training(&t, x, &j->how);
    tg_sum_rows(t.rows, one_or_two, NULL);
    end_rank(j, x, &t);
}

static void values_of_two_forms_are_an_error(void **state)
{
    (void)state;
    training how = plain;
    how.rows = 320; /* shares of 160 */
    expect_error(2, &how, return_two_forms, -1, TG_ERR_SHAPE,
                 "sum_rows: the function returned float32 [] on rank 0 and float32 [2] on rank 1");
}

static void seed_rank_1_otherwise(job *j, const tg_exchange *x)
{
    trained t;
    begin_training(&t, x, &j->how);
    if (x->rank == 1) tg_manual_seed(t.tg, 8);
    tg_backward_rows(t.rows, loss_of_rows, NULL);
    end_rank(j, x, &t);
}

static void draws_from_different_streams_are_an_error(void **state)
{
    (void)state;
    expect_error(3, &plain, seed_rank_1_otherwise, -1, TG_ERR_ARGUMENT,
                 "backward_rows: blocks draw random numbers, and the streams of the ranks differ; "
                 "tg_manual_seed or tg_set_rng_state makes them equal");
}

/* An exchange whose calls from a number on are cut short, or fail. */
typedef struct faulty {
    const tg_exchange *x;
    int calls, first_bad;
} faulty;

static const char *faulty_allgather(void *user, const void *own, size_t bytes, void *all)
{
    faulty *f = user;
    if (f->calls++ < f->first_bad) return f->x->allgather(f->x->user, own, bytes, all);
    static char room[1 << 20];
    return f->x->allgather(f->x->user, own, bytes / 2, room);
}

static const char *faulty_alltoall(void *user, const void *out, const size_t *out_bytes, void *in,
                                   const size_t *in_bytes)
{
    faulty *f = user;
    size_t none[MOST_RANKS] = {0};
    const bool bad = f->calls++ >= f->first_bad;
    return f->x->alltoall(f->x->user, out, bad ? none : out_bytes, in, in_bytes);
}

static int first_bad;

static void cut_a_message_short(job *j, const tg_exchange *x)
{
    trained t;
    faulty f = {x, 0, x->rank == 1 ? first_bad : INT_MAX};
    const tg_exchange own = {&f, x->rank, x->size, faulty_allgather, faulty_alltoall, NULL};
    begin_training(&t, &own, &j->how);
    tg_backward_rows(t.rows, loss_of_rows, NULL);
    end_rank(j, x, &t);
    j->of[x->rank].error[sizeof "backward_rows: exchange:" - 1] = 0;
}

/* The first call of a large network has a meeting, another one about memory, and the exchange of
 * slices; each of them is cut short in turn. In the last, the allgather of the sums, a rank cannot
 * know whether the others have received its own. */
static void a_message_cut_short_is_an_error_on_all_ranks(void **state)
{
    (void)state;
    training how = plain;
    how.width = 6000;
    for (first_bad = 0; first_bad < 4; first_bad++)
        expect_error(3, &how, cut_a_message_short, -1, TG_ERR_IO, "backward_rows: exchange:");
}

static void lose_rank_1(job *j, const tg_exchange *x)
{
    trained t;
    begin_training(&t, x, &j->how);
    if (x->rank != 1) tg_backward_rows(t.rows, loss_of_rows, NULL);
    end_rank(j, x, &t);
    j->of[x->rank].error[sizeof "backward_rows: exchange:" - 1] = 0;
}

static void a_rank_that_dies_is_an_error_on_the_others(void **state)
{
    (void)state;
    expect_error(4, &plain, lose_rank_1, 1, TG_ERR_IO, "backward_rows: exchange:");
}

/* ---- A rank that finds no memory. */

/* What three ranks do: they call twice with success, and a call that fails is made again. */
typedef struct tight {
    int64_t rows, width;
    int threads;
    int64_t fill; /* numbers in the first page of memory: decides which call needs the next page */
    bool late;    /* one parameter has a history, and another one is reached by rank 0 alone */
    bool sums;    /* the calls are of tg_sum_rows */
    long fail_at; /* the allocation of the first call that fails on rank 1; 0: none */
    bool refused; /* this allocation was asked for */
    struct {
        bool failed, has_grad; /* of the first call */
        tg_status code;
        uint64_t hash;
    } of[3];
} tight;

static tg_tensor *loss_of_tight(const tg_block *b, void *user)
{
    const tight *t = user;
    tg_tensor *y = tg_square(tg_forward(b->module, b->data.items[0]));
    y = tg_mul(y, b->tensors.items[0]);
    if (!t->late || b->first == 0) y = tg_mul(y, b->tensors.items[1]);
    return tg_sum(y);
}

static void call_until_it_succeeds_twice(tight *t, const tg_exchange *x, guarded *g, tg_rows *rows,
                                         tg_tensor *leaf)
{
    tg_context *tg = leaf->context;
    uint64_t hash = 1;
    for (int calls = 0, done = 0; done < 2 && calls < 3; calls++) {
        tg_clear_error(tg);
        const tg_tensor *result = t->sums ? tg_sum_rows(rows, loss_of_tight, t)
                                          : tg_backward_rows(rows, loss_of_tight, t);
        if (result) done++;
        if (result) hash = hash_elements(hash, result);
        if (calls > 0) continue;
        t->of[x->rank].failed = !result;
        t->of[x->rank].code = tg_error_code(tg);
        t->of[x->rank].has_grad = leaf->grad != NULL;
        if (x->rank == 1) t->refused = g->failed > 0;
        g->fail_at = 0;
    }
    t->of[x->rank].hash = t->sums ? hash : hash_elements(hash, leaf->grad);
}

static void run_tight(const tg_exchange *x, void *user)
{
    tight *t = user;
    guarded g = {0};
    tg_context *tg = open_on_guarded(&g);
    tg_set_num_threads(tg, t->threads);
    tg_manual_seed(tg, 7);
    tg_tensor *data = tg_randn(tg, TG_F32, TG_SHAPE(t->rows, 5));
    tg_module *net = tg_linear(tg, 5, t->width, TG_BIAS);
    tg_tensor *leaf = tg_requires_grad_(tg_scalar(tg, TG_F32, 0.5), true);
    tg_tensor *factor = tg_requires_grad_(tg_scalar(tg, TG_F32, 1.5), true);
    tg_tensor *shared = t->late ? tg_exp(leaf) : leaf;
    tg_rows *rows = tg_rows_new(TG_LIST(data), TG_ROWS(.module = net, .share = true, .exchange = x,
                                                       .tensors = TG_LIST(shared, factor),
                                                       .block_rows = 8, .reduction = TG_MEAN));
    tg_zeros(tg, TG_F32, TG_SHAPE(t->fill));
    if (x->rank == 1 && t->fail_at) g.fail_at = g.asked + t->fail_at;
    call_until_it_succeeds_twice(t, x, &g, rows, leaf);
    tg_close(tg);
    if (g.damaged || g.blocks) t->of[x->rank].hash = 0;
}

/* Each allocation of the first call fails in turn on one rank. For most of them the call fails; a
 * few are of memory that it can do without. */
static void check_tight(tight t)
{
    ranks_on_threads(3, run_tight, &t);
    const uint64_t hash = t.of[0].hash;
    int failures = 0;
    assert_true(hash != 0);
    do {
        for (int r = 0; r < 3; r++) {
            const bool failed = t.of[0].failed;
            assert_true(t.of[r].hash == hash);
            assert_true(t.of[r].failed == failed && failed <= t.refused);
            assert_int_equal(t.of[r].code, failed ? TG_ERR_MEMORY : TG_OK);
            assert_true(t.of[r].has_grad == (!t.sums && !failed));
        }
        failures += t.of[0].failed;
        t.fail_at++;
        ranks_on_threads(3, run_tight, &t);
        assert_true(t.fail_at < 500);
    } while (t.refused);
    assert_true(failures > 2);
}

/* The sizes are such that the nodes travel in envelopes, by allgather, and by slices, and such that
 * rank 1 has no rows. The last case has two threads. */
static void a_rank_without_memory_is_an_error_on_all_and_the_next_call_works(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        for (int64_t fill = 0; fill < 1024; fill += 60) {
            check_tight((tight){.rows = 72, .width = 2, .threads = 1, .fill = fill, .late = late});
            check_tight((tight){.rows = 8, .width = 2, .threads = 1, .fill = fill, .late = late});
        }
        check_tight((tight){.rows = 72, .width = 400, .threads = 1, .late = late});
        check_tight((tight){.rows = 72, .width = 4000, .threads = 1, .late = late});
        check_tight((tight){.rows = 8, .width = 2, .threads = 1, .late = late, .sums = true});
        check_tight((tight){.rows = 72, .width = 2, .threads = 2, .late = late});
    }
}

/* ---- Checkpoints. */

static tg_state *state_of(const trained *t)
{
    tg_state *s = tg_state_new(t->tg);
    tg_state_add_all(s, "model.", tg_state_dict(t->net));
    tg_state_add(s, "scale", t->scale);
    tg_state_add_all(s, "optim.", tg_optim_state_dict(t->optim));
    tg_state_add(s, "rng", tg_get_rng_state(t->tg));
    return s;
}

/* The first half of a run, on two ranks, the second of which writes a checkpoint. */
static void train_and_save(job *j, const tg_exchange *x)
{
    trained t;
    begin_training(&t, x, &j->how);
    for (int step = 0; step < 3; step++)
        TG_SCOPE (t.tg) step_training(&t, &j->how);
    if (x->rank == 1) tg_save_safetensors(state_of(&t), "ranks.safetensors", NULL);
    end_rank(j, x, &t);
}

static void load(trained *t)
{
    tg_state *s = tg_load_safetensors(t->tg, "ranks.safetensors", NULL);
    tg_load_state_dict(t->net, tg_state_part(s, "model."), TG_STRICT);
    tg_optim_load_state_dict(t->optim, tg_state_part(s, "optim."));
    tg_copy_from(t->scale, tg_state_get(s, "scale")->data, sizeof(float));
    tg_set_rng_state(t->tg, tg_state_get(s, "rng"));
}

/* The second half, on other ranks. */
static void resume(job *j, const tg_exchange *x)
{
    trained t;
    begin_training(&t, x, &j->how);
    load(&t);
    for (int step = 0; step < 3; step++)
        TG_SCOPE (t.tg) step_training(&t, &j->how);
    tg_state_agree(state_of(&t), x);
    j->of[x->rank].hash = hash_parameters(1, &t);
    end_rank(j, x, &t);
}

static void a_run_goes_on_from_a_checkpoint_on_other_ranks(void **state)
{
    (void)state;
    const training how = {BY_ADAM, 1, 300, 16, 40, true, 6, NULL};
    job *j = shared_memory(sizeof *j);
    trained t;
    begin_training(&t, NULL, &how);
    for (int step = 0; step < 6; step++)
        TG_SCOPE (t.tg) step_training(&t, &how);
    const uint64_t hash = hash_parameters(1, &t);
    tg_close(t.tg);
    *j = (job){.how = how, .f = train_and_save};
    ranks_in_processes(2, run_job, j);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        *j = (job){.how = how, .f = resume};
        ranks_on_threads(sizes[i], run_job, j);
        for (int r = 0; r < sizes[i]; r++) {
            assert_string_equal(j->of[r].error, "");
            assert_true(j->of[r].hash == hash);
        }
    }
    remove("ranks.safetensors");
    free_shared_memory(j, sizeof *j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_has_one_hash_on_any_number_of_ranks),
        cmocka_unit_test(ranks_with_different_levels_and_threads_have_one_hash),
        cmocka_unit_test(ranks_without_rows_take_part),
        cmocka_unit_test(ranks_read_their_shares_of_a_source),
        cmocka_unit_test(a_function_that_fails_on_one_rank_fails_on_all),
        cmocka_unit_test(ranks_with_other_parameters_are_an_error),
        cmocka_unit_test(an_error_that_is_pending_on_one_rank_is_an_error_on_all),
        cmocka_unit_test(ranks_in_different_calls_are_an_error),
        cmocka_unit_test(other_data_on_one_rank_alone_are_an_error),
        cmocka_unit_test(a_rank_with_a_part_of_a_block_is_an_error),
        cmocka_unit_test(ranks_that_all_have_no_rows_are_an_error),
        cmocka_unit_test(values_of_two_forms_are_an_error),
        cmocka_unit_test(draws_from_different_streams_are_an_error),
        cmocka_unit_test(no_allocator_call_after_the_first_step),
        cmocka_unit_test(sums_without_elements_and_blocks_larger_than_the_data),
        cmocka_unit_test(a_message_cut_short_is_an_error_on_all_ranks),
        cmocka_unit_test(a_rank_that_dies_is_an_error_on_the_others),
        cmocka_unit_test(a_rank_without_memory_is_an_error_on_all_and_the_next_call_works),
        cmocka_unit_test(a_run_goes_on_from_a_checkpoint_on_other_ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
