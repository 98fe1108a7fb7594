/* Files of NumPy. tests/golden/npy.py describes the golden file. */
#include "check.h"

#include "io/convert.h"

enum { ROOM = 1 << 15, ARRAYS = 100, SAVED = 29 };

/* An array of the golden file. */
typedef struct array {
    char title[48];
    tg_dtype dtype;
    int ndim;
    int64_t shape[TG_MAX_DIMS];
    unsigned char elements[512], file[768];
    size_t elements_n, file_n;
    bool saved; /* the file is what saving makes of the elements */
} array;

static array arrays[ARRAYS];
static int n_arrays;
static unsigned char archives[2][ROOM]; /* stored and compressed */
static size_t archives_n[2];
static const char path[] = "test_npy.tmp";
static const tg_load_options converting = {.convert = true}, mapping = {true, true};

static size_t read_hex(const char *text, unsigned char *bytes, size_t room)
{
    size_t n = 0;
    for (unsigned byte; sscanf(text + 2 * n, "%2x", &byte) == 1;) {
        assert_true(n < room);
        bytes[n++] = (unsigned char)byte;
    }
    return n;
}

static void read_array(char *line)
{
    array *a = &arrays[n_arrays++];
    assert_true(n_arrays <= ARRAYS);
    strcpy(a->title, strtok(line, " "));
    a->saved = !strncmp(a->title, "save", 4);
    a->dtype = (tg_dtype)atoi(strtok(NULL, " "));
    a->ndim = atoi(strtok(NULL, " "));
    for (int i = 0; i < a->ndim; i++) a->shape[i] = atoll(strtok(NULL, " "));
    a->elements_n = read_hex(strtok(NULL, " "), a->elements, sizeof a->elements);
    a->file_n = read_hex(strtok(NULL, " "), a->file, sizeof a->file);
    if (tg__is_big_endian())
        tg__swap_bytes(a->elements, tg_dtype_size(a->dtype),
                       (int64_t)(a->elements_n / tg_dtype_size(a->dtype)));
}

static int read_golden(void **state)
{
    static char line[3 * ROOM];
    FILE *golden = fopen(TEST_ROOT "/tests/golden/npy_golden.txt", "r");
    assert_non_null(golden);
    while (fgets(line, sizeof line, golden))
        if (!strncmp(line, "array ", 6)) {
            read_array(line + 6);
        } else {
            const int k = !strncmp(line, "npz compressed", 14);
            archives_n[k] = read_hex(strchr(line + 4, ' ') + 1, archives[k], ROOM);
        }
    fclose(golden);
    return open_context(state);
}

static void check_array(const array *a, tg_tensor *t)
{
    unsigned char elements[512];
    if (!t) fail_msg("%s", a->title);
    if (t->dtype != a->dtype || t->ndim != a->ndim ||
        memcmp(t->shape, a->shape, (size_t)t->ndim * sizeof *t->shape) != 0)
        fail_msg("%s has another dtype or shape", a->title);
    assert_true(tg_copy_to(t, elements, a->elements_n));
    if (memcmp(elements, a->elements, a->elements_n) != 0)
        fail_msg("%s has other elements", a->title);
}

/* ---- .npy files. */

static void test_arrays(void **state)
{
    tg_context *tg = *state;
    assert_int_equal(n_arrays, 73);
    for (int i = 0; i < n_arrays; i++) {
        const array *a = &arrays[i];
        check_array(a, tg_read_npy(tg, a->file, a->file_n, &converting));
        check_array(a, tg_read_npy(tg, a->file, a->file_n, &mapping));
    }
}

/* Reads the file that was saved to `path`. */
static size_t read_saved(unsigned char *bytes)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t n = fread(bytes, 1, ROOM, file);
    fclose(file);
    remove(path);
    return n;
}

static void test_saved(void **state)
{
    static unsigned char bytes[ROOM];
    tg_context *tg = *state;
    for (int i = 0; i < n_arrays; i++) {
        const array *a = &arrays[i];
        tg_tensor *t = tg_read_npy(tg, a->file, a->file_n, &converting);
        assert_true(tg_save_npy(t, path, NULL));
        if (!a->saved) continue;
        assert_int_equal(read_saved(bytes), a->file_n);
        assert_memory_equal(bytes, a->file, a->file_n);
    }
    check_ok(tg);
}

/* What is mapped is read-only and lasts as long as the scope. Bools have no byte order, and are
 * mapped on every machine. */
static void test_mapped(void **state)
{
    tg_context *tg = *state;
    tg_scope_begin(tg);
    const bool values[] = {true, false, true};
    assert_true(tg_save_npy(tg_from_bool(tg, TG_SHAPE(3), values), path, NULL));
    tg_tensor *t = tg_load_npy(tg, path, TG_LOAD(.map = true));
    remove(path);
    check_values(t, 1, 0, 1);
#ifdef __linux__
    assert_null(tg_fill_(t, 1));
    check_error(tg, TG_ERR_ARGUMENT, "fill_: the tensor [3] is const memory and read-only");
#endif
    tg_scope_end(tg);
}

/* Elements of other types, on request. */
static void test_conversion(void **state)
{
    tg_context *tg = *state;
    const float halves[] = {0.5f, 1, -65504};
    tg_tensor *t = tg_from_f32(tg, TG_SHAPE(3), halves);
    assert_true(tg_save_npy(t, path, TG_SAVE(.floats = TG_STORED_F16)));
    assert_null(tg_load_npy(tg, path, NULL));
    check_error(tg, TG_ERR_DTYPE,
                "load_npy: test_npy.tmp: float16 is no dtype: TG_LOAD(.convert = true) reads it as "
                "float32");
    check_values(tg_load_npy(tg, path, TG_LOAD(.convert = true)), 0.5, 1, -65504);
    assert_false(tg_save_npy(t, path, TG_SAVE(.floats = TG_STORED_BF16)));
    check_error(tg, TG_ERR_ARGUMENT, "save_npy: NumPy has no bfloat16");
    assert_false(tg_save_npy(tg_mul_scalar(t, 2), path, TG_SAVE(.floats = TG_STORED_F16)));
    check_error(tg, TG_ERR_ARGUMENT, "save_npy: element 2 cannot be written as float16");
    check_values(tg_load_npy(tg, path, TG_LOAD(.convert = true)), 0.5, 1, -65504);
    remove(path);
}

/* A file of this version with this header and that many bytes of elements. Returns its length. */
static size_t make_file(unsigned char *bytes, int version, const char *header, size_t elements)
{
    const size_t n = strlen(header), begin = version > 1 ? 12 : 10;
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)version;
    bytes[7] = 0;
    for (size_t i = 8; i < begin; i++) bytes[i] = (unsigned char)(n >> 8 * (i - 8));
    memcpy(bytes + begin, header, n);
    memset(bytes + begin + n, 1, elements);
    return begin + n + elements;
}

#define HEADER(descr, order, shape)                                                                \
    "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }\n"
#define SHAPE(shape) HEADER("'<f4'", "False", shape)
#define TYPE(descr)  HEADER(descr, "False", "(2,)")

/* Headers that are refused, and why. There are 8 bytes of elements. */
static const struct {
    const char *header, *message;
} refused[] = {
    {"", "its header: no dict"},
    {"[1]", "its header: no dict"},
    {"{}", "its header: descr, fortran_order or shape is missing"},
    {"{'descr': '<f4', 'shape': (2,), }", "its header: descr, fortran_order or shape is missing"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}",
     "its header: a key is none of descr, fortran_order and shape"},
    {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
     "its header: a key is there twice"},
    {"{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}",
     "its header: a comma or the closing brace is missing"},
    {"{'descr' '<f4', 'fortran_order': False, 'shape': (2,)}", "its header: a colon is missing"},
    {"{descr: '<f4', 'fortran_order': False, 'shape': (2,)}",
     "its header: a text in quotes is missing"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)",
     "its header: a comma or the closing brace is missing"},
    {SHAPE("(2,)") "x", "its header: more follows the dict"},
    {SHAPE("(2,)") "# float32", "its header: more follows the dict"},
    {TYPE("'<f\\x34'"), "its header: a text is no plain one"},
    {TYPE("'<f4\""), "its header: a text is no plain one"},
    {TYPE("'<f4"), "elements of type '<f4, ' cannot be read"},
    {"{'descr': '<f4}", "its header: a text is no plain one"},
    {TYPE("'<f4 and a long text'"), "its header: a text is too long"},
    {TYPE("4"), "its header: a text in quotes is missing"},
    {TYPE("'|O'"), "elements of type '|O' (Python objects) cannot be read"},
    {TYPE("'<U5'"), "elements of type '<U5' (texts) cannot be read"},
    {TYPE("'|S5'"), "elements of type '|S5' (texts) cannot be read"},
    {TYPE("'<c8'"), "elements of type '<c8' (complex numbers) cannot be read"},
    {TYPE("'<M8[ns]'"), "elements of type '<M8[ns]' (times) cannot be read"},
    {TYPE("'|V4'"), "elements of type '|V4' (bytes) cannot be read"},
    {TYPE("[('x', '<f4')]"), "elements that are structs cannot be read"},
    {TYPE("('<f4', (2,))"), "elements that are arrays cannot be read"},
    {TYPE("'f4'"), "elements of type 'f4', which does not tell its byte order, cannot be read"},
    {TYPE("'=f4'"), "elements of type '=f4', which does not tell its byte order, cannot be read"},
    {TYPE("'float32'"), "elements of type 'float32' cannot be read"},
    {TYPE("'<f16'"), "elements of type '<f16' cannot be read"},
    {TYPE("'<i3'"), "elements of type '<i3' cannot be read"},
    {TYPE("''"), "elements of type '' cannot be read"},
    {TYPE("'<'"), "elements of type '<' cannot be read"},
    {HEADER("'<f4'", "1", "(2,)"), "its header: fortran_order is neither True nor False"},
    {HEADER("'<f4'", "true", "(2,)"), "its header: fortran_order is neither True nor False"},
    {SHAPE("2"), "its header: shape is no tuple"},
    {SHAPE("[2]"), "its header: shape is no tuple"},
    {SHAPE("(2)"), "its header: shape is no tuple"},
    {SHAPE("(1+1,)"), "its header: shape has something other than decimal sizes"},
    {SHAPE("(-2,)"), "its header: shape has something other than decimal sizes"},
    {SHAPE("(0x2,)"), "its header: shape has something other than decimal sizes"},
    {SHAPE("(0_2,)"), "its header: shape has something other than decimal sizes"},
    {SHAPE("(02,)"), "its header: shape has something other than decimal sizes"},
    {SHAPE("(2.0,)"), "its header: shape has something other than decimal sizes"},
    {SHAPE("(True,)"), "its header: shape has something other than decimal sizes"},
    {SHAPE("(,)"), "its header: shape has something other than decimal sizes"},
    {SHAPE("(1 2,)"), "its header: shape has something other than decimal sizes"},
    {SHAPE("(2,"), "its header: shape has something other than decimal sizes"},
    {SHAPE("(1,1,1,1,1,1,1,1,2)"), "more than 8 dimensions"},
    {SHAPE("(3,)"), "[3] of float32 needs 12 bytes of elements, and there are 8"},
    {SHAPE("(1,)"), "[1] of float32 needs 4 bytes of elements, and there are 8"},
    {SHAPE("(0,)"), "[0] of float32 needs 0 bytes of elements, and there are 8"},
    {SHAPE("(100000000,)"),
     "[100000000] of float32 needs 400000000 bytes of elements, and there are 8"},
    {SHAPE("(4294967296, 4294967296)"),
     "[4294967296, 4294967296] of float32 has more elements than memory can hold"},
    {SHAPE("(0, 4294967296, 4294967296)"),
     "[0, 4294967296, 4294967296] of float32 has more elements than memory can hold"},
    {SHAPE("(99999999999999999999,)"),
     "[9223372036854775807] of float32 has more elements than memory can hold"},
};

static void test_refused(void **state)
{
    unsigned char bytes[256];
    char message[256];
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const size_t n = make_file(bytes, 1, refused[i].header, 8);
        assert_null(tg_read_npy(*state, bytes, n, &converting));
        snprintf(message, sizeof message, "read_npy: memory: %s", refused[i].message);
        const bool type = strstr(message, "cannot be read");
        check_error(*state, type ? TG_ERR_DTYPE : TG_ERR_IO, message);
    }
}

static void check_refused(tg_context *tg, const void *bytes, size_t n, const char *message)
{
    assert_null(tg_read_npy(tg, bytes, n, &converting));
    check_error(tg, TG_ERR_IO, message);
}

/* What stands before the header. */
static void test_beginning(void **state)
{
    static unsigned char bytes[8192];
    static char header[5000];
    size_t n = make_file(bytes, 4, SHAPE("(2,)"), 8);
    check_refused(*state, bytes, n,
                  "read_npy: memory: its version is 4.0; 1.0, 2.0 and 3.0 can be read");
    bytes[6] = bytes[7] = 1;
    check_refused(*state, bytes, n,
                  "read_npy: memory: its version is 1.1; 1.0, 2.0 and 3.0 can be read");
    bytes[0] = 'x';
    check_refused(*state, bytes, n,
                  "read_npy: memory: it is no array of NumPy: it does not begin with \\x93NUMPY");
    check_refused(*state, bytes, 9, "read_npy: memory: it is too short for an array of NumPy");
    memset(header, ' ', sizeof header - 1);
    n = make_file(bytes, 2, header, 8);
    check_refused(*state, bytes, n,
                  "read_npy: memory: its header has 4999 bytes; at most 4096 are read");
    memset(bytes + 8, 255, 4);
    check_refused(*state, bytes, n,
                  "read_npy: memory: its header has 4294967295 bytes; at most 4096 are read");
    n = make_file(bytes, 1, "{\0}", 8);
    check_refused(*state, bytes, n, "read_npy: memory: its header: a text in quotes is missing");
}

static bool is_refusal(const tg_context *tg)
{
    return tg_error_code(tg) == TG_ERR_IO || tg_error_code(tg) == TG_ERR_DTYPE;
}

/* Every file that is cut is refused, and no bit that differs does harm. */
static void test_damaged(void **state)
{
    tg_context *tg = *state;
    for (int i = 0; i < n_arrays; i++) {
        array a = arrays[i];
        for (size_t n = 0; n < a.file_n; n++) {
            assert_null(tg_read_npy(tg, a.file, n, &converting));
            assert_int_equal(tg_error_code(tg), TG_ERR_IO);
            tg_clear_error(tg);
        }
        for (size_t bit = 0; bit < 8 * a.file_n; bit++) {
            a.file[bit / 8] ^= (unsigned char)(1 << bit % 8);
            tg_scope_begin(tg);
            if (!tg_read_npy(tg, a.file, a.file_n, &converting)) assert_true(is_refusal(tg));
            tg_clear_error(tg);
            tg_scope_end(tg);
            a.file[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
    }
}

/* A byte of a bool that is neither 0 nor 1 is true, and is not mapped. */
static void test_bools(void **state)
{
    unsigned char bytes[256];
    const size_t n = make_file(bytes, 1, HEADER("'|b1'", "False", "(3,)"), 3);
    bytes[n - 1] = 2;
    bytes[n - 2] = 0;
    tg_tensor *t = tg_read_npy(*state, bytes, n, &mapping);
    check_values(t, 1, 0, 1);
    assert_memory_equal(tg_data_bool(t), ((uint8_t[]){1, 0, 1}), 3);
}

/* ---- .npz files. */

static void test_archives(void **state)
{
    tg_context *tg = *state;
    for (int k = 0; k < 2; k++) {
        const tg_state *s = tg_read_npz(tg, archives[k], archives_n[k], &converting);
        check_ok(tg);
        assert_int_equal(s->n, SAVED);
        for (int i = 0; i < SAVED; i++) {
            assert_string_equal(s->items[i].name, arrays[i].title);
            check_array(&arrays[i], s->items[i].tensor);
        }
    }
}

static void test_saved_archive(void **state)
{
    static char line[3 * ROOM];
    static unsigned char bytes[ROOM], expected[ROOM];
    tg_context *tg = *state;
    FILE *golden = fopen(TEST_ROOT "/tests/golden/npz_golden.txt", "r");
    assert_non_null(golden);
    assert_non_null(fgets(line, sizeof line, golden));
    fclose(golden);
    assert_true(tg_save_npz(tg_read_npz(tg, archives[1], archives_n[1], &converting), path, NULL));
    assert_non_null(tg_load_npz(tg, path, NULL));
    const size_t n = read_hex(line, expected, sizeof expected);
    assert_int_equal(read_saved(bytes), n);
    assert_memory_equal(bytes, expected, n);
    assert_true(tg_save_npz(tg_state_new(tg), path, NULL));
    assert_int_equal(tg_load_npz(tg, path, NULL)->n, 0);
    assert_int_equal(read_saved(bytes), 22);
}

/* Saves two tensors to `bytes`, and returns the length. */
static size_t make_archive(tg_context *tg, unsigned char *bytes)
{
    tg_state *s = tg_state_new(tg);
    tg_state_add(s, "w", tg_t(tg_reshape(tg_arange(tg, TG_F32, 0, 6, 1), TG_SHAPE(2, 3))));
    tg_state_add(s, "\xc3\xa4/b", tg_arange_i64(tg, 5, 7, 1));
    assert_true(tg_save_npz(s, path, NULL));
    return read_saved(bytes);
}

static void test_damaged_archive(void **state)
{
    static unsigned char bytes[ROOM];
    tg_context *tg = *state;
    const size_t n = make_archive(tg, bytes);
    for (size_t i = 0; i < n; i++) {
        assert_null(tg_read_npz(tg, bytes, i, &converting));
        assert_int_equal(tg_error_code(tg), TG_ERR_IO);
        tg_clear_error(tg);
    }
    for (size_t bit = 0; bit < 8 * n; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        tg_scope_begin(tg);
        const tg_state *s = tg_read_npz(tg, bytes, n, &converting);
        if (s) { /* a bit of no meaning */
            check_values(s->items[0].tensor, 0, 3, 1, 4, 2, 5);
            check_values(s->items[1].tensor, 5, 6);
        } else {
            assert_true(is_refusal(tg));
        }
        tg_clear_error(tg);
        tg_scope_end(tg);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}

/* The same for deflated entries. */
static void test_damaged_compressed(void **state)
{
    tg_context *tg = *state;
    for (size_t i = 0; i < archives_n[1]; i++) {
        archives[1][i] ^= (unsigned char)(1 << i % 8);
        tg_scope_begin(tg);
        const tg_state *s = tg_read_npz(tg, archives[1], archives_n[1], &converting);
        for (int k = 0; s && k < SAVED; k++) check_array(&arrays[k], s->items[k].tensor);
        if (!s) assert_true(is_refusal(tg));
        tg_clear_error(tg);
        tg_scope_end(tg);
        archives[1][i] ^= (unsigned char)(1 << i % 8);
    }
}

static void change(unsigned char *bytes, size_t n, const char *from, const char *to)
{
    for (size_t i = 0; i + strlen(from) <= n; i++)
        if (!memcmp(bytes + i, from, strlen(from))) memcpy(bytes + i, to, strlen(to));
}

/* Messages name the file, the tensor and the problem. */
static void test_messages(void **state)
{
    static unsigned char bytes[ROOM];
    static char name[70000];
    tg_context *tg = *state;
    tg_tensor *gone = tg_scalar(tg, TG_F32, 1);
    release_noticed(gone);
    assert_false(tg_save_npy(gone, path, NULL));
    check_error(tg, TG_ERR_CONTEXT, "save_npy: the tensor was released");
    const size_t n = make_archive(tg, bytes);
    change(bytes, n, "(3, 2)", "(4, 2)");
    assert_null(tg_read_npz(tg, bytes, n, &converting));
    check_error(tg, TG_ERR_IO,
                "read_npz: memory: tensor 'w': [4, 2] of float32 needs 32 bytes of elements, and "
                "there are 24");
    change(bytes, n, "(4, 2)", "(2, 3)");
    assert_null(tg_read_npz(tg, bytes, n, &converting));
    check_error(tg, TG_ERR_IO,
                "read_npz: memory: entry 'w': its bytes are damaged: they have another CRC");
    change(bytes, n, "w.npy", "w.txt");
    assert_null(tg_read_npz(tg, bytes, n, &converting));
    check_error(
        tg, TG_ERR_IO,
        "read_npz: memory: entry 'w.txt': it is no array, as its name does not end in .npy");
    change(bytes, n, "w.txt", ".npy.");
    assert_null(tg_read_npz(tg, bytes, n, &converting));
    check_error(
        tg, TG_ERR_IO,
        "read_npz: memory: entry '.npy.': it is no array, as its name does not end in .npy");

    tg_state *s = tg_state_new(tg);
    tg_state_set_text(s, "key", "value");
    assert_false(tg_save_npz(s, path, NULL));
    check_error(tg, TG_ERR_ARGUMENT,
                "save_npz: a .npz file cannot hold the texts of the list; tg_save_safetensors can");
    s = tg_state_new(tg);
    memset(name, 'x', sizeof name - 1);
    tg_state_add(s, name, tg_scalar(tg, TG_F32, 1));
    assert_false(tg_save_npz(s, path, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "save_npz: a name has more than 65531 bytes");
    name[65531] = 0;
    s = tg_state_new(tg);
    tg_state_add(s, name, tg_scalar(tg, TG_F32, 1));
    assert_true(tg_save_npz(s, path, NULL));
    assert_non_null(tg_load_npz(tg, path, NULL));
    remove(path);
    s = tg_state_new(tg);
    tg_state_add(s, "w", tg_scalar(tg, TG_F32, 1));
    release_noticed(s->items[0].tensor);
    assert_false(tg_save_npz(s, path, NULL));
    check_error(tg, TG_ERR_CONTEXT, "save_npz: the tensor w was released");
    s = tg_state_new(tg);
    tg_state_add(s, "w", tg_scalar(tg, TG_F32, 1e6));
    assert_false(tg_save_npz(s, path, TG_SAVE(.floats = TG_STORED_F16)));
    check_error(tg, TG_ERR_ARGUMENT,
                "save_npz: tensor 'w': element 0 cannot be written as float16");
    assert_null(fopen(path, "rb"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrays),          cmocka_unit_test(test_saved),
        cmocka_unit_test(test_mapped),          cmocka_unit_test(test_conversion),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_beginning),
        cmocka_unit_test(test_damaged),         cmocka_unit_test(test_bools),
        cmocka_unit_test(test_archives),        cmocka_unit_test(test_saved_archive),
        cmocka_unit_test(test_damaged_archive), cmocka_unit_test(test_damaged_compressed),
        cmocka_unit_test(test_messages),
    };
    return cmocka_run_group_tests(tests, read_golden, close_context);
}
