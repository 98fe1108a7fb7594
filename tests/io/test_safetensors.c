/* Files of safetensors. Those in tests/golden/safetensors were written by the official package. */
#include "check.h"
#include "guarded.h"

/* ---- Bytes. */

typedef struct bytes {
    unsigned char *at;
    size_t n;
} bytes;

static bytes read_whole(const char *path)
{
    bytes b = {NULL, 0};
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    b.n = (size_t)ftell(file);
    rewind(file);
    b.at = test_malloc(b.n + 1);
    assert_int_equal(fread(b.at, 1, b.n, file), b.n);
    fclose(file);
    return b;
}

static bytes golden(const char *name)
{
    char path[300];
    snprintf(path, sizeof path, TEST_ROOT "/tests/golden/safetensors/%s.safetensors", name);
    return read_whole(path);
}

/* A file with this header, whose length comes before it, and that many bytes of elements: 0, 1, 2
 * and so on. */
static bytes file_of(const char *header, size_t elements)
{
    const size_t n = strlen(header);
    bytes b = {test_malloc(8 + n + elements + 1), 8 + n + elements};
    for (int i = 0; i < 8; i++) b.at[i] = (unsigned char)((uint64_t)n >> 8 * i);
    memcpy(b.at + 8, header, n);
    for (size_t i = 0; i < elements; i++) b.at[8 + n + i] = (unsigned char)i;
    return b;
}

static const char path[] = "test_safetensors.tmp";

/* Saves the list and compares the file with the one that the official package has written. */
static void check_saved(const tg_state *s, const tg_save_options *o, const char *name)
{
    assert_true(tg_save_safetensors(s, path, o));
    bytes ours = read_whole(path), theirs = golden(name);
    remove(path);
    assert_int_equal(ours.n, theirs.n);
    assert_memory_equal(ours.at, theirs.at, theirs.n);
    test_free(ours.at);
    test_free(theirs.at);
}

/* ---- What the official package writes. */

static const char umlauts[] = "gr\xc3\xb6\xc3\x9f"
                              "e \"a\\b\"/\xf0\x9f\x99\x82";
static const char title[] = "two lines\nand a \"tab\":\t\x01\x7f, gr\xc3\xb6\xc3\x9f"
                            "er \xf0\x9f\x99\x82 / \\";

static tg_state *make_dtypes(tg_context *tg)
{
    tg_state *s = tg_state_new(tg);
    tg_state_add(s, "mask", tg_from_bool(tg, TG_SHAPE(3), (bool[]){true, false, true}));
    const float columns[] = {1, -0.0f, -2.5f, INFINITY, 1e-45f, 3.4e38f};
    tg_state_add(s, "layer.weight", tg_t(tg_from_f32(tg, TG_SHAPE(3, 2), columns)));
    tg_state_add(s, "layer.bias", tg_from_f64(tg, TG_SHAPE(2), (double[]){0.1, -1e300}));
    tg_state_add(s, "steps", tg_from_i64(tg, TG_SHAPE(), (int64_t[]){INT64_MIN}));
    tg_state_add(s, "none", tg_empty(tg, TG_F32, TG_SHAPE(0, 4)));
    tg_state_add(s, "Z", tg_scalar(tg, TG_F32, 7));
    tg_state_add(s, umlauts, tg_from_i64(tg, TG_SHAPE(1, 2), (int64_t[]){-1, INT64_MAX}));
    tg_state_set_text(s, "title", title);
    return s;
}

static void test_saved_bytes_are_those_of_the_official_package(void **state)
{
    tg_context *tg = *state;
    check_saved(make_dtypes(tg), NULL, "dtypes");
    tg_state *s = tg_state_new(tg);
    check_saved(s, NULL, "nothing");
    tg_state_set_text(s, "key", "value");
    check_saved(s, NULL, "only_texts");
}

static void test_saved_bytes_of_narrower_types(void **state)
{
    tg_context *tg = *state;
    tg_state *s = tg_state_new(tg);
    tg_state_add(s, "mask", tg_full(tg, TG_BOOL, TG_SHAPE(1), 1));
    tg_state_add(s, "pixels", tg_from_i64(tg, TG_SHAPE(3), (int64_t[]){0, 128, 255}));
    tg_state_add(s, "weight", tg_from_f32(tg, TG_SHAPE(2, 2), (float[]){1, -2.5f, 0, 0.25f}));
    check_saved(s, TG_SAVE(.floats = TG_STORED_BF16, .integers = TG_STORED_U8), "narrowed");
}

static void check_dtypes(const tg_state *s)
{
    static const char *const order[] = {umlauts,        "steps", "layer.bias", "Z",
                                        "layer.weight", "none",  "mask"};
    assert_non_null(s);
    assert_int_equal(s->n, 7);
    for (int i = 0; i < 7; i++) assert_string_equal(s->items[i].name, order[i]);
    const tg_tensor *none = tg_state_get(s, "none"), *steps = tg_state_get(s, "steps");
    assert_true(none->ndim == 2 && none->shape[0] == 0 && none->shape[1] == 4);
    assert_true(steps->ndim == 0 && tg_item_i64(steps) == INT64_MIN);
    assert_true(tg_get_i64(tg_state_get(s, umlauts), TG_INDEX(0, 1)) == INT64_MAX);
    const tg_tensor *w = tg_state_get(s, "layer.weight");
    assert_true(w->dtype == TG_F32 && w->ndim == 2 && w->shape[0] == 2 && w->shape[1] == 3);
    check_values(w, 1, -2.5, (double)1e-45f, -0.0, INFINITY, (double)3.4e38f);
    assert_true(signbit(tg_get(w, TG_INDEX(1, 0))));
    check_values(tg_state_get(s, "layer.bias"), 0.1, -1e300);
    check_values(tg_state_get(s, "Z"), 7);
    check_values(tg_state_get(s, "mask"), 1, 0, 1);
    assert_int_equal(s->n_texts, 1);
    assert_string_equal(tg_state_text(s, "title"), title);
}

static void test_a_file_of_the_official_package_is_loaded(void **state)
{
    tg_context *tg = *state;
    char file[300];
    snprintf(file, sizeof file, TEST_ROOT "/tests/golden/safetensors/dtypes.safetensors");
    check_dtypes(tg_load_safetensors(tg, file, NULL));
    check_dtypes(tg_load_safetensors(tg, file, TG_LOAD(.map = true)));
    bytes b = golden("dtypes");
    check_dtypes(tg_read_safetensors(tg, b.at, b.n, NULL));
    check_dtypes(tg_read_safetensors(tg, b.at, b.n, TG_LOAD(.map = true)));
    test_free(b.at);
}

static void test_other_types_are_converted_when_asked_for(void **state)
{
    tg_context *tg = *state;
    bytes b = golden("converted");
    const tg_state *s = tg_read_safetensors(tg, b.at, b.n, TG_LOAD(.convert = true));
    assert_non_null(s);
    assert_int_equal(s->n, 9);
    assert_int_equal(tg_state_get(s, "f16")->dtype, TG_F32);
    check_values(tg_state_get(s, "f16"), 1, -2.5, 0x1p-24, 65504);
    assert_int_equal(tg_state_get(s, "bf16")->dtype, TG_F32);
    check_values(tg_state_get(s, "bf16"), 1, -2.5, 0x1.fep127);
    assert_int_equal(tg_state_get(s, "u8")->dtype, TG_I64);
    check_values(tg_state_get(s, "u8"), 0, 255);
    check_values(tg_state_get(s, "i8"), -128, 127);
    check_values(tg_state_get(s, "u16"), 0, 65535);
    check_values(tg_state_get(s, "i16"), -32768, 32767);
    check_values(tg_state_get(s, "u32"), 4294967295);
    check_values(tg_state_get(s, "i32"), INT32_MIN);
    assert_true(tg_item_i64(tg_state_get(s, "u64")) == INT64_MAX);
    assert_null(tg_read_safetensors(tg, b.at, b.n, NULL));
    check_error(tg, TG_ERR_DTYPE,
                "read_safetensors: memory: tensor 'u64': uint64 is no dtype: TG_LOAD(.convert = "
                "true) reads it as int64");
    test_free(b.at);
}

static void test_a_type_that_cannot_be_converted(void **state)
{
    bytes b = golden("float8");
    assert_null(tg_read_safetensors(*state, b.at, b.n, TG_LOAD(.convert = true)));
    check_error(*state, TG_ERR_DTYPE,
                "read_safetensors: memory: tensor 'w': the type 'F8_E4M3' cannot be read");
    test_free(b.at);
}

/* ---- Mapping. */

static void test_a_mapped_tensor_is_read_only_and_shows_the_file(void **state)
{
    tg_context *tg = *state;
    bytes b = golden("dtypes");
    const tg_state *s = tg_read_safetensors(tg, b.at, b.n, TG_LOAD(.map = true));
    tg_tensor *mask = tg_state_get(s, "mask"); /* shown in either byte order */
    const unsigned char *data = mask->data;
    assert_true(data >= b.at && data < b.at + b.n);
    assert_false(tg_set(mask, TG_INDEX(0), 0));
    assert_int_equal(tg_error_code(tg), TG_ERR_ARGUMENT);
    tg_clear_error(tg);
    test_free(b.at);
}

/* Tensors that are not aligned, and bools that are neither 0 nor 1, are copies. */
static void test_what_cannot_be_shown_is_copied(void **state)
{
    bytes b = file_of("{\"m\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[0,3]},"
                      "\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[3,7]}}",
                      7);
    const unsigned char minus_two[] = {0, 0, 0, 0xc0};
    memcpy(b.at + b.n - 4, minus_two, 4);
    const tg_state *s = tg_read_safetensors(*state, b.at, b.n, TG_LOAD(.map = true));
    assert_non_null(s);
    memset(b.at, 0xff, b.n);
    test_free(b.at);
    check_values(tg_state_get(s, "m"), 0, 1, 1);
    check_values(tg_state_get(s, "w"), -2);
}

static void test_a_mapping_ends_with_its_scope(void **state)
{
    tg_context *tg = *state;
    tg_tensor *kept = NULL;
    tg_scope_begin(tg);
    assert_true(tg_save_safetensors(make_dtypes(tg), path, NULL));
    const tg_state *s = tg_load_safetensors(tg, path, TG_LOAD(.map = true));
    remove(path);
    check_dtypes(s);
    kept = tg_keep(tg_state_get(s, "layer.bias"));
    tg_scope_end(tg);
    check_values(kept, 0.1, -1e300);
}

/* The example of README.md. */
static void test_the_state_of_a_network_is_kept(void **state)
{
    tg_context *tg = *state;
    tg_module *net = tg_linear(tg, 3, 2, true), *again = tg_linear(tg, 3, 2, true);
    tg_state *s = tg_state_dict(net);
    tg_state_set_text(s, "title", "digits, 97 %");
    assert_true(tg_save_safetensors(s, path, NULL));
    s = tg_load_safetensors(tg, path, TG_LOAD(.map = true));
    assert_string_equal(tg_state_text(s, "title"), "digits, 97 %");
    assert_true(tg_load_state_dict(again, s, TG_STRICT));
    for (int i = 0; i < 2; i++)
        assert_true(tg_item(tg_all(
                        tg_eq(tg_parameters(net).items[i], tg_parameters(again).items[i]))) == 1);
    assert_true(tg_save_safetensors(s, path, TG_SAVE(.floats = TG_STORED_BF16)));
    s = tg_load_safetensors(tg, path, TG_LOAD(.convert = true));
    remove(path);
    const tg_tensor *near = tg_state_get(s, "weight"), *exact = tg_param(net, "weight");
    for (int64_t i = 0; i < exact->numel; i++)
        assert_true(fabs(element_of(near, i) - element_of(exact, i)) <=
                    fabs(element_of(exact, i)) / 256);
}

/* ---- Saving what cannot be saved. */

static void test_lists_that_cannot_be_saved(void **state)
{
    tg_context *tg = *state;
    tg_state *s = tg_state_new(tg);
    tg_state_add(s, "w", tg_full(tg, TG_F32, TG_SHAPE(2), 1e5));
    assert_false(tg_save_safetensors(s, path, TG_SAVE(.floats = TG_STORED_F16)));
    check_error(tg, TG_ERR_ARGUMENT,
                "save_safetensors: tensor 'w': element 0 cannot be written as float16");
    assert_false(tg_save_safetensors(s, path, TG_SAVE(.floats = TG_STORED_U8)));
    check_error(tg, TG_ERR_ARGUMENT,
                "save_safetensors: .floats is 7, which is no type of such elements");
    assert_false(tg_save_safetensors(s, path, TG_SAVE(.integers = TG_STORED_F16)));
    check_error(tg, TG_ERR_ARGUMENT,
                "save_safetensors: .integers is 5, which is no type of such elements");
    assert_false(tg_save_safetensors(s, path, TG_SAVE(.integers = (tg_stored)14)));
    tg_clear_error(tg);
    assert_false(tg_save_safetensors(s, NULL, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "save_safetensors: the path is NULL");
    assert_false(tg_save_safetensors(NULL, path, NULL));
    tg_tensor *t = tg_ones(tg, TG_I64, TG_SHAPE(1));
    tg_state_add(s, "n", t);
    assert_true(tg_save_safetensors(s, path, TG_SAVE(.integers = TG_STORED_I8)));
    remove(path);
    release_noticed(t);
    assert_false(tg_save_safetensors(s, path, NULL));
    check_error(tg, TG_ERR_CONTEXT, "save_safetensors: tensor 'n' was released");
    tg_state *reserved = tg_state_new(tg);
    tg_state_add(reserved, "__metadata__", tg_ones(tg, TG_F32, TG_SHAPE(1)));
    assert_false(tg_save_safetensors(reserved, path, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "save_safetensors: a tensor must not be called __metadata__");
    FILE *file = fopen(path, "rb");
    assert_null(file); /* none of these calls has written a file */
}

static void test_nothing_happens_while_an_error_is_pending(void **state)
{
    tg_context *tg = *state;
    tg_state *s = make_dtypes(tg);
    bytes b = golden("dtypes");
    tg_reshape(tg_state_get(s, "Z"), TG_SHAPE(2));
    const char *error = tg_error(tg);
    assert_true(*error);
    assert_false(tg_save_safetensors(s, path, NULL));
    assert_null(tg_read_safetensors(tg, b.at, b.n, NULL));
    assert_null(tg_load_safetensors(tg, path, NULL));
    assert_null(fopen(path, "rb"));
    tg_clear_error(tg);
    test_free(b.at);
}

/* ---- Wrong files. */

static void check_refused(tg_context *tg, const char *header, size_t elements, const char *problem)
{
    char message[400];
    bytes b = file_of(header, elements);
    assert_null(tg_read_safetensors(tg, b.at, b.n, TG_LOAD(.convert = true)));
    test_free(b.at);
    snprintf(message, sizeof message, "read_safetensors: memory: %s", problem);
    assert_string_equal(tg_error(tg), message);
    tg_clear_error(tg);
}

static void check_taken(tg_context *tg, const char *header, size_t elements)
{
    bytes b = file_of(header, elements);
    assert_non_null(tg_read_safetensors(tg, b.at, b.n, TG_LOAD(.convert = true)));
    test_free(b.at);
}

#define W(shape, offsets)                                                                          \
    "\"w\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define V(shape, offsets)                                                                          \
    "\"v\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void test_lengths_of_the_header(void **state)
{
    tg_context *tg = *state;
    unsigned char b[16] = "\x09\0\0\0\0\0\0\0{}      ";
    assert_null(tg_read_safetensors(tg, b, 7, NULL));
    check_error(tg, TG_ERR_IO, "read_safetensors: memory: a file of less than 8 bytes");
    assert_null(tg_read_safetensors(tg, b, 16, NULL));
    check_error(tg, TG_ERR_IO,
                "read_safetensors: memory: no safetensors: the header would have 9 bytes, more "
                "than the file");
    b[7] = 0xff;
    assert_null(tg_read_safetensors(tg, b, 16, NULL));
    check_error(tg, TG_ERR_IO,
                "read_safetensors: memory: no safetensors: the header would have "
                "18374686479671623689 bytes, more than 100000000");
    assert_null(tg_read_safetensors(tg, NULL, 16, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "read_safetensors: bytes is NULL");
    assert_null(tg_read_safetensors(NULL, b, 16, NULL));
}

static void test_places_of_tensors(void **state)
{
    tg_context *tg = *state;
    check_taken(tg, "{" W("[1]", "[4,8]") "," V("[1]", "[0,4]") "}", 8);
    check_taken(tg, " \t\r\n{ " W("[ 2 , 1 ]", "[ 0 , 8 ]") " } \n", 8);
    check_taken(tg, "{" W("[0]", "[4,4]") "," V("[1]", "[0,4]") "}", 4);
    check_refused(tg, "{" W("[1]", "[4,8]") "}", 8, "tensor 'w': there is a hole before it");
    check_refused(tg, "{" W("[1]", "[0,4]") "}", 8, "4 bytes follow the last tensor");
    check_refused(tg, "{}", 1, "1 bytes follow the last tensor");
    check_refused(tg, "{" W("[1]", "[0,4]") "," V("[1]", "[2,6]") "}", 6,
                  "tensor 'v': it overlaps another");
    check_refused(tg, "{" W("[1]", "[0,4]") "," V("[1]", "[0,4]") "}", 4,
                  "tensor 'v': it overlaps another");
    check_refused(tg, "{" W("[1]", "[4,0]") "}", 4,
                  "tensor 'w': it ends behind the file, or before it begins");
    check_refused(tg, "{" W("[2]", "[0,8]") "}", 4,
                  "tensor 'w': it ends behind the file, or before it begins");
    check_refused(tg, "{" W("[1]", "[0,18446744073709551615]") "}", 4,
                  "tensor 'w': it ends behind the file, or before it begins");
    check_refused(tg, "{" W("[2]", "[0,4]") "}", 4,
                  "tensor 'w': its shape and type do not give the bytes between its offsets");
}

static void test_shapes(void **state)
{
    tg_context *tg = *state;
    static const char size[] =
        "tensor 'w': its shape and type do not give the bytes between its offsets";
    check_taken(tg, "{" W("[1,1,1,1,1,1,1,1]", "[0,4]") "}", 4);
    check_refused(tg, "{" W("[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4,
                  "tensor 'w': it has more than 8 dimensions");
    check_refused(tg, "{" W("[4611686018427387904,4,0]", "[0,0]") "}", 0,
                  "tensor 'w': its shape is too large");
    check_refused(tg, "{" W("[0,4611686018427387904,4]", "[0,0]") "}", 0,
                  "tensor 'w': its shape is too large");
    check_refused(tg, "{" W("[9223372036854775808]", "[0,0]") "}", 0,
                  "tensor 'w': its shape is too large");
    /* 2^62 elements of 4 bytes would have 0 bytes, modulo 2^64. */
    check_refused(tg, "{" W("[4611686018427387904]", "[0,0]") "}", 0,
                  "tensor 'w': its shape is too large");
    check_refused(tg, "{" W("[1000000]", "[0,4]") "}", 4, size);
    check_refused(tg, "{" W("[18446744073709551616]", "[0,4]") "}", 4,
                  "byte 29 of the header: the number is too large");
}

static void test_names(void **state)
{
    tg_context *tg = *state;
    check_taken(
        tg, "{\"\\u0077\\uD83D\\ude42\\/\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}",
        1);
    check_refused(tg, "{" W("[1]", "[0,4]") "," W("[1]", "[4,8]") "}", 8,
                  "tensor 'w': the name is there twice");
    check_refused(
        tg,
        "{" W("[1]",
              "[0,4]") ",\"\\u0077\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
        8, "tensor 'w': the name is there twice");
    check_refused(tg, "{\"w\\u0000\":{}}", 0, "byte 4 of the header: a text has a zero byte");
    check_refused(tg, "{\"w\\u0007\":{}}", 0,
                  "byte 9 of the header: the text before is not UTF-8, or has a control character");
    check_refused(tg, "{\"w\x07\":{}}", 0, "byte 3 of the header: a control character");
    check_refused(tg, "{\"w\xff\":{}}", 0,
                  "byte 4 of the header: the text before is not UTF-8, or has a control character");
    check_refused(tg, "{\"\xed\xa0\x80\":{}}", 0,
                  "byte 5 of the header: the text before is not UTF-8, or has a control character");
    check_refused(tg, "{\"\\ud800\":{}}", 0, "byte 3 of the header: a surrogate stands alone");
    check_refused(tg, "{\"\\ud800\\u0041\":{}}", 0,
                  "byte 3 of the header: a surrogate stands alone");
    check_refused(tg, "{\"\\udc00\":{}}", 0, "byte 3 of the header: a surrogate stands alone");
    check_refused(tg, "{\"\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1,
                  "a tensor has the name ''");
}

static void test_members_of_a_tensor(void **state)
{
    tg_context *tg = *state;
    check_refused(tg, "{\"w\":{\"dtype\":\"F32\",\"shape\":[]}}", 4,
                  "tensor 'w': dtype, shape or data_offsets is missing");
    check_refused(tg, "{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 4,
                  "tensor 'w': 'dtype' is there twice");
    check_refused(tg, "{\"w\":{\"Dtype\":\"F32\"}}", 4,
                  "tensor 'w': 'Dtype' is none of dtype, shape and data_offsets");
    check_refused(tg, "{" W("[1]", "[0]") "}", 4, "tensor 'w': data_offsets must be two numbers");
    check_refused(tg, "{" W("[1]", "[0,4,4]") "}", 4,
                  "tensor 'w': data_offsets must be two numbers");
    check_refused(tg, "{\"w\":{\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
                  "tensor 'w': the type 'f32' cannot be read");
}

static void test_json(void **state)
{
    static const struct {
        const char *header, *problem;
    } wrong[] = {
        {"", "byte 0 of the header: '{' was expected"},
        {"[]", "byte 0 of the header: '{' was expected"},
        {"{}{}", "byte 2 of the header: more follows the last '}'"},
        {"{} x", "byte 3 of the header: more follows the last '}'"},
        {"{,}", "byte 1 of the header: '\"' was expected"},
        {"{\"w\"}", "byte 4 of the header: ':' was expected"},
        {"{\"w\":3}", "byte 5 of the header: '{' was expected"},
        {"{\"w\":{}}", "byte 6 of the header: '\"' was expected"},
        {"{\"w", "byte 3 of the header: the text is not closed"},
        {"{\"w\\", "byte 4 of the header: no escape of JSON follows the backslash"},
        {"{\"w\\x41\":{}}", "byte 4 of the header: no escape of JSON follows the backslash"},
        {"{\"w\\u12g4\":{}}", "byte 4 of the header: no escape of JSON follows the backslash"},
        {"{\"__metadata__\":null}", "byte 16 of the header: '{' was expected"},
        {"{\"__metadata__\":{\"a\":1}}", "byte 21 of the header: '\"' was expected"},
        {"{\"__metadata__\":{\"a\":\"b\"", "byte 24 of the header: ',' or '}' was expected"},
        {"{\"__metadata__\":{},}", "byte 19 of the header: '\"' was expected"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", "__metadata__ is there twice"},
        {"{\"__metadata__\":{\"a\":\"b\",\"a\":\"b\"}}", "__metadata__: 'a' is there twice"},
        {"{\"__metadata__\":{\"\":\"b\"}}", "__metadata__: '' is no key"},
        {"{" W("[01]", "[0,4]") "}", "byte 29 of the header: a whole number was expected"},
        {"{" W("[-1]", "[0,4]") "}", "byte 29 of the header: a whole number was expected"},
        {"{" W("[1.0]", "[0,4]") "}", "byte 30 of the header: ',' or ']' was expected"},
        {"{" W("[1e0]", "[0,4]") "}", "byte 30 of the header: ',' or ']' was expected"},
        {"{" W("[1,]", "[0,4]") "}", "byte 31 of the header: a whole number was expected"},
        {"{" W("1", "[0,4]") "}", "byte 28 of the header: '[' was expected"},
        {"{" W("[1]", "[0,4]"), "byte 53 of the header: ',' or '}' was expected"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_refused(*state, wrong[i].header, 4, wrong[i].problem);
    check_taken(*state, "{" W("[1]", "[0,4]") ",\"__metadata__\":{\"a\":\"\",\"b\":\"\\n\"}}", 4);
}

/* JSON of any depth and length is refused in time that its length bounds, without recursion. */
static void test_deep_and_huge_json(void **state)
{
    enum { N = 1000000 };
    char *header = test_malloc(N + 1);
    memset(header, '[', N);
    header[N] = 0;
    check_refused(*state, header, 0, "byte 0 of the header: '{' was expected");
    for (int i = 0; i < N; i += 5) memcpy(header + i, "{\"a\":", 5);
    check_refused(*state, header, 0, "tensor 'a': 'a' is none of dtype, shape and data_offsets");
    memset(header, ' ', N);
    check_refused(*state, header, 0, "byte 1000000 of the header: '{' was expected");
    test_free(header);
}

/* ---- Every byte cut off or changed: an error or a list, and with ASan no byte outside is read. */

static void test_a_file_that_is_cut_at_each_byte(void **state)
{
    tg_context *tg = *state;
    bytes b = golden("dtypes");
    for (size_t n = 0; n < b.n; n++) {
        unsigned char *cut = test_malloc(n ? n : 1); /* ASan watches its end */
        memcpy(cut, b.at, n);
        tg_scope_begin(tg);
        assert_null(tg_read_safetensors(tg, cut, n, TG_LOAD(.map = n % 2)));
        tg_scope_end(tg);
        assert_int_equal(tg_error_code(tg), TG_ERR_IO);
        tg_clear_error(tg);
        test_free(cut);
    }
    test_free(b.at);
}

static double sum_of(const tg_state *s)
{
    double sum = 0;
    for (int64_t i = 0; i < s->n; i++) {
        const tg_tensor *t = s->items[i].tensor;
        for (int64_t j = 0; j < t->numel && t->dtype != TG_I64; j++) sum += element_of(t, j);
    }
    return sum;
}

static void test_a_file_of_which_each_byte_is_changed(void **state)
{
    static const unsigned char flips[] = {0x01, 0x20, 0x80, 0xff};
    tg_context *tg = *state;
    bytes b = golden("dtypes");
    for (size_t i = 0; i < b.n * sizeof flips; i++) {
        const size_t at = i / sizeof flips;
        b.at[at] ^= flips[i % sizeof flips];
        tg_scope_begin(tg);
        const tg_state *s = tg_read_safetensors(tg, b.at, b.n, TG_LOAD(.map = i % 2));
        assert_true((s != NULL) == tg_ok(tg));
        if (s) sum_of(s);
        assert_true(s || strlen(tg_error(tg)) > 30);
        tg_scope_end(tg);
        tg_clear_error(tg);
        b.at[at] ^= flips[i % sizeof flips];
    }
    test_free(b.at);
}

/* ---- Memory. */

/* Loads or saves, and returns whether that has worked. */
static bool try_memory(tg_context *tg, bool saves, bytes b, guarded *g, long fail_at)
{
    const tg_state *s = saves ? make_dtypes(tg) : NULL;
    const size_t live = tg_get_stats(tg).live_bytes;
    check_ok(tg);
    g->fail_at = g->asked + fail_at;
    const bool done = saves ? tg_save_safetensors(s, path, NULL)
                            : tg_read_safetensors(tg, b.at, b.n, NULL) != NULL;
    g->fail_at = 0;
    assert_int_equal(tg_error_code(tg), done ? TG_OK : TG_ERR_MEMORY);
    if (!done) assert_true(tg_get_stats(tg).live_bytes <= live + 65536 + 256);
    return done;
}

static void test_each_allocation_that_fails(void **state)
{
    (void)state;
    bytes b = golden("dtypes");
    for (int saves = 0; saves < 2; saves++) {
        bool done = false;
        for (long fail_at = 1; !done; fail_at++) {
            guarded g = {0};
            const tg_options o = guarded_options(&g);
            tg_context *tg = tg_open(&o);
            done = try_memory(tg, saves, b, &g, fail_at);
            assert_int_equal(done, g.failed == 0);
            FILE *file = fopen(path, "rb");
            assert_int_equal(file != NULL, saves && done);
            if (file) fclose(file);
            tg_close(tg);
            assert_true(g.blocks == 0 && !g.damaged);
        }
        assert_true(remove(path) == 0 || !saves);
    }
    test_free(b.at);
}

/* What a load takes besides its tensors is given back: many rounds hold no more than one. */
static void test_memory_is_that_of_the_tensors(void **state)
{
    tg_context *tg = *state;
    bytes b = golden("dtypes");
    size_t held = 0;
    for (int round = 0; round < 100; round++) {
        tg_scope_begin(tg);
        assert_non_null(tg_read_safetensors(tg, b.at, b.n, NULL));
        tg_scope_end(tg);
        if (round == 0) held = tg_get_stats(tg).held_bytes;
    }
    assert_int_equal(tg_get_stats(tg).held_bytes, held);
    test_free(b.at);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_saved_bytes_are_those_of_the_official_package),
        TEST(test_saved_bytes_of_narrower_types),
        TEST(test_a_file_of_the_official_package_is_loaded),
        TEST(test_other_types_are_converted_when_asked_for),
        TEST(test_a_type_that_cannot_be_converted),
        TEST(test_a_mapped_tensor_is_read_only_and_shows_the_file),
        TEST(test_what_cannot_be_shown_is_copied),
        TEST(test_a_mapping_ends_with_its_scope),
        TEST(test_the_state_of_a_network_is_kept),
        TEST(test_lists_that_cannot_be_saved),
        TEST(test_nothing_happens_while_an_error_is_pending),
        TEST(test_lengths_of_the_header),
        TEST(test_places_of_tensors),
        TEST(test_shapes),
        TEST(test_names),
        TEST(test_members_of_a_tensor),
        TEST(test_json),
        TEST(test_deep_and_huge_json),
        TEST(test_a_file_that_is_cut_at_each_byte),
        TEST(test_a_file_of_which_each_byte_is_changed),
        cmocka_unit_test(test_each_allocation_that_fails),
        TEST(test_memory_is_that_of_the_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
