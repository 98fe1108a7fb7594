/* Rows that are read block by block: results have the bits of the same rows in tensors, and what is
 * wrong with a source or a file is an error that changes nothing. */
#define _DEFAULT_SOURCE 1
#include "check.h"
#include "guarded.h"
#include "sanitizer.h"

#ifndef _WIN32
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#endif

#include "io/convert.h"

static const char x_path[] = "test_row_sources_x.tmp", y_path[] = "test_row_sources_y.tmp";
static const char *const both_paths[] = {x_path, y_path};

static void remove_files(void)
{
    remove(x_path);
    remove(y_path);
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_true(file && fwrite(bytes, 1, n, file) == n && !fclose(file));
}

/* ---- The same bits. */

enum { IN = 5 };

typedef struct stage {
    tg_context *tg;
    tg_tensor *X, *y;
    tg_module *net;
} stage;

static stage make_stage(tg_context *tg, int64_t rows)
{
    tg_manual_seed(tg, 3);
    stage s = {.tg = tg};
    s.X = tg_randn(tg, TG_F32, TG_SHAPE(rows, IN));
    s.y = tg_randn(tg, TG_F32, TG_SHAPE(rows, 1));
    tg_module *first = tg_linear(tg, IN, 7, TG_BIAS), *last = tg_linear(tg, 7, 1, TG_BIAS);
    s.net = tg_sequential(TG_MODULES(first, tg_lambda(tg, tg_tanh), last));
    return s;
}

static tg_tensor *squared_error(const tg_block *b, void *user)
{
    (void)user;
    return tg_mse_loss(tg_forward(b->module, b->data.items[0]), b->data.items[1], TG_SUM);
}

static const char *copy_rows(void *user, int64_t first, int64_t n, void *const *out)
{
    const stage *s = user;
    memcpy(out[0], (const float *)s->X->data + first * IN, (size_t)n * IN * sizeof(float));
    memcpy(out[1], (const float *)s->y->data + first, (size_t)n * sizeof(float));
    return NULL;
}

static tg_rows *rows_from_function(stage *s, const tg_rows_options *o)
{
    const tg_row_type types[] = {{TG_F32, TG_SHAPE(IN)}, {TG_F32, TG_SHAPE(1)}};
    const tg_row_source from = {s->X->shape[0], 2, types, copy_rows, s};
    return tg_rows_from_source(s->tg, &from, o);
}

static tg_rows *rows_from_npy(stage *s, const tg_rows_options *o)
{
    assert_true(tg_save_npy(s->X, x_path, NULL) && tg_save_npy(s->y, y_path, NULL));
    return tg_rows_from_npy(s->tg, 2, both_paths, o);
}

static tg_rows *rows_from_raw(stage *s, const tg_rows_options *o)
{
    static const char begin[11] = "to be left";
    const tg_raw_rows files[] = {{x_path, TG_STORED_F32, TG_SHAPE(IN), sizeof begin},
                                 {y_path, TG_STORED_F32, TG_SHAPE(1), 0}};
    FILE *file = fopen(x_path, "wb");
    const size_t n = (size_t)s->X->numel;
    if (tg__is_big_endian()) tg__swap_bytes(s->X->data, sizeof(float), s->X->numel);
    if (tg__is_big_endian()) tg__swap_bytes(s->y->data, sizeof(float), s->y->numel);
    assert_true(file && fwrite(begin, 1, sizeof begin, file) == sizeof begin);
    assert_true(fwrite(s->X->data, sizeof(float), n, file) == n && !fclose(file));
    write_file(y_path, s->y->data, (size_t)s->y->numel * sizeof(float));
    if (tg__is_big_endian()) tg__swap_bytes(s->X->data, sizeof(float), s->X->numel);
    if (tg__is_big_endian()) tg__swap_bytes(s->y->data, sizeof(float), s->y->numel);
    return tg_rows_from_raw(s->tg, 2, files, o);
}

/* The loss and all gradients. */
typedef struct outcome {
    double loss;
    float grads[64];
} outcome;

static outcome run(const stage *s, tg_rows *rows)
{
    outcome o = {0};
    int64_t at = 0;
    tg_tensor *loss = tg_backward_rows(rows, squared_error, NULL);
    check_ok(s->tg);
    o.loss = tg_item(loss);
    for (int i = 0; i < tg_parameters(s->net).n; i++) {
        tg_tensor *p = tg_parameters(s->net).items[i];
        assert_true(tg_copy_to_f32(p->grad, o.grads + at) && tg_clear_grad(p));
        at += p->numel;
    }
    return o;
}

typedef tg_rows *way(stage *s, const tg_rows_options *o);
static way *const ways[] = {rows_from_function, rows_from_npy, rows_from_raw};

static void check_same_bits(stage *s, const tg_rows_options *o)
{
    const outcome want = run(s, tg_rows_new(TG_LIST(s->X, s->y), o));
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        TG_SCOPE (s->tg) {
            tg_rows *rows = ways[i](s, o);
            check_ok(s->tg);
            assert_int_equal(tg_rows_count(rows), s->X->shape[0]);
            for (int pass = 0; pass < 2; pass++) {
                const outcome got = run(s, rows);
                assert_memory_equal(&got, &want, sizeof want);
            }
        }
}

static void test_sources_give_the_bits_of_tensors(void **state)
{
    (void)state;
    static const int64_t rows[] = {1, 64, 1000, 20000}, block_rows[] = {0, 1, 7, 4096};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tg_context *tg = tg_open(NULL);
        stage s = make_stage(tg, rows[i]);
        for (size_t j = 0; j < sizeof block_rows / sizeof *block_rows; j++)
            for (int threads = 1; threads <= 3; threads++) {
                if (rows[i] > 1000 && block_rows[j] == 1) continue;
                if (!tg_set_num_threads(tg, threads)) tg_clear_error(tg); /* the system has none */
                TG_SCOPE (tg)
                    check_same_bits(&s, TG_ROWS(.module = s.net, .block_rows = block_rows[j]));
            }
        check_ok(tg);
        tg_close(tg);
    }
    remove_files();
}

static tg_tensor *outputs(const tg_block *b, void *user)
{
    (void)user;
    return tg_forward(b->module, b->data.items[0]);
}

/* Predictions are those of all rows at once. */
static void test_rows_of_sources_are_mapped(void **state)
{
    tg_context *tg = *state;
    stage s = make_stage(tg, 1000);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        tg_rows *rows = ways[i](&s, TG_ROWS(.module = s.net, .block_rows = 64));
        tg_tensor *got = tg_map_rows(rows, outputs, NULL), *want = tg_forward(s.net, s.X);
        check_ok(tg);
        assert_int_equal(got->numel, want->numel);
        assert_memory_equal(got->data, want->data, (size_t)want->numel * sizeof(float));
        assert_false(tg_rows_set_data(rows, TG_LIST(s.X, s.y)));
        check_error(tg, TG_ERR_ARGUMENT,
                    "rows_set_data: the rows come from a source, in whose place no tensors can be "
                    "put");
    }
}

/* ---- Elements of other types. */

static tg_tensor *column_sums(const tg_block *b, void *user)
{
    (void)user;
    return tg_sum_dims(b->data.items[0], TG_DIMS(0), false);
}

static tg_tensor *count_true(const tg_block *b, void *user)
{
    (void)user;
    return tg_sum(tg_cast(b->data.items[0], TG_I64));
}

/* The sums of the columns (0, 1, ... 99) and (100, 101, ... 199), saved in each type. */
static void test_types_are_converted(void **state)
{
    tg_context *tg = *state;
    static const struct {
        tg_dtype dtype, as;
        tg_save_options how;
    } cases[] = {
        {TG_F32, TG_F32, {TG_STORED_F16, TG_STORED_AS_THEY_ARE}},
        {TG_F32, TG_F64, {TG_STORED_F64, TG_STORED_AS_THEY_ARE}},
        {TG_I64, TG_I64, {TG_STORED_AS_THEY_ARE, TG_STORED_U8}},
        {TG_I64, TG_I64, {TG_STORED_AS_THEY_ARE, TG_STORED_I16}},
        {TG_I64, TG_I64, {TG_STORED_AS_THEY_ARE, TG_STORED_I32}},
        {TG_I64, TG_I64, {TG_STORED_AS_THEY_ARE, TG_STORED_U64}},
        {TG_I64, TG_I64, {TG_STORED_AS_THEY_ARE, TG_STORED_I64}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        TG_SCOPE (tg) {
            tg_tensor *t = tg_reshape(tg_arange(tg, cases[i].dtype, 0, 200, 1), TG_SHAPE(2, 100));
            assert_true(tg_save_npy(tg_contiguous(tg_t(t)), x_path, &cases[i].how));
            tg_rows *rows = tg_rows_from_npy(tg, 1, both_paths, TG_ROWS(.block_rows = 7));
            tg_tensor *sums = tg_sum_rows(rows, column_sums, NULL);
            check_ok(tg);
            assert_int_equal(sums->dtype, cases[i].as);
            check_values(sums, 4950, 14950);
        }
}

static void write_npy(const char *path, const char *header, const void *elements, size_t n)
{
    char bytes[512] = "\x93NUMPY\1";
    bytes[8] = (char)strlen(header);
    strcpy(bytes + 10, header);
    memcpy(bytes + 10 + strlen(header), elements, n);
    write_file(path, bytes, 10 + strlen(header) + n);
}

static void test_byte_order_and_bools(void **state)
{
    tg_context *tg = *state;
    const unsigned char big[] = {0, 1, 2, 0, 0xff, 0xff}, flags[] = {1, 0, 255, 2, 0};
    write_npy(x_path, "{'descr': '>i2', 'fortran_order': True, 'shape': (3,)}", big, sizeof big);
    tg_rows *rows = tg_rows_from_npy(tg, 1, both_paths, TG_ROWS(.block_rows = 2));
    check_values(tg_sum_rows(rows, column_sums, NULL), 1 + 512 - 1);
    write_npy(x_path, "{'descr': '|b1', 'fortran_order': False, 'shape': (5,)}", flags,
              sizeof flags);
    rows = tg_rows_from_npy(tg, 1, both_paths, TG_ROWS(.block_rows = 2));
    check_values(tg_sum_rows(rows, count_true, NULL), 3);
    check_ok(tg);
}

static void test_an_element_that_does_not_fit(void **state)
{
    tg_context *tg = *state;
    unsigned char elements[5][8] = {{0}};
    elements[3][7] = 0x80;
    write_npy(x_path, "{'descr': '<u8', 'fortran_order': False, 'shape': (5,)}", elements,
              sizeof elements);
    tg_rows *rows = tg_rows_from_npy(tg, 1, both_paths, TG_ROWS(.block_rows = 2));
    assert_null(tg_sum_rows(rows, column_sums, NULL));
    check_error(tg, TG_ERR_IO,
                "sum_rows: rows 2 to 3: test_row_sources_x.tmp: element 3, of type uint64, is no "
                "int64");
}

/* ---- Files that cannot be read. */

static void check_refused(tg_context *tg, const char *header, size_t n, tg_status code,
                          const char *message)
{
    static const char zeros[256];
    write_npy(x_path, header, zeros, n);
    assert_null(tg_rows_from_npy(tg, 1, both_paths, NULL));
    check_error(tg, code, message);
}

static void test_npy_files_that_are_refused(void **state)
{
    tg_context *tg = *state;
    assert_null(tg_rows_from_npy(tg, 1, both_paths, NULL));
    check_error(tg, TG_ERR_IO, "rows_from_npy: test_row_sources_x.tmp: No such file or directory");
    check_refused(tg, "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2)}", 24, TG_ERR_IO,
                  "rows_from_npy: test_row_sources_x.tmp: it is in Fortran order, in which a row "
                  "does not lie together: numpy.ascontiguousarray makes C order");
    check_refused(tg, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2)}", 0, TG_ERR_SHAPE,
                  "rows_from_npy: test_row_sources_x.tmp: it has no rows");
    check_refused(tg, "{'descr': '<f4', 'fortran_order': False, 'shape': ()}", 4, TG_ERR_SHAPE,
                  "rows_from_npy: test_row_sources_x.tmp: [] has no rows");
    check_refused(tg, "{'descr': '<U4', 'fortran_order': False, 'shape': (2,)}", 32, TG_ERR_DTYPE,
                  "rows_from_npy: test_row_sources_x.tmp: elements of type '<U4' (texts) cannot be "
                  "read");
    check_refused(tg, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2)}", 20, TG_ERR_IO,
                  "rows_from_npy: test_row_sources_x.tmp: [3, 2] of float32 needs 24 bytes of "
                  "elements, and there are 20");
    write_file(x_path, "\x93NUMPY\1\0\x76\0{'descr':", 19);
    assert_null(tg_rows_from_npy(tg, 1, both_paths, NULL));
    check_error(tg, TG_ERR_IO,
                "rows_from_npy: test_row_sources_x.tmp: it ends after 19 bytes, where byte 128 is "
                "needed");
    const char *const no_path[] = {NULL};
    assert_null(tg_rows_from_npy(tg, 1, no_path, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "rows_from_npy: the path is NULL");
    assert_null(tg_rows_from_npy(tg, 0, both_paths, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "rows_from_npy: no file is given");
}

static void test_files_with_different_numbers_of_rows(void **state)
{
    tg_context *tg = *state;
    assert_true(tg_save_npy(tg_zeros(tg, TG_F32, TG_SHAPE(5, 2)), x_path, NULL));
    assert_true(tg_save_npy(tg_zeros(tg, TG_F32, TG_SHAPE(4, 2)), y_path, NULL));
    assert_null(tg_rows_from_npy(tg, 2, both_paths, NULL));
    check_error(tg, TG_ERR_SHAPE,
                "rows_from_npy: test_row_sources_y.tmp: it has 4 rows, and test_row_sources_x.tmp "
                "has 5");
}

static void test_raw_files_that_are_refused(void **state)
{
    tg_context *tg = *state;
    static const int64_t zero[] = {0}, large[] = {INT64_MAX, 3};
    static const struct {
        tg_raw_rows rows;
        tg_status code;
        const char *message;
    } cases[] = {
        {{x_path, TG_STORED_F32, {0, NULL}, 0},
         TG_ERR_IO,
         "10 bytes are no whole number of rows of 4"},
        {{x_path, TG_STORED_F32, {0, NULL}, 11},
         TG_ERR_IO,
         "it has 10 bytes, and its rows begin at byte 11"},
        {{x_path, TG_STORED_F32, {0, NULL}, 10}, TG_ERR_SHAPE, "it has no rows"},
        {{x_path, TG_STORED_AS_THEY_ARE, {0, NULL}, 0},
         TG_ERR_ARGUMENT,
         "there is no type 0 of elements; TG_STORED_F32 is one"},
        {{x_path, (tg_stored)14, {0, NULL}, 0},
         TG_ERR_ARGUMENT,
         "there is no type 14 of elements; TG_STORED_F32 is one"},
        {{x_path, TG_STORED_U8, {1, NULL}, 0},
         TG_ERR_SHAPE,
         "a row has 1 dimensions; 0 to 7 are allowed, with their sizes"},
        {{x_path, TG_STORED_U8, {8, NULL}, 0},
         TG_ERR_SHAPE,
         "a row has 8 dimensions; 0 to 7 are allowed, with their sizes"},
        {{x_path, TG_STORED_U8, {1, zero}, 0}, TG_ERR_SHAPE, "size 0 of a row is not positive"},
        {{x_path, TG_STORED_U8, {2, large}, 0},
         TG_ERR_IO,
         "10 bytes are no whole number of rows of 9223372036854775807"},
    };
    write_file(x_path, "0123456789", 10);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char message[200];
        snprintf(message, sizeof message, "rows_from_raw: %s: %s", x_path, cases[i].message);
        assert_null(tg_rows_from_raw(tg, 1, &cases[i].rows, NULL));
        check_error(tg, cases[i].code, message);
    }
}

/* ---- Sources that cannot be used, or that fail. */

static void test_sources_that_are_refused(void **state)
{
    tg_context *tg = *state;
    static const int64_t sizes[] = {INT64_MAX, 2, -1};
    static const tg_row_type f32 = {TG_F32, {0, NULL}}, none = {(tg_dtype)9, {0, NULL}},
                             deep = {TG_F32, {8, sizes}}, large = {TG_F32, {2, sizes}},
                             negative = {TG_F32, {3, sizes}};
    static const struct {
        tg_row_source from;
        tg_status code;
        const char *message;
    } cases[] = {
        {{1, 1, &f32, NULL, NULL}, TG_ERR_ARGUMENT, "the source has no function read"},
        {{1, 0, &f32, copy_rows, NULL}, TG_ERR_ARGUMENT, "the source has no tensors"},
        {{1, 1, NULL, copy_rows, NULL}, TG_ERR_ARGUMENT, "the source has no tensors"},
        {{0, 1, &f32, copy_rows, NULL}, TG_ERR_SHAPE, "the source has 0 rows"},
        {{-3, 1, &f32, copy_rows, NULL}, TG_ERR_SHAPE, "the source has -3 rows"},
        {{1, 1, &none, copy_rows, NULL}, TG_ERR_DTYPE, "tensor 1: there is no dtype 9"},
        {{1, 1, &deep, copy_rows, NULL},
         TG_ERR_SHAPE,
         "tensor 1: a row has 8 dimensions; 0 to 7 are allowed, with their sizes"},
        {{1, 1, &negative, copy_rows, NULL},
         TG_ERR_SHAPE,
         "tensor 1: size -1 of a row is negative"},
        {{1, 1, &large, copy_rows, NULL},
         TG_ERR_SHAPE,
         "tensor 1: a row has more elements than memory can hold"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char message[200];
        snprintf(message, sizeof message, "rows_from_source: %s", cases[i].message);
        assert_null(tg_rows_from_source(tg, &cases[i].from, NULL));
        check_error(tg, cases[i].code, message);
    }
    assert_null(tg_rows_from_source(tg, NULL, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "rows_from_source: the source is NULL");
    assert_null(tg_rows_from_source(tg, &(tg_row_source){1, 1, &f32, copy_rows, NULL},
                                    TG_ROWS(.block_rows = -1)));
    check_error(tg, TG_ERR_ARGUMENT, "rows_from_source: block_rows -1 is negative");
}

/* A source of ones that fails at a row; -1: at none. */
static const char *read_ones(void *user, int64_t first, int64_t n, void *const *out)
{
    const int64_t *fails_at = user;
    if (*fails_at >= first && *fails_at < first + n) return "the connection is closed";
    for (int64_t i = 0; i < n; i++) ((float *)out[0])[i] = 1;
    return NULL;
}

static tg_tensor *weighted(const tg_block *b, void *user)
{
    const int64_t *fails_at = user;
    if (fails_at && *fails_at >= b->first && *fails_at < b->first + b->n) return NULL;
    return tg_sum(tg_mul(b->data.items[0], b->tensors.items[0]));
}

/* Whatever fails, no grad changes, and the rows can be used again. */
static void test_a_call_that_fails_changes_nothing(void **state)
{
    tg_context *tg = *state;
    for (int threads = 1; threads <= 3; threads++)
        TG_SCOPE (tg) {
            int64_t fails_at = 17, function_fails_at = 30;
            const tg_row_type type = {TG_F32, {0, NULL}};
            tg_tensor *w = tg_requires_grad_(tg_scalar(tg, TG_F32, 2), true);
            tg_rows *rows =
                tg_rows_from_source(tg, &(tg_row_source){100, 1, &type, read_ones, &fails_at},
                                    TG_ROWS(.tensors = TG_LIST(w), .block_rows = 4));
            if (!tg_set_num_threads(tg, threads)) tg_clear_error(tg);
            assert_null(tg_backward_rows(rows, weighted, NULL));
            check_error(tg, TG_ERR_IO, "backward_rows: rows 16 to 19: the connection is closed");
            assert_null(w->grad);
            fails_at = -1;
            assert_null(tg_backward_rows(rows, weighted, &function_fails_at));
            check_error(tg, TG_ERR_ARGUMENT,
                        "backward_rows: rows 28 to 31: the function returned NULL");
            fails_at = 99;
            assert_null(tg_backward_rows(rows, weighted, &function_fails_at));
            check_error(tg, TG_ERR_ARGUMENT,
                        "backward_rows: rows 28 to 31: the function returned NULL");
            assert_null(w->grad);
            fails_at = -1;
            check_values(tg_backward_rows(rows, weighted, NULL), 200);
            check_values(w->grad, 100);
        }
}

/* The rows are read-only, like those of tensors. */
static tg_tensor *write_to_rows(const tg_block *b, void *user)
{
    (void)user;
    return tg_fill_(b->data.items[0], 3);
}

static void test_a_function_cannot_write_to_the_rows(void **state)
{
    tg_context *tg = *state;
    int64_t none = -1;
    const tg_row_type type = {TG_F32, {0, NULL}};
    tg_rows *rows = tg_rows_from_source(tg, &(tg_row_source){3, 1, &type, read_ones, &none}, NULL);
    assert_null(tg_sum_rows(rows, write_to_rows, NULL));
    check_error(tg, TG_ERR_ARGUMENT,
                "sum_rows: rows 0 to 2: fill_: the tensor [3] is const memory and read-only");
}

#ifndef _WIN32
/* The file is larger than the system reads ahead in the first block. */
static void test_a_file_becomes_shorter_while_it_is_read(void **state)
{
    enum { ROWS = 1000, SHORT = 612 };
    tg_context *tg = *state;
    assert_true(tg_save_npy(tg_ones(tg, TG_F64, TG_SHAPE(ROWS, 2)), x_path, NULL));
    tg_rows *rows = tg_rows_from_npy(tg, 1, both_paths, TG_ROWS(.block_rows = 100));
    check_values(tg_sum_rows(rows, column_sums, NULL), ROWS, ROWS);
    assert_int_equal(truncate(x_path, 128 + SHORT * 2 * (long)sizeof(double)), 0);
    assert_null(tg_sum_rows(rows, column_sums, NULL));
    check_error(tg, TG_ERR_IO,
                "sum_rows: rows 600 to 699: test_row_sources_x.tmp: the file became shorter while "
                "it was read");
    assert_int_equal(truncate(x_path, 128 + ROWS * 2 * (long)sizeof(double)), 0);
    check_values(tg_sum_rows(rows, column_sums, NULL), SHORT, SHORT); /* of ones, then of zeros */
    check_ok(tg);
}
#endif

/* ---- Memory. */

enum { WIDE = 64 };

static const char *read_wide_rows(void *user, int64_t first, int64_t n, void *const *out)
{
    (void)user;
    for (int64_t i = 0; i < n * WIDE; i++) ((float *)out[0])[i] = (float)(first % 3);
    return NULL;
}

/* The allocator is not called after the first call, and memory does not grow with the rows, but for
 * the nodes of a few more levels of the tree. */
static void test_memory_does_not_grow(void **state)
{
    (void)state;
    size_t held[2] = {0};
    for (int i = 0; i < 2; i++) {
        tg_context *tg = tg_open(NULL);
        const tg_row_type type = {TG_F32, TG_SHAPE(WIDE)};
        const tg_row_source from = {i ? 400000 : 40000, 1, &type, read_wide_rows, NULL};
        tg_rows *rows = tg_rows_from_source(tg, &from, NULL);
        for (int pass = 0; pass < 3; pass++) {
            const uint64_t calls = tg_get_stats(tg).allocator_calls;
            TG_SCOPE (tg) assert_non_null(tg_sum_rows(rows, column_sums, NULL));
#ifdef UNDER_ASAN /* which gives every tensor memory of its own */
            (void)calls;
#else
            assert_true(pass == 0 || tg_get_stats(tg).allocator_calls == calls);
#endif
        }
        held[i] = tg_get_stats(tg).held_bytes;
        check_ok(tg);
        tg_close(tg);
    }
    assert_true(held[1] < held[0] + 10000);
    assert_true(held[1] < (size_t)8 << 20);
}

#ifdef __linux__
enum { COLUMNS = 16 };

static tg_tensor *product(const tg_block *b, void *user)
{
    (void)user;
    return tg_sum(tg_matmul(b->data.items[0], b->tensors.items[0]));
}
#endif

#if defined(__linux__) && !defined(UNDER_ASAN) && !defined(UNDER_TSAN)
/* How many bytes of addresses this process uses. */
static size_t address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_true(file && fscanf(file, "%lu", &pages) == 1 && !fclose(file));
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

enum { MANY = 1 << 21 }; /* 128 MB in all */

/* Makes a file of zeros, in which every 2^17th row has ones. */
static void make_large_file(void)
{
    float row[COLUMNS];
    FILE *file = fopen(x_path, "wb");
    for (int i = 0; i < COLUMNS; i++) row[i] = 1;
    for (long k = 0; k < MANY; k += 1 << 17)
        assert_true(file && !fseek(file, k * (long)sizeof row, SEEK_SET) &&
                    fwrite(row, sizeof row, 1, file) == 1);
    assert_true(!fclose(file) && !truncate(x_path, MANY * (long)sizeof row));
}

/* Trains on the file in 24 MB, in which the whole file cannot be loaded. */
static bool train_in_little_memory(void)
{
    const size_t cap = address_space() + ((size_t)24 << 20);
    if (setrlimit(RLIMIT_AS, &(struct rlimit){cap, cap})) return false;
    tg_context *tg = tg_open(NULL);
    const tg_raw_rows file = {x_path, TG_STORED_F32, TG_SHAPE(COLUMNS), 0};
    tg_tensor *w = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(COLUMNS)), true);
    if (tg_zeros(tg, TG_F32, TG_SHAPE(MANY, COLUMNS)) || tg_error_code(tg) != TG_ERR_MEMORY)
        return false;
    tg_clear_error(tg);
    tg_rows *rows = tg_rows_from_raw(tg, 1, &file, TG_ROWS(.tensors = TG_LIST(w)));
    tg_tensor *loss = tg_backward_rows(rows, product, NULL);
    bool right = loss && tg_item(loss) == 16 * COLUMNS;
    for (int i = 0; right && i < COLUMNS; i++) right = element_of(w->grad, i) == 16;
    if (!right) print_error("%s\n", tg_error(tg));
    tg_close(tg);
    return right;
}

static void test_a_file_larger_than_memory(void **state)
{
    (void)state;
    if (getenv("TG_TEST_QUICK")) {
        print_message("TG_TEST_QUICK: valgrind needs addresses of its own\n");
        skip();
    }
    make_large_file();
    const pid_t child = fork();
    if (child == 0) end_child(train_in_little_memory());
    int status = 0;
    assert_true(waitpid(child, &status, 0) == child);
    remove_files();
    assert_int_equal(status, 0);
}
#endif

#ifdef __linux__
/* Writes so many rows of whole numbers between -8 and 7. */
static void write_rows(int64_t rows)
{
    static float some[1024 * COLUMNS];
    FILE *file = fopen(x_path, "wb");
    for (int i = 0; i < 1024 * COLUMNS; i++) some[i] = (float)(i * 7 % 16 - 8);
    for (int64_t k = 0; k < rows; k += 1024)
        assert_true(file && fwrite(some, sizeof some, 1, file) == 1);
    assert_int_equal(fclose(file), 0);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The time of reading the file and doing nothing with it, as cat does. */
static double time_of_reading(bool cold)
{
    static char some[1 << 20];
    const int file = open(x_path, O_RDONLY);
    fdatasync(file);
    if (cold) posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    const double begin = seconds();
    while (read(file, some, sizeof some) > 0) continue;
    const double end = seconds();
    if (cold) posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    close(file);
    return end - begin;
}

/* TG_TEST_GB=20 makes a file of 20 GB, trains on it, and prints how long that and reading take. */
static void test_training_on_gigabytes(void **state)
{
    const char *gigabytes = getenv("TG_TEST_GB");
    if (!gigabytes) {
        print_message("TG_TEST_GB is not set: no large file is read\n");
        skip();
    }
    tg_context *tg = *state;
    struct rusage used;
    write_rows(atol(gigabytes) * 1000000000 / (COLUMNS * 4));
    const tg_raw_rows file = {x_path, TG_STORED_F32, TG_SHAPE(COLUMNS), 0};
    tg_tensor *w = tg_requires_grad_(tg_ones(tg, TG_F32, TG_SHAPE(COLUMNS)), true);
    tg_rows *rows = tg_rows_from_raw(tg, 1, &file, TG_ROWS(.tensors = TG_LIST(w)));
    for (int cold = 1; cold >= 0; cold--)
        for (int threads = 1; threads <= 2; threads++) {
            const double reading = time_of_reading(cold), begin = seconds();
            assert_true(tg_set_num_threads(tg, threads));
            assert_non_null(tg_backward_rows(rows, product, NULL));
            print_message("%s, %d threads: %.1f s, and %.1f s of reading\n",
                          cold ? "disk" : "page cache", threads, seconds() - begin, reading);
        }
    getrusage(RUSAGE_SELF, &used);
    assert_true(used.ru_maxrss < 1000000); /* KB */
}
#endif

/* Makes rows of two files and uses them, in a context of the allocator. */
static bool use_files(guarded *g)
{
    const tg_options o = guarded_options(g);
    tg_context *tg = tg_open(&o);
    if (!tg) return false;
    tg_rows *rows = tg_rows_from_npy(tg, 2, both_paths, TG_ROWS(.block_rows = 8));
    tg_tensor *sum = tg_sum_rows(rows, column_sums, NULL);
    const bool works = sum && tg_item(sum) == 50;
    assert_true(works || tg_error_code(tg) == TG_ERR_MEMORY);
    tg_close(tg);
    return works;
}

/* Nothing leaks, and no file stays open. */
static void test_each_allocation_fails_in_turn(void **state)
{
    tg_context *tg = *state;
    for (int i = 0; i < 2; i++)
        assert_true(tg_save_npy(tg_ones(tg, TG_F32, TG_SHAPE(50)), both_paths[i], NULL));
    for (long fail_at = 1; fail_at < 100; fail_at++) {
        guarded g = {.fail_at = fail_at};
        const bool works = use_files(&g);
        assert_true(g.blocks == 0 && !g.damaged);
        if (g.failed == 0) {
            assert_true(works);
            remove_files();
            return;
        }
    }
    fail_msg("the program has more than 100 allocations");
}

/* Windows removes no file that is open. */
static int close_and_remove(void **state)
{
    const int failed = close_context(state);
    remove_files();
    return failed;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_context, close_and_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources_give_the_bits_of_tensors),
        TEST(test_rows_of_sources_are_mapped),
        TEST(test_types_are_converted),
        TEST(test_byte_order_and_bools),
        TEST(test_an_element_that_does_not_fit),
        TEST(test_npy_files_that_are_refused),
        TEST(test_files_with_different_numbers_of_rows),
        TEST(test_raw_files_that_are_refused),
        TEST(test_sources_that_are_refused),
        TEST(test_a_call_that_fails_changes_nothing),
        TEST(test_a_function_cannot_write_to_the_rows),
#ifndef _WIN32
        TEST(test_a_file_becomes_shorter_while_it_is_read),
#endif
        cmocka_unit_test(test_memory_does_not_grow),
#if defined(__linux__) && !defined(UNDER_ASAN) && !defined(UNDER_TSAN)
        cmocka_unit_test(test_a_file_larger_than_memory),
#endif
#ifdef __linux__
        TEST(test_training_on_gigabytes),
#endif
        TEST(test_each_allocation_fails_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
