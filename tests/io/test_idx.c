/* Files of the IDX format. tests/golden/idx.py describes the golden file. */
#include "check.h"
#include "guarded.h"

enum { MOST = 1 << 12 };

typedef struct file {
    char title[32];
    int ndim;
    int64_t shape[TG_MAX_DIMS];
    char values[MOST];
    unsigned char bytes[MOST];
    size_t n;
} file;

/* Calls a function for each file of the golden data. */
static void for_each_file(tg_context *tg, void (*check)(tg_context *tg, const file *f))
{
    static char line[4 * MOST], shape[64], hex[2 * MOST];
    static file f;
    int files = 0;
    snprintf(line, sizeof line, "%s/tests/golden/idx_golden.txt", TEST_ROOT);
    FILE *golden = fopen(line, "r");
    assert_non_null(golden);
    for (; fgets(line, sizeof line, golden); files++) {
        assert_int_equal(sscanf(line, "%31s %63s %4095s %8191s", f.title, shape, f.values, hex), 4);
        f.ndim = 0;
        for (char *at = shape + 1; *at != ']'; at += *at == ',')
            f.shape[f.ndim++] = strtoll(at, &at, 10);
        unsigned byte;
        for (f.n = 0; sscanf(hex + 2 * f.n, "%2x", &byte) == 1; f.n++)
            f.bytes[f.n] = (unsigned char)byte;
        check(tg, &f);
    }
    fclose(golden);
    assert_true(files > 10);
}

static void check_file(tg_context *tg, const file *f)
{
    for (int dtype = TG_F32; dtype <= TG_I64; dtype++) {
        const bool floating = *f->title == 'f';
        if (floating && dtype == TG_I64) continue; /* no integers */
        if (!strcmp(f->title, "f8") && dtype == TG_F32) continue;
        tg_tensor *t = tg_read_idx(tg, f->bytes, f->n, (tg_dtype)dtype);
        check_ok(tg);
        assert_non_null(t);
        assert_int_equal(t->dtype, dtype);
        assert_int_equal(t->ndim, f->ndim);
        for (int i = 0; i < f->ndim; i++) assert_int_equal(t->shape[i], f->shape[i]);
        const char *at = f->values;
        for (int64_t i = 0; i < t->numel; i++) {
            char *end;
            const double value = strtod(at, &end);
            at = end + 1;
            if (element_of(t, i) != (dtype == TG_F32 ? (float)value : value))
                fail_msg("%s: element %lld", f->title, (long long)i);
        }
    }
}

static void test_files_have_the_values_of_numpy(void **state)
{
    for_each_file(*state, check_file);
}

static void test_a_file_is_loaded_by_its_path(void **state)
{
    tg_context *tg = *state;
    static const char path[] = TEST_ROOT "/tests/golden/labels.idx.gz";
    check_values(tg_load_idx(tg, path, TG_I64), 5, 0, 4);
    tg_zeros(tg, TG_F32, TG_SHAPE(-1));
    assert_null(tg_load_idx(tg, path, TG_I64)); /* an error is pending */
    tg_clear_error(tg);
    assert_null(tg_load_idx(tg, TEST_ROOT "/no/file", TG_I64));
    assert_non_null(strstr(tg_error(tg), "No such file or directory"));
    tg_clear_error(tg);
    assert_null(tg_load_idx(tg, NULL, TG_I64));
    check_error(tg, TG_ERR_ARGUMENT, "load_idx: the path is NULL");
    assert_null(tg_load_idx(NULL, path, TG_I64));
    assert_null(tg_read_idx(tg, NULL, 3, TG_I64));
    check_error(tg, TG_ERR_ARGUMENT, "read_idx: bytes is NULL");
    assert_null(tg_read_idx(NULL, "", 0, TG_I64));
}

static void check_refused(tg_context *tg, const char *bytes, size_t n, tg_dtype dtype,
                          const char *message)
{
    char text[200];
    snprintf(text, sizeof text, "read_idx: %s", message);
    assert_null(tg_read_idx(tg, bytes, n, dtype));
    assert_string_equal(tg_error(tg), text);
    tg_clear_error(tg);
}

static void test_what_is_wrong_is_named(void **state)
{
#define FILE_OF(text) (text), sizeof(text) - 1
    tg_context *tg = *state;
    static const char no_idx[] = "memory: it is no IDX file, which begins with 0, 0 and a type";
    check_refused(tg, FILE_OF(""), TG_F32, no_idx);
    check_refused(tg, FILE_OF("\0\0\10"), TG_F32, no_idx);
    check_refused(tg, FILE_OF("\0\1\10\0?"), TG_F32, no_idx);
    check_refused(tg, FILE_OF("\0\0\7\0?"), TG_F32, no_idx);
    check_refused(tg, FILE_OF("\0\0\10\11?"), TG_F32,
                  "memory: it has 9 dimensions; at most 8 are allowed");
    check_refused(tg, FILE_OF("\0\0\10\1\0\0\0"), TG_F32,
                  "memory: it ends after 7 bytes, where byte 8 is needed");
    check_refused(tg, FILE_OF("\0\0\10\1\0\0\0\3ab"), TG_F32,
                  "memory: [3] of uint8 needs 3 bytes of elements, and there are 2");
    check_refused(tg, FILE_OF("\0\0\10\1\0\0\0\1ab"), TG_F32,
                  "memory: [1] of uint8 needs 1 bytes of elements, and there are 2");
    check_refused(
        tg, FILE_OF("\0\0\10\3\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), TG_F32,
        "memory: [4294967295, 4294967295, 4294967295] of uint8 needs 9223372036854775807 bytes "
        "of elements, and there are 0");
    check_refused(
        tg, FILE_OF("\0\0\10\3\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"), TG_F32,
        "memory: [4294967295, 4294967295, 0] of uint8 needs 0 bytes of elements, and there are 0");
    check_refused(tg, FILE_OF("\0\0\15\0\x3f\0\0\0"), TG_I64,
                  "memory: element 0, of type float32, is no int64");
    check_refused(tg, FILE_OF("\0\0\10\1\0\0\0\2\1\2"), TG_BOOL,
                  "memory: element 1, of type uint8, is no bool");
    check_refused(tg, FILE_OF("\0\0\10\0\1"), (tg_dtype)9, "there is no dtype 9");
}

static void test_what_is_wrong_with_gzip_is_named(void **state)
{
    tg_context *tg = *state;
    check_refused(tg, FILE_OF("\x1f\x8b"), TG_F32, "memory: the file is cut");
    check_refused(tg, FILE_OF("\x1f\x8b\7\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\0\0"), TG_F32,
                  "memory: it is compressed in a way that gzip does not know");
    check_refused(tg, FILE_OF("\x1f\x8b\10\x20\0\0\0\0\0\0\3\0\0\0\0\0\0\0\0\0"), TG_F32,
                  "memory: it is compressed in a way that gzip does not know");
    check_refused(tg, FILE_OF("\x1f\x8b\10\4\0\0\0\0\0\0\xff\xff\0\0\0\0\0\0\0\0"), TG_F32,
                  "memory: the file is cut");
    check_refused(tg, FILE_OF("\x1f\x8b\10\0\0\0\0\0\0\0\3\0\0\0\0\0\xff\xff\xff\xff"), TG_F32,
                  "memory: the compressed data are too short for their size");
    check_refused(tg, FILE_OF("\x1f\x8b\10\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\0\0"), TG_F32,
                  "memory: it is no IDX file, which begins with 0, 0 and a type");
}

static void check_cut(tg_context *tg, const file *f)
{
    for (size_t n = 0; n < f->n; n++) {
        unsigned char *copy = malloc(n + 1); /* ASan notices a read beyond the end */
        memcpy(copy, f->bytes, n);
        assert_null(tg_read_idx(tg, copy, n, TG_F64));
        assert_int_equal(tg_error_code(tg), TG_ERR_IO);
        tg_clear_error(tg);
        free(copy);
    }
}

static void test_files_that_are_cut(void **state)
{
    for_each_file(*state, check_cut);
}

/* What is compressed has a CRC, so that a bit that differs is noticed or is one of the header. */
static void check_flipped(tg_context *tg, const file *f)
{
    static file other;
    other = *f;
    if (f->n > 300) return;
    for (size_t i = 0; i < 8 * f->n; i++) {
        other.bytes[i / 8] ^= (unsigned char)(1 << i % 8);
        tg_scope_begin(tg);
        const tg_tensor *t = tg_read_idx(tg, other.bytes, f->n, TG_F64);
        if (!t)
            assert_int_equal(tg_error_code(tg), TG_ERR_IO);
        else if (!strncmp(f->title, "gzip", 4))
            check_file(tg, &other);
        tg_clear_error(tg);
        tg_scope_end(tg);
        other.bytes[i / 8] ^= (unsigned char)(1 << i % 8);
    }
}

static void test_bits_that_are_flipped(void **state)
{
    for_each_file(*state, check_flipped);
}

static void check_allocations(tg_context *unused, const file *f)
{
    (void)unused;
    for (long at = 1; at < 6; at++) {
        guarded g = {0};
        tg_options o = guarded_options(&g);
        tg_context *tg = tg_open(&o);
        g.fail_at = g.asked + at;
        const tg_tensor *t = tg_read_idx(tg, f->bytes, f->n, TG_F64);
        if (!t) assert_int_equal(tg_error_code(tg), TG_ERR_MEMORY);
        tg_close(tg);
        assert_true(g.blocks == 0 && !g.damaged);
    }
}

static void test_each_allocation_may_fail(void **state)
{
    for_each_file(*state, check_allocations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_context, close_context)
        TEST(test_files_have_the_values_of_numpy),
        TEST(test_a_file_is_loaded_by_its_path),
        TEST(test_what_is_wrong_is_named),
        TEST(test_what_is_wrong_with_gzip_is_named),
        TEST(test_files_that_are_cut),
        TEST(test_bits_that_are_flipped),
        TEST(test_each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
