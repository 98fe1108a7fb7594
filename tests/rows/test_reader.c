/* Reading blocks ahead, src/rows/reader.h. */
#define _DEFAULT_SOURCE 1
#include "check.h"

#include "context/threads.h"
#include "rows/reader.h"

#ifdef TG_THREADS
#include <sched.h>
#endif

/* A source whose rows are (number, -number), and the calls that it has got. */
typedef struct counting {
    int64_t fails_at; /* the row at which reading fails; -1: none */
    int64_t next;     /* the row that must be asked for next */
    int64_t calls;
    int64_t block_rows;
#ifdef TG_THREADS
    atomic_llong done; /* how many blocks were read */
#endif
} counting;

static const char *read_numbers(void *user, int64_t first, int64_t n, void *const *out)
{
    counting *c = user;
    if (first != c->next || n < 1 || n > c->block_rows)
        return "the rows are not asked for in order";
    if (c->fails_at >= first && c->fails_at < first + n) return "it ends here";
    for (int64_t i = 0; i < n; i++) {
        ((int64_t *)out[0])[i] = first + i;
        ((float *)out[1])[2 * i] = (float)(first + i);
        ((float *)out[1])[2 * i + 1] = (float)-(first + i);
    }
    c->next = first + n;
    c->calls++;
#ifdef TG_THREADS
    atomic_fetch_add(&c->done, 1);
#endif
    return NULL;
}

static tg_row_source source_of(counting *c, tg_row_type types[2], int64_t rows)
{
    static const int64_t two[] = {2};
    types[0] = (tg_row_type){TG_I64, {0, NULL}};
    types[1] = (tg_row_type){TG_F32, {1, two}};
    return (tg_row_source){rows, 2, types, read_numbers, c};
}

/* The sum of the numbers in block k, which must be the right ones. */
static int64_t sum_block(const reader *r, int64_t k)
{
    const int64_t first = k * r->block_rows, rest = r->rows - first;
    const int64_t *number = tg__block_rows(r, k, 0);
    const float *pair = tg__block_rows(r, k, 1);
    int64_t sum = 0;
    for (int64_t i = 0; i < rest && i < r->block_rows; i++) {
        const int64_t expected = r->first_row + first + i;
        if (number[i] != expected || pair[2 * i] != (float)expected ||
            pair[2 * i + 1] != (float)-expected)
            return -1;
        sum += expected;
    }
    return sum;
}

static void check_whole(tg_context *tg, int64_t rows, int64_t block_rows, int threads)
{
    counting c = {.fails_at = -1, .block_rows = block_rows};
    tg_row_type types[2];
    const tg_row_source source = source_of(&c, types, rows);
    reader *r = tg__make_reader(tg, &source);
    for (int pass = 0; pass < 2; pass++) {
        int64_t sum = 0;
        c.next = c.calls = 0;
        assert_true(tg__begin_reading(r, 0, rows, block_rows, threads));
        for (int64_t k = 0; k < r->blocks; k++) {
            assert_null(tg__await_block(r, k));
            sum += sum_block(r, k);
            tg__leave_block(r, k);
        }
        tg__end_reading(r);
        assert_int_equal(sum, rows * (rows - 1) / 2);
        assert_int_equal(c.calls, (rows + block_rows - 1) / block_rows);
    }
}

static void test_every_row_is_read_once_and_in_order(void **state)
{
    tg_context *tg = *state;
    static const int64_t rows[] = {1, 2, 7, 64, 1000}, block_rows[] = {1, 3, 64, 5000};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t j = 0; j < sizeof block_rows / sizeof *block_rows; j++)
            for (int threads = 1; threads < 4; threads++)
                TG_SCOPE (tg) check_whole(tg, rows[i], block_rows[j], threads);
}

/* Blocks of 200,000 bytes go through a ring of 3 MB many times. */
static void test_a_ring_is_used_again(void **state)
{
    check_whole(*state, 1000000, 12500, 1);
    assert_true(tg_get_stats(*state).peak_bytes < (size_t)4 << 20);
}

/* What threads share that sum up blocks. */
typedef struct summing {
    reader *r;
    int64_t *sums; /* of each block; -2: it could not be read */
} summing;

static void sum_blocks_of(void *work, int64_t from, int64_t to)
{
    summing *s = work;
    for (int64_t k = from; k < to; k++) {
        s->sums[k] = -2;
        if (tg__await_block(s->r, k)) continue;
        s->sums[k] = sum_block(s->r, k);
        tg__leave_block(s->r, k);
    }
}

static void test_threads_share_the_blocks(void **state)
{
    enum { ROWS = 300, MOST = 4 };
    static const int64_t large[] = {1 << 16}; /* a part holds three blocks */
    tg_context *tg = *state;
    for (int threads = 1; threads <= MOST; threads++) {
        static int64_t sums[ROWS];
        int64_t sum = 0;
        counting c = {.fails_at = -1, .block_rows = 1};
        tg_row_type types[2];
        const tg_row_source source = source_of(&c, types, ROWS);
        types[1].shape.dims = large;
        reader *r = tg__make_reader(tg, &source);
        if (!tg_set_num_threads(tg, threads)) break; /* the system has no threads */
        assert_true(tg__begin_reading(r, 0, ROWS, 1, threads));
        tg__split(tg, ROWS, 3, sum_blocks_of, &(summing){r, sums});
        tg__end_reading(r);
        for (int k = 0; k < ROWS; k++) sum += sums[k];
        assert_int_equal(sum, (int64_t)ROWS * (ROWS - 1) / 2);
    }
    tg_clear_error(tg);
}

#ifdef TG_THREADS
/* The next block is read while one is held, but no more than the ring holds. */
static void test_blocks_are_read_ahead(void **state)
{
    enum { ROWS = 100, THREADS = 2 };
    counting c = {.fails_at = -1, .block_rows = 1};
    tg_row_type types[2];
    static const int64_t large[] = {READER_PART_BYTES};
    tg_row_source source = source_of(&c, types, ROWS);
    types[1].shape.dims = large; /* a part is as many blocks as there are threads */
    reader *r = tg__make_reader(*state, &source);
    assert_true(tg__begin_reading(r, 0, ROWS, 1, THREADS));
    assert_int_equal(r->part_blocks, THREADS);
    for (int64_t k = 0; k < ROWS; k++) {
        assert_null(tg__await_block(r, k));
        while (atomic_load(&c.done) < (k + 2 < ROWS ? k + 2 : ROWS)) sched_yield();
        assert_true(atomic_load(&c.done) <= k + READER_PARTS * THREADS);
        tg__leave_block(r, k);
    }
    tg__end_reading(r);
}
#endif

static void test_a_failure_is_that_of_its_block(void **state)
{
    enum { ROWS = 50, BLOCK = 4, FAILS = 17 };
    counting c = {.fails_at = FAILS, .block_rows = BLOCK};
    tg_row_type types[2];
    const tg_row_source source = source_of(&c, types, ROWS);
    reader *r = tg__make_reader(*state, &source);
    assert_true(tg__begin_reading(r, 0, ROWS, BLOCK, 1));
    for (int64_t k = 0; k < r->blocks; k++) {
        const char *problem = tg__await_block(r, k);
        if (k < FAILS / BLOCK) {
            assert_null(problem);
            tg__leave_block(r, k);
        } else {
            assert_string_equal(problem, "it ends here");
        }
    }
    tg__end_reading(r);
    c.next = 0; /* the next call begins anew */
    c.fails_at = -1;
    assert_true(tg__begin_reading(r, 0, ROWS, BLOCK, 1));
    for (int64_t k = 0; k < r->blocks; k++) {
        assert_null(tg__await_block(r, k));
        tg__leave_block(r, k);
    }
    tg__end_reading(r);
}

/* Reading may end before all blocks were asked for. */
static void test_reading_may_end_early(void **state)
{
    counting c = {.fails_at = -1, .block_rows = 1};
    tg_row_type types[2];
    static const int64_t large[] = {1 << 16}; /* the ring holds fewer blocks than there are */
    const tg_row_source source = source_of(&c, types, 100);
    types[1].shape.dims = large;
    reader *r = tg__make_reader(*state, &source);
    assert_true(tg__begin_reading(r, 0, 100, 1, 1));
    assert_null(tg__await_block(r, 0));
    tg__stop_reading(r);
    assert_non_null(tg__await_block(r, 99));
    tg__end_reading(r);
    c.next = 0;
    assert_true(tg__begin_reading(r, 0, 100, 1, 1));
    tg__end_reading(r);
}

/* A process that reads a part of the rows asks for them by their numbers among all. */
static void test_a_part_of_the_rows(void **state)
{
    counting c = {.fails_at = -1, .block_rows = 4, .next = 40};
    tg_row_type types[2];
    const tg_row_source source = source_of(&c, types, 100);
    reader *r = tg__make_reader(*state, &source);
    assert_true(tg__begin_reading(r, 40, 10, 4, 1));
    int64_t sum = 0;
    for (int64_t k = 0; k < 3; k++) {
        assert_null(tg__await_block(r, k));
        sum += sum_block(r, k);
        tg__leave_block(r, k);
    }
    tg__end_reading(r);
    assert_int_equal(sum, 445);
}

static void test_a_block_larger_than_memory(void **state)
{
    counting c = {.fails_at = -1, .block_rows = 1};
    tg_row_type types[2];
    static const int64_t huge[] = {INT64_MAX / 4};
    tg_row_source source = source_of(&c, types, 3);
    types[1].shape.dims = huge;
    reader *r = tg__make_reader(*state, &source);
    assert_false(tg__begin_reading(r, 0, 3, 1, 1));
    assert_int_equal(tg_error_code(*state), TG_ERR_MEMORY);
    tg_clear_error(*state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_row_is_read_once_and_in_order),
        TEST(test_a_ring_is_used_again),
        TEST(test_threads_share_the_blocks),
#ifdef TG_THREADS
        TEST(test_blocks_are_read_ahead),
#endif
        TEST(test_a_failure_is_that_of_its_block),
        TEST(test_reading_may_end_early),
        TEST(test_a_part_of_the_rows),
        TEST(test_a_block_larger_than_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
