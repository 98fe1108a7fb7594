/* Checkpoints of PyTorch. tests/golden/pt.py describes the files in tests/golden/pt and what is in
 * them; other archives are made here, with pickles written by hand. */
#include "check.h"
#include "guarded.h"

#include "io/zip.h"

/* ---- Files of PyTorch. */

static const char *path_of(const char *file)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/tests/golden/pt/%s.pt", TEST_ROOT, file);
    return path;
}

/* Reads a list like "[2,3]"; returns how many numbers it has. */
static int read_shape(const char *text, int64_t *shape)
{
    int n = 0;
    for (char *at = (char *)(uintptr_t)(text + 1); *at != ']'; at += *at == ',')
        shape[n++] = strtoll(at, &at, 10);
    return n;
}

/* Compares t with a dtype, a shape and values in text, separated by spaces. */
static void check_tensor(const char *title, const tg_tensor *t, char *expected)
{
    int64_t shape[TG_MAX_DIMS];
    const char *dtype = strtok(expected, " "), *sizes = strtok(NULL, " ");
    char *at = strtok(NULL, "\n");
    if (strcmp(tg_dtype_name(t->dtype), dtype)) fail_msg("%s is %s", title, dtype);
    assert_int_equal(t->ndim, read_shape(sizes, shape));
    for (int i = 0; i < t->ndim; i++) assert_int_equal(t->shape[i], shape[i]);
    for (int64_t i = 0; i < t->numel; i++, at += *at == ',') {
        if (t->dtype == TG_I64) {
            int64_t index[TG_MAX_DIMS], rest = i;
            for (int d = t->ndim - 1; d >= 0; rest /= t->shape[d--]) index[d] = rest % t->shape[d];
            assert_int_equal(tg_get_i64(t, (tg_shape){t->ndim, index}), strtoll(at, &at, 10));
            continue;
        }
        const double value = element_of(t, i), wanted = strtod(at, &at);
        if (memcmp(&value, &wanted, sizeof value) != 0 && !(isnan(value) && isnan(wanted)))
            fail_msg("%s: element %lld is %.17g", title, (long long)i, value);
    }
}

/* Loads each file of the golden data and compares all that is in it. */
static void check_files(const tg_load_options *options)
{
    static char line[1 << 16];
    char path[512], open[64] = "";
    tg_context *tg = tg_open(NULL);
    tg_state *state = NULL;
    int64_t tensors = 0, texts = 0;
    snprintf(path, sizeof path, "%s/tests/golden/pt_golden.txt", TEST_ROOT);
    FILE *golden = fopen(path, "r");
    assert_non_null(golden);
    while (fgets(line, sizeof line, golden)) {
        char file[64], name[64], kind[16];
        int n;
        assert_int_equal(sscanf(line, "%63s %63s %15s %n", file, name, kind, &n), 3);
        if (strcmp(file, open) != 0) {
            if (state && state->n + state->n_texts != tensors + texts)
                fail_msg("%s has more values", open);
            state = tg_load_pt(tg, path_of(file), options);
            if (!state) fail_msg("%s: %s", file, tg_error(tg));
            strcpy(open, file);
            tensors = texts = 0;
        }
        if (!strcmp(kind, "tensor")) {
            assert_string_equal(state->items[tensors++].name, name); /* in the order of the file */
            check_tensor(name, tg_state_get(state, name), line + n);
        } else {
            line[strcspn(line, "\n")] = 0;
            texts++;
            assert_non_null(tg_state_text(state, name));
            assert_string_equal(tg_state_text(state, name), line + n);
        }
        check_ok(tg);
    }
    fclose(golden);
    tg_close(tg);
}

static void test_files_of_pytorch_are_read(void **state)
{
    (void)state;
    check_files(TG_LOAD(.convert = true));
    check_files(TG_LOAD(.convert = true, .map = true));
}

static tg_tensor *halved(tg_tensor *x)
{
    return tg_max_pool2d(x, TG_POOL(.kernel = {2, 2}));
}

/* Checks that no element of a and b differs by more than `most`. */
static void check_close(tg_tensor *a, tg_tensor *b, double most)
{
    const double differ = tg_item(tg_max(tg_abs(tg_sub(a, b))));
    if (!(differ <= most)) fail_msg("differs by %g", differ);
}

/* Sums have at most 12 terms here, each below 4 in size, and are added in another order than in
 * PyTorch: each of the two results has at most 24 roundings of at most 2^-24 x 48. */
static const double sums_differ = 2 * 24 * 48 * 0x1p-24;

static void test_networks_give_the_outputs_of_pytorch(void **state)
{
    tg_context *tg = *state;
    tg_state *s = tg_load_pt(tg, path_of("mlp"), NULL);
    tg_module *mlp = tg_sequential(TG_MODULES(tg_linear(tg, 4, 8, TG_BIAS), tg_lambda(tg, tg_relu),
                                              tg_linear(tg, 8, 3, TG_BIAS)));
    assert_false(tg_load_state_dict(mlp, s, TG_STRICT)); /* x and y have no place */
    check_error(tg, TG_ERR_ARGUMENT, "load_state_dict: not expected x, y");
    assert_true(tg_load_state_dict(mlp, s, TG_NOT_STRICT));
    check_close(tg_forward(mlp, tg_state_get(s, "x")), tg_state_get(s, "y"), sums_differ);

    s = tg_load_pt(tg, path_of("conv"), TG_LOAD(.map = true));
    tg_conv_options padded = tg_conv_defaults();
    padded.padding[0] = padded.padding[1] = 1;
    tg_module *conv = tg_sequential(
        TG_MODULES(tg_conv2d_layer(tg, 1, 3, TG_SHAPE(3, 3), TG_BIAS, &padded),
                   tg_batchnorm2d(tg, 3, NULL), tg_lambda(tg, tg_relu), tg_lambda(tg, halved),
                   tg_flatten_layer(tg, 1, -1), tg_linear(tg, 12, 4, TG_BIAS)));
    assert_true(tg_load_state_dict(conv, tg_state_part(s, "model."), TG_STRICT));
    tg_eval(conv);
    check_close(tg_forward(conv, tg_state_get(s, "x")), tg_state_get(s, "y"), sums_differ);
}

/* A run of PyTorch goes on here: a step from its checkpoint has the parameters of PyTorch's next
 * step. Adam divides by the root of what it multiplies; a step of 0.01 hardly depends on how large
 * the error of a gradient is, and by less than its relative size. */
static void test_training_goes_on_where_pytorch_stopped(void **state)
{
    tg_context *tg = *state;
    tg_state *s = tg_load_pt(tg, path_of("adam"), NULL);
    tg_module *net = tg_sequential(TG_MODULES(tg_linear(tg, 3, 4, TG_BIAS), tg_lambda(tg, tg_tanh),
                                              tg_linear(tg, 4, 1, TG_BIAS)));
    tg_optim *adam = tg_adam(net, NULL);
    assert_true(tg_load_state_dict(net, tg_state_part(s, "model."), TG_STRICT));
    assert_true(tg_optim_load_state_dict(adam, tg_state_part(s, "optimizer.")));
    tg_tensor *loss =
        tg_mse_loss(tg_forward(net, tg_state_get(s, "x")), tg_state_get(s, "y"), TG_MEAN);
    assert_true(tg_backward(loss));
    assert_true(tg_step(adam));
    const tg_state *now = tg_state_dict(net), *then = tg_state_part(s, "then.");
    assert_int_equal(now->n, 4);
    for (int i = 0; i < 4; i++) {
        tg_tensor *before = tg_state_get(tg_state_part(s, "model."), now->items[i].name);
        check_close(now->items[i].tensor, tg_state_get(then, now->items[i].name), 1e-6);
        assert_true(tg_item(tg_max(tg_abs(tg_sub(now->items[i].tensor, before)))) > 1e-3);
    }
    assert_string_equal(tg_state_text(s, "note"), "trained \u00fcber Nacht");
}

static void test_what_is_not_read_is_named(void **state)
{
#define IMPORT(name)                                                                               \
    "data.pkl wants Python to import " name                                                        \
    ", and only tensors, numbers and texts in dicts and lists can be read: "                       \
    "save net.state_dict(), not net"
    static const char *const refused[][2] = {
        {"module", IMPORT("torch.nn.modules.linear.Linear")},
        {"script", IMPORT("__torch__.torch.nn.modules.linear.Linear")},
        {"device", IMPORT("torch.device")},
        {"set", IMPORT("__builtin__.set")},
        {"complex", IMPORT("torch.ComplexFloatStorage")},
        {"old", "it has the format of PyTorch before 1.6; load it there and save it again by "
                "torch.save(state, path)"},
        {"protocol_4", "data.pkl has pickle protocol 4; only 2 is read, which is the default of "
                       "torch.save"},
        {"large", "'seed': the number is too large for int64"},
        {"nine", "'x': it has more than 8 dimensions"},
        {"endless", "'x.0.x.0.x.0.x.0.x.0.x.0.x.0.x.0.x.0.x.0.x.0.x.0.x.0.x.0.x.0.x.0': dicts and "
                    "lists are nested more than 32 deep, or contain themselves"},
        {"nothing", "No such file or directory"},
        {"../pt", "No such file or directory"},
    };
#undef IMPORT
    tg_context *tg = *state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const char *path = path_of(refused[i][0]);
        char text[1024];
        const size_t n = strlen(path);
        snprintf(text, sizeof text, "load_pt: %s: %s", path + (n > 256 ? n - 256 : 0),
                 refused[i][1]);
        assert_null(tg_load_pt(tg, path, TG_LOAD(.convert = true)));
        check_error(tg, TG_ERR_IO, text);
    }
    assert_null(tg_load_pt(tg, path_of("kinds"), NULL));
    assert_int_equal(tg_error_code(tg), TG_ERR_DTYPE);
    assert_non_null(strstr(tg_error(tg), "tensor 'types.2': float16 is no dtype: "
                                         "TG_LOAD(.convert = true) reads it as float32"));
    tg_clear_error(tg);
    assert_null(tg_load_pt(tg, NULL, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "load_pt: the path is NULL");
    assert_null(tg_read_pt(tg, NULL, 3, NULL));
    check_error(tg, TG_ERR_ARGUMENT, "read_pt: bytes is NULL");
    assert_null(tg_load_pt(NULL, path_of("mlp"), NULL));
}

static void test_tensors_share_a_storage_as_in_pytorch(void **state)
{
    tg_context *tg = *state;
    tg_state *s = tg_load_pt(tg, path_of("kinds"), TG_LOAD(.convert = true));
    tg_tensor *all = tg_state_get(s, "views.all"), *transposed = tg_state_get(s, "views.t");
    assert_true(tg_set(all, TG_INDEX(3, 5), 99));
    assert_true(tg_get(transposed, TG_INDEX(5, 3)) == 99);
    assert_true(tg_item(tg_state_get(s, "views.scalar")) == 99);
    assert_ptr_equal(tg_state_get(s, "tied.0"), tg_state_get(s, "tied.1"));
    assert_true(tg_is_contiguous(tg_state_get(s, "types.0")));
    assert_true(tg_item(tg_sum(tg_requires_grad_(transposed, true))) == 276 - 23 + 99);
}

static void test_a_mapped_file_is_read_only(void **state)
{
    tg_context *tg = *state;
    tg_scope_begin(tg);
    tg_state *s = tg_load_pt(tg, path_of("mlp"), TG_LOAD(.map = true));
    tg_tensor *weight = tg_state_get(s, "0.weight");
    assert_true(tg_is_contiguous(weight));
    assert_null(tg_fill_(weight, 0));
    check_error(tg, TG_ERR_ARGUMENT, "fill_: the tensor [8, 4] is const memory and read-only");
    tg_tensor *copy = tg_state_get(tg_load_pt(tg, path_of("mlp"), NULL), "0.weight");
    assert_true(tg_item(tg_sum(tg_abs(tg_sub(copy, weight)))) == 0);
    assert_non_null(tg_fill_(copy, 0));
    tg_scope_end(tg);
}

/* ---- Archives made here. */

typedef struct archive {
    unsigned char bytes[1 << 16], directory[1 << 12];
    size_t n, n_directory;
    int entries;
} archive;

static void put(unsigned char *bytes, size_t *n, uint64_t number, int width)
{
    for (int i = 0; i < width; i++) bytes[(*n)++] = (unsigned char)(number >> 8 * i);
}

static void put_bytes(unsigned char *bytes, size_t *n, const void *from, size_t count)
{
    if (count > 0) memcpy(bytes + *n, from, count);
    *n += count;
}

/* What the local header of an entry and its place in the directory have in common. */
static void put_common(unsigned char *b, size_t *n, int method, uint32_t crc, size_t packed,
                       size_t size, size_t name)
{
    put(b, n, 20, 2);
    put(b, n, 0, 2);
    put(b, n, (uint64_t)method, 2);
    put(b, n, 0, 4);
    put(b, n, crc, 4);
    put(b, n, packed, 4);
    put(b, n, size, 4);
    put(b, n, name, 2);
    put(b, n, 0, 2);
}

/* Adds an entry. With `deflate` it is stored as one block of deflated data. */
static void add_entry(archive *a, const char *name, const void *content, size_t size, bool deflate)
{
    static crc_table table;
    tg__crc_begin(&table);
    const uint32_t crc = tg__crc(&table, 0, content, size);
    const size_t at = a->n, packed = size + 5 * deflate;
    assert_true(a->n + size + 1000 < sizeof a->bytes);
    put(a->bytes, &a->n, 0x04034b50, 4);
    put_common(a->bytes, &a->n, deflate ? 8 : 0, crc, packed, size, strlen(name));
    put_bytes(a->bytes, &a->n, name, strlen(name));
    if (deflate) put(a->bytes, &a->n, 1 | size << 8 | (size ^ 0xffff) << 24, 5);
    put_bytes(a->bytes, &a->n, content, size);
    put(a->directory, &a->n_directory, 0x02014b50, 4);
    put(a->directory, &a->n_directory, 20, 2);
    put_common(a->directory, &a->n_directory, deflate ? 8 : 0, crc, packed, size, strlen(name));
    put(a->directory, &a->n_directory, 0, 6);
    put(a->directory, &a->n_directory, 0, 4);
    put(a->directory, &a->n_directory, at, 4);
    put_bytes(a->directory, &a->n_directory, name, strlen(name));
    a->entries++;
}

static tg_state *read_entries(tg_context *tg, archive *a)
{
    const size_t at = a->n;
    put_bytes(a->bytes, &a->n, a->directory, a->n_directory);
    put(a->bytes, &a->n, 0x06054b50, 4);
    put(a->bytes, &a->n, 0, 4);
    put(a->bytes, &a->n, (uint64_t)a->entries, 2);
    put(a->bytes, &a->n, (uint64_t)a->entries, 2);
    put(a->bytes, &a->n, a->n_directory, 4);
    put(a->bytes, &a->n, at, 4);
    put(a->bytes, &a->n, 0, 2);
    tg_state *s = tg_read_pt(tg, a->bytes, a->n, TG_LOAD(.convert = true));
    a->n = at;
    return s;
}

/* Reads an archive with this pickle and a storage "0" of the six floats 0, 1, ... */
static tg_state *read_pickle(tg_context *tg, const char *pickle, size_t n)
{
    static archive a;
    static const float values[] = {0, 1, 2, 3, 4, 5};
    a.n = a.n_directory = 0;
    a.entries = 0;
    add_entry(&a, "x/data.pkl", pickle, n, false);
    add_entry(&a, "x/data/0", values, sizeof values, false);
    return read_entries(tg, &a);
}

#define PICKLE(text) (text), sizeof(text) - 1

static void check_refused(tg_context *tg, const char *pickle, size_t n, const char *message)
{
    char text[1024];
    snprintf(text, sizeof text, "read_pt: memory: %s", message);
    if (read_pickle(tg, pickle, n)) fail_msg("not refused: %s", message);
    check_error(tg, TG_ERR_IO, text);
}

/* Parts of pickles: a text, a tuple of one or two small numbers, and a float tensor of six. */
#define TEXT(n, text) "X" n "\0\0\0" text
#define ONE(a)        "K" a "\x85"
#define TWO(a, b)     "K" a "K" b "\x86"
#define REBUILD       "ctorch._utils\n_rebuild_tensor_v2\n"
#define STORAGE(key, n)                                                                            \
    "(" TEXT("\7", "storage") "ctorch\nFloatStorage\n" key TEXT("\3", "cpu") n "tQ"
#define STORAGE_0                               STORAGE(TEXT("\1", "0"), "K\6")
#define TENSOR(storage, offset, shape, strides) REBUILD "(" storage offset shape strides "\x89}tR"
/* A tensor with the argument metadata of PyTorch 2's _rebuild_tensor_v2. */
#define SEVENTH(metadata)                       REBUILD "(" STORAGE_0 "K\0" ONE("\6") ONE("\1") "\x89}" metadata "tR"
#define IN_DICT(value)                          "\x80\2}" TEXT("\1", "t") value "s."

static void test_pickles_written_by_hand(void **state)
{
    tg_context *tg = *state;
    tg_state *s = read_pickle(
        tg, PICKLE(IN_DICT(TENSOR(STORAGE_0, "K\1", TWO("\2", "\2"), TWO("\1", "\3")))));
    check_values(tg_state_get(s, "t"), 1, 4, 2, 5);
    s = read_pickle(tg, PICKLE("]q\0(K\1J\xfe\xff\xff\xff\x8a\0\x8a\1\xff\x8a\2\x80\1\x88h\0ae."));
    assert_null(s); /* the list contains itself */
    tg_clear_error(tg);
    s = read_pickle(tg, PICKLE("(K\1J\xfe\xff\xff\xff\x8a\0\x8a\1\xff\x8a\2\x80\1\x88t."));
    const double values[] = {1, -2, 0, -1, 384, 1};
    for (int i = 0; i < 6; i++) assert_true(tg_item(s->items[i].tensor) == values[i]);
    s = read_pickle(tg, PICKLE("}."));
    assert_int_equal(s->n, 0);
    s = read_pickle(tg, PICKLE(TENSOR(STORAGE_0, "K\0", ONE("\6"), ONE("\1")) "."));
    check_values(tg_state_get(s, "tensor"), 0, 1, 2, 3, 4, 5);
    assert_non_null(read_pickle(tg, PICKLE(IN_DICT(SEVENTH("}")))));
    assert_non_null(read_pickle(tg, PICKLE(IN_DICT(SEVENTH("N")))));
    /* Strides that no element needs may be anything. */
    s = read_pickle(
        tg, PICKLE(IN_DICT(TENSOR(STORAGE_0, "K\5", "K\1K\1K\0\x87", "K\7M\xff\xffK\1\x87"))));
    assert_int_equal(tg_state_get(s, "t")->numel, 0);
    s = read_pickle(tg,
                    PICKLE(IN_DICT(TENSOR(STORAGE_0, "K\5", ONE("\1"), "J\xff\xff\xff\x7f\x85"))));
    check_values(tg_state_get(s, "t"), 5);
}

static void test_nothing_is_called(void **state)
{
    tg_context *tg = *state;
    check_refused(tg, PICKLE("cos\nsystem\n(" TEXT("\2", "ls") "tR."),
                  "data.pkl wants Python to import os.system, and only tensors, numbers and texts "
                  "in dicts and lists can be read: save net.state_dict(), not net");
    check_refused(tg, PICKLE("cos\n" TEXT("\2", "ls") "\n."),
                  "data.pkl wants Python to import os.X????ls, and only tensors, numbers and texts "
                  "in dicts and lists can be read: save net.state_dict(), not net");
    check_refused(tg, PICKLE("cos\nsystem"), "byte 1 of data.pkl: a name has no end");
    check_refused(tg, PICKLE("cos"), "byte 1 of data.pkl: a name has no end");
    check_refused(tg, PICKLE("N)R."), "byte 3 of data.pkl: it calls what is no function");
    check_refused(tg, PICKLE("ctorch\nSize\n]R."),
                  "byte 14 of data.pkl: it calls what is no function");
    static const char *const wrong[] = {
        "ctorch\nSize\n)R.", "ctorch\nSize\nN\x85R.", "ctorch\nFloatStorage\n)R.",
        "ccollections\nOrderedDict\n]\x85R.", "ctorch._utils\n_rebuild_parameter\nN\x85R."};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char message[200];
        snprintf(message, sizeof message,
                 "byte %zu of data.pkl: it calls a function with arguments that are not those of "
                 "PyTorch",
                 strlen(wrong[i]) - 1);
        check_refused(tg, wrong[i], strlen(wrong[i]), message);
    }
}

static void test_instructions_that_are_not_carried_out(void **state)
{
    static const char known[] = "(NKMJGX)t]ae}suqrhjcRbQ.\x80\x85\x86\x87\x88\x89\x8a";
    tg_context *tg = *state;
    for (int i = 0; i < 256; i++) {
        char pickle[] = "N.";
        pickle[0] = (char)i;
        if (i && strchr(known, i)) continue;
        assert_null(read_pickle(tg, pickle, 2));
        char text[100];
        snprintf(text, sizeof text, "byte 1 of data.pkl: the instruction %d", i);
        assert_non_null(strstr(tg_error(tg), text));
        tg_clear_error(tg);
    }
    check_refused(tg, PICKLE("\x93."),
                  "byte 1 of data.pkl: the instruction 147 (STACK_GLOBAL) is not carried out");
}

static void test_pickles_that_are_no_programs(void **state)
{
#define AT(byte, problem) "byte " byte " of data.pkl: " problem
    static const struct {
        const char *pickle;
        size_t n;
        const char *message;
    } cases[] = {
        {PICKLE(""), AT("0", "it is cut")},
        {PICKLE("N"), AT("1", "it is cut")},
        {PICKLE("K"), AT("1", "it is cut")},
        {PICKLE("G1234567"), AT("1", "it is cut")},
        {PICKLE("X\xff\xff\xff\xff."), AT("5", "it is cut")},
        {PICKLE("\x8a\xff."), AT("2", "it is cut")},
        {PICKLE("\x8a\4abc"), AT("2", "it is cut")},
        {PICKLE("."), AT("0", "it ends with no value")},
        {PICKLE("(."), AT("1", "it ends with no value")},
        {PICKLE("NN."), AT("2", "it ends with no value")},
        {PICKLE("].."), AT("1", "more follows its end")},
        {PICKLE("R."), AT("1", "the stack is empty")},
        {PICKLE("NR."), AT("2", "the stack is empty")},
        {PICKLE("a."), AT("1", "the stack is empty")},
        {PICKLE("Ns."), AT("2", "the stack is empty")},
        {PICKLE("b."), AT("1", "the stack is empty")},
        {PICKLE("Q."), AT("1", "the stack is empty")},
        {PICKLE("q\0."), AT("2", "the stack is empty")},
        {PICKLE("\x86."), AT("1", "the stack is empty")},
        {PICKLE("(e."), AT("2", "the stack is empty")},
        {PICKLE("Nt."), AT("2", "the stack has no mark")},
        {PICKLE("]Ne."), AT("3", "the stack has no mark")},
        {PICKLE("}u."), AT("2", "the stack has no mark")},
        {PICKLE("](a."), AT("3", "a mark is no value")},
        {PICKLE("((\x86."), AT("3", "a mark is no value")},
        {PICKLE("(q\0."), AT("3", "a mark is no value")},
        {PICKLE("}Na."), AT("3", "it appends to what is no list")},
        {PICKLE(")Na."), AT("3", "it appends to what is no list")},
        {PICKLE("]NNs."), AT("4", "it sets items of what is no dict")},
        {PICKLE("}(Nu."), AT("4", "a key has no value")},
        {PICKLE("]Nb."), AT("3", "it sets attributes of what is no OrderedDict")},
        {PICKLE("NQ."), AT("2", "a storage is no tuple")},
        {PICKLE("h\0."), AT("2", "the memo has no such value")},
        {PICKLE("Nq\0h\1."), AT("5", "the memo has no such value")},
        {PICKLE("j\xff\xff\xff\xff."), AT("5", "the memo has no such value")},
        {PICKLE("Nq\1."), AT("3", "the memo is not filled in order")},
        {PICKLE("Nr\xff\xff\xff\xff."), AT("6", "the memo is not filled in order")},
        {PICKLE("N."), "data.pkl has no tensor, dict or list"},
        {PICKLE("ctorch\nSize\n."), "data.pkl has no tensor, dict or list"},
    };
#undef AT
    tg_context *tg = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(tg, cases[i].pickle, cases[i].n, cases[i].message);
}

static void test_names_and_texts(void **state)
{
    static const char key[] = "a key is empty, is not UTF-8, or has a control character";
    char message[200];
    tg_context *tg = *state;
    static const struct {
        const char *pickle;
        size_t n;
        const char *shown;
    } keys[] = {{PICKLE("}" TEXT("\0", "") "K\1s."), ""},
                {PICKLE("}" TEXT("\3", "a\0b") "K\1s."), "a?b"},
                {PICKLE("}" TEXT("\2", "a\n") "K\1s."), "a?"},
                {PICKLE("}" TEXT("\1", "a") "}" TEXT("\0", "") "K\1ss."), "a."},
                {PICKLE("}" TEXT("\2", "\xc0\x80") "K\1s."), "\xc0\x80"}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(message, sizeof message, "'%s': %s", keys[i].shown, key);
        check_refused(tg, keys[i].pickle, keys[i].n, message);
    }
    check_refused(tg, PICKLE("}NK\1s."), "'': a key is neither a text nor an integer");
    check_refused(tg, PICKLE("}" TEXT("\1", "a") "})K\1ss."),
                  "'a': a key is neither a text nor an integer");
    check_refused(tg,
                  PICKLE("}(" TEXT("\3", "a.b") "K\1" TEXT("\1", "a") "}" TEXT("\1", "b") "K\2su."),
                  "'a.b': the name is there twice");
    check_refused(tg,
                  PICKLE("}(" TEXT("\1", "a") TEXT("\1", "b") TEXT("\1", "a") TEXT("\1", "c") "u."),
                  "'a': the name is there twice");
    check_refused(tg, PICKLE("}" TEXT("\1", "a") TEXT("\3", "b\0c") "s."),
                  "'a': the text is not UTF-8, or has a byte 0");
    check_refused(tg, PICKLE("}" TEXT("\1", "a") TEXT("\1", "\xff") "s."),
                  "'a': the text is not UTF-8, or has a byte 0");
    check_refused(tg, PICKLE("}" TEXT("\1", "a") "ctorch\nSize\ns."),
                  "'a': it is no tensor, number, text, list or dict");
    check_refused(tg, PICKLE("}" TEXT("\1", "a") STORAGE_0 "s."),
                  "'a': it is no tensor, number, text, list or dict");
    tg_state *s = read_pickle(tg, PICKLE("}(" TEXT("\1", "a") TEXT("\1", "b")
                                             TEXT("\1", "c") "NK\1" TEXT("\2", "\t\n") "u."));
    assert_int_equal(s->n, 0);
    assert_int_equal(s->n_texts, 2);
    assert_string_equal(tg_state_text(s, "a"), "b");
    assert_string_equal(tg_state_text(s, "1"), "\t\n");
}

static void test_a_long_name_is_refused(void **state)
{
    static char pickle[1 << 12] = "}X";
    tg_context *tg = *state;
    for (int n = 499; n <= 501; n++) {
        pickle[2] = (char)(n & 255);
        pickle[3] = (char)(n >> 8);
        memset(pickle + 6, 'a', (size_t)n);
        memcpy(pickle + 6 + n, "K\1s.", 4);
        assert_int_equal(read_pickle(tg, pickle, (size_t)n + 10) != NULL, n < 500);
    }
    check_error(tg, TG_ERR_IO, "read_pt: memory: '': a name has more than 500 bytes");
}

static void test_tensors_outside_their_storage(void **state)
{
    static const char size[] = "'t': its storage has not the size that data.pkl says",
                      wrong[] = "'t': its offset, shape or strides are wrong",
                      storage[] = "'t': its storage is not described as PyTorch does it",
                      outside[] = "'t': it reaches beyond its storage",
                      large[] = "'t': its shape is too large";
#define HUGE_NUMBER "\x8a\7\xff\xff\xff\xff\xff\xff\x7f"
    static const struct {
        const char *pickle;
        size_t n;
        const char *message;
    } cases[] = {
#define CASE(storage, offset, shape, strides, message)                                             \
    {PICKLE(IN_DICT(TENSOR(storage, offset, shape, strides))), message}
        CASE(STORAGE(TEXT("\1", "1"), "K\6"), "K\0", ONE("\6"), ONE("\1"),
             "'t': its storage is not in the archive"),
        CASE(STORAGE(TEXT("\3", "0\0z"), "K\6"), "K\0", ONE("\6"), ONE("\1"),
             "'t': its storage is not in the archive"),
        CASE(STORAGE(TEXT("\1", "0"), "K\5"), "K\0", ONE("\5"), ONE("\1"), size),
        CASE(STORAGE(TEXT("\1", "0"), "K\7"), "K\0", ONE("\5"), ONE("\1"), size),
        CASE(STORAGE(TEXT("\1", "0"), "J\xfa\xff\xff\xff"), "K\0", ONE("\5"), ONE("\1"), size),
        CASE(STORAGE(TEXT("\1", "0"), "\x8a\x8\6\0\0\0\0\0\0\x40"), "K\0", ONE("\5"), ONE("\1"),
             size),
        CASE(STORAGE("K\0", "K\6"), "K\0", ONE("\6"), ONE("\1"), storage),
        CASE(STORAGE(TEXT("\1", "0"), "N"), "K\0", ONE("\6"), ONE("\1"), storage),
        CASE("N", "K\0", ONE("\6"), ONE("\1"), storage),
        CASE(")Q", "K\0", ONE("\6"), ONE("\1"), storage),
        CASE(STORAGE_0, "K\0", "M\xff\xff\x85", ONE("\0"),
             "'t': it repeats elements, and has more than the file has bytes"),
        CASE(STORAGE_0, "K\0", ONE("\7"), ONE("\1"), outside),
        CASE(STORAGE_0, "K\1", ONE("\6"), ONE("\1"), outside),
        CASE(STORAGE_0, "K\6", ")", ")", outside),
        CASE(STORAGE_0, "K\0", TWO("\2", "\3"), TWO("\4", "\1"), outside),
        CASE(STORAGE_0, "K\0", ONE("\2"), HUGE_NUMBER "\x85", outside),
        CASE(STORAGE_0, "\x8a\x8\xff\xff\xff\xff\xff\xff\xff\x7f", ONE("\2"), ONE("\1"), outside),
        CASE(STORAGE_0, "K\0", "K\xff" HUGE_NUMBER "\x86", TWO("\0", "\0"), large),
        CASE(STORAGE_0, "K\0", "K\0" HUGE_NUMBER HUGE_NUMBER "\x87", TWO("\0", "\0"), wrong),
        CASE(STORAGE_0, "K\0", "K\0" HUGE_NUMBER HUGE_NUMBER "\x87", "K\1K\1K\1\x87", large),
        CASE(STORAGE_0, "K\0", ONE("\6"), TWO("\1", "\1"), wrong),
        CASE(STORAGE_0, "K\0", ONE("\6"), "N", wrong),
        CASE(STORAGE_0, "K\0", "N", ONE("\6"), wrong),
        CASE(STORAGE_0, "K\0", "J\xff\xff\xff\xff\x85", ONE("\1"), wrong),
        CASE(STORAGE_0, "K\0", ONE("\2"), "J\xff\xff\xff\xff\x85", wrong),
        CASE(STORAGE_0, "J\xff\xff\xff\xff", ONE("\2"), ONE("\1"), wrong),
        CASE(STORAGE_0, "N", ONE("\2"), ONE("\1"), wrong),
#undef CASE
        {PICKLE(IN_DICT(REBUILD STORAGE_0 "\x85R")), "'t': it is not described as PyTorch does "
                                                     "it"},
        {PICKLE(IN_DICT(SEVENTH("}" TEXT("\3", "neg") "\x88s"))),
         "'t': it is stored with its sign or conjugation apart; save its clone() instead"},
    };
    tg_context *tg = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(tg, cases[i].pickle, cases[i].n, cases[i].message);
    check_refused(
        tg,
        PICKLE("}(K\1" TENSOR(
            STORAGE_0, "K\0", ONE("\6"),
            ONE("\1")) "K\2" REBUILD "((Nctorch\nIntStorage\n" TEXT("\1", "0") "NK\6tQK\0))tRu."),
        "'2': its storage has another type in another tensor");
}

/* ---- Pickles that are larger than they look. */

static void test_deep_pickles(void **state)
{
    enum { DEEP = 50000 };
    static char pickle[DEEP + 1];
    tg_context *tg = *state;
    memset(pickle, 0x85, DEEP); /* a tuple in a tuple in a tuple ... */
    pickle[0] = 'N';
    pickle[DEEP] = '.';
    assert_null(read_pickle(tg, pickle, sizeof pickle));
    assert_non_null(strstr(tg_error(tg), "nested more than 32 deep"));
    tg_clear_error(tg);
    for (int depth = 32; depth <= 33; depth++) {
        memset(pickle + 1, 0x85, (size_t)depth);
        pickle[depth + 1] = '.';
        assert_int_equal(read_pickle(tg, pickle, (size_t)depth + 2) != NULL, depth == 32);
    }
    tg_clear_error(tg);
}

/* Each list has the one before it twice, so that the last one has 2^29 numbers. */
static void test_lists_that_repeat(void **state)
{
    char pickle[512] = "}K\1]K\1aq\0s";
    size_t n = 10;
    tg_context *tg = *state;
    for (char i = 1; i < 30; i++) {
        const char more[] = {'K', (char)(i + 1), ']', '(', 'h', (char)(i - 1),
                             'h', (char)(i - 1), 'e', 'q', i,   's'};
        memcpy(pickle + n, more, sizeof more);
        n += sizeof more;
    }
    pickle[n++] = '.';
    assert_null(read_pickle(tg, pickle, n));
    assert_non_null(strstr(tg_error(tg), "these are too many values for a file of this size"));
    assert_int_equal(tg_error_code(tg), TG_ERR_IO);
    tg_clear_error(tg);
    tg_state *s = read_pickle(tg, (pickle[n - 1 - 20 * 12] = '.', pickle), n - 20 * 12);
    check_ok(tg);
    assert_int_equal(s->n, 1023);
}

/* A text of 10000 bytes that a list has 4000 times. */
static void test_texts_that_repeat(void **state)
{
    enum { LONG = 10000, TIMES = 4000 };
    static char pickle[LONG + 2 * TIMES + 20] = "]q\0(X\x10\x27";
    size_t n = 9;
    tg_context *tg = *state;
    memset(pickle + n, 'a', LONG);
    n += LONG;
    pickle[n++] = 'q';
    pickle[n++] = 1;
    for (int i = 1; i < TIMES; i++) {
        pickle[n++] = 'h';
        pickle[n++] = 1;
    }
    pickle[n++] = 'e';
    pickle[n++] = '.';
    check_refused(tg, pickle, n,
                  "'40': these are too many values for a file of this size; tensors should hold "
                  "them");
}

/* ---- Archives that are not as torch.save makes them. */

static void test_other_archives(void **state)
{
    static archive a;
    tg_context *tg = *state;
    assert_null(read_entries(tg, &a));
    check_error(tg, TG_ERR_IO,
                "read_pt: memory: the archive has no data.pkl, as one of torch.save has");
    add_entry(&a, "data.pkl", "}.", 2, false);
    add_entry(&a, "data/data.pkl/", "}.", 2, false);
    assert_null(read_entries(tg, &a));
    check_error(tg, TG_ERR_IO,
                "read_pt: memory: the archive has no data.pkl, as one of torch.save has");
    a = (archive){.n = 0};
    add_entry(&a, "x/data.pkl", "}.", 2, true);
    assert_null(read_entries(tg, &a));
    check_error(tg, TG_ERR_IO,
                "read_pt: memory: entry 'x/data.pkl': it is compressed, which PyTorch never does");
    static const char *const orders[] = {"", "Little", "littler", "littlest", "big\n"};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        a = (archive){.n = 0};
        add_entry(&a, "x/data.pkl", "}.", 2, false);
        add_entry(&a, "x/byteorder", orders[i], strlen(orders[i]), false);
        assert_null(read_entries(tg, &a));
        check_error(tg, TG_ERR_IO, "read_pt: memory: entry 'x/byteorder': it is no byte order");
    }
    assert_null(tg_read_pt(tg, "", 0, NULL));
    check_error(tg, TG_ERR_IO,
                "read_pt: memory: it is no checkpoint of torch.save, which is a zip archive");
}

static void test_compressed_storages_are_read(void **state)
{
    static archive a;
    static const char pickle[] = IN_DICT(TENSOR(STORAGE_0, "K\0", ONE("\6"), ONE("\1")));
    static const float values[] = {6, 5, 4, 3, 2, 1};
    tg_context *tg = *state;
    add_entry(&a, "x/data.pkl", pickle, sizeof pickle - 1, false);
    add_entry(&a, "x/data/0", values, sizeof values, true);
    check_values(tg_state_get(read_entries(tg, &a), "t"), 6, 5, 4, 3, 2, 1);
}

/* ---- Damage. */

typedef struct content {
    unsigned char bytes[1 << 13];
    size_t n;
} content;

static void read_content(const char *file, content *c)
{
    FILE *f = fopen(path_of(file), "rb");
    assert_non_null(f);
    c->n = fread(c->bytes, 1, sizeof c->bytes, f);
    assert_true(c->n < sizeof c->bytes);
    fclose(f);
}

/* Whether a file is read, or refused with an error of its contents. Its memory is given back. */
static bool is_read(tg_context *tg, const void *bytes, size_t n)
{
    tg_scope_begin(tg);
    const tg_state *s = tg_read_pt(tg, bytes, n, TG_LOAD(.convert = true));
    const tg_status code = tg_error_code(tg);
    assert_true(s ? code == TG_OK : code == TG_ERR_IO);
    tg_clear_error(tg);
    tg_scope_end(tg);
    return s;
}

static void test_files_that_are_cut(void **state)
{
    static content c;
    tg_context *tg = *state;
    read_content("mlp", &c);
    assert_true(is_read(tg, c.bytes, c.n));
    for (size_t n = 0; n < c.n; n++) {
        unsigned char *copy = malloc(n + 1); /* a read beyond the end is noticed by ASan */
        memcpy(copy, c.bytes, n);
        assert_false(is_read(tg, copy, n));
        free(copy);
    }
}

static void test_bits_that_are_flipped(void **state)
{
    static content c;
    tg_context *tg = *state;
    read_content("tensor", &c);
    for (size_t i = 0; i < 8 * c.n; i++) {
        c.bytes[i / 8] ^= (unsigned char)(1 << i % 8);
        is_read(tg, c.bytes, c.n);
        c.bytes[i / 8] ^= (unsigned char)(1 << i % 8);
    }
}

/* The CRC finds a pickle that was damaged, and these have the right one: each byte of a pickle
 * with all other values, and the pickle cut everywhere. */
static void test_pickles_that_are_changed(void **state)
{
    static const char pickle[] =
        IN_DICT(TENSOR(STORAGE_0, "K\1", TWO("\2", "\2"), TWO("\1", "\3")));
    char changed[sizeof pickle];
    tg_context *tg = *state;
    int64_t read = 0;
    memcpy(changed, pickle, sizeof pickle);
    for (size_t i = 0; i < sizeof pickle - 1; i++) {
        for (int x = 1; x < 256; x++) {
            changed[i] = (char)(pickle[i] ^ x);
            tg_scope_begin(tg);
            if (read_pickle(tg, changed, sizeof pickle - 1))
                read++;
            else
                assert_true(tg_error_code(tg) == TG_ERR_IO);
            tg_clear_error(tg);
            tg_scope_end(tg);
        }
        changed[i] = pickle[i];
        assert_null(read_pickle(tg, pickle, i));
        assert_int_equal(tg_error_code(tg), TG_ERR_IO);
        tg_clear_error(tg);
    }
    assert_true(read > 255); /* such as those with another name */
}

static void test_each_allocation_may_fail(void **state)
{
    static content c;
    int refused = 0;
    (void)state;
    read_content("adam", &c);
    for (long at = 1;; at++) {
        guarded g = {0};
        tg_options o = guarded_options(&g);
        tg_context *tg = tg_open(&o);
        g.fail_at = g.asked + at;
        const tg_state *s = tg_read_pt(tg, c.bytes, c.n, NULL);
        if (!s) assert_int_equal(tg_error_code(tg), TG_ERR_MEMORY);
        refused += !s;
        tg_close(tg);
        assert_true(g.blocks == 0 && !g.damaged);
        if (g.asked - at < 3 && s) break; /* all have failed once */
    }
    assert_true(refused > 5);
}

/* The storage has 40000 bytes, of which the tensor shows two elements. */
static void test_what_is_refused_leaves_no_elements(void **state)
{
    static archive a;
    static const float values[10000];
    static const char refused[] =
        "}(" TEXT("\1", "t") TENSOR(STORAGE(TEXT("\1", "0"), "M\x10\x27"), "K\1", ONE("\2"),
                                    ONE("\1")) "N" TEXT("\1", "u") "u.";
    tg_context *tg = *state;
    size_t live = 0;
    for (int round = 0; round < 20; round++) {
        a = (archive){.n = 0};
        add_entry(&a, "x/data.pkl", refused, sizeof refused - 1, false);
        add_entry(&a, "x/data/0", values, sizeof values, false);
        assert_null(read_entries(tg, &a));
        check_error(tg, TG_ERR_IO, "read_pt: memory: '': a key is neither a text nor an integer");
        if (round == 0) live = tg_get_stats(tg).live_bytes;
    }
    assert_true(tg_get_stats(tg).live_bytes < live + sizeof values);
}

/* What a scope that has ended has left in the pool of the context counts for the cap. */
static void test_the_memory_of_the_pool_is_used(void **state)
{
    static content c;
    (void)state;
    read_content("adam", &c);
    tg_options o = tg_defaults();
    o.max_bytes = 4000000;
    tg_context *tg = tg_open(&o);
    TG_SCOPE (tg) assert_non_null(tg_zeros(tg, TG_F64, TG_SHAPE(470000)));
    assert_non_null(tg_read_pt(tg, c.bytes, c.n, NULL));
    check_ok(tg);
    tg_close(tg);
}

static void test_while_an_error_is_pending_nothing_is_read(void **state)
{
    tg_context *tg = *state;
    tg_zeros(tg, TG_F32, TG_SHAPE(-1));
    assert_null(tg_load_pt(tg, path_of("mlp"), NULL));
    check_error(tg, TG_ERR_SHAPE, "zeros: size -1 of dimension 0 is negative");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_context, close_context)
        cmocka_unit_test(test_files_of_pytorch_are_read),
        TEST(test_networks_give_the_outputs_of_pytorch),
        TEST(test_training_goes_on_where_pytorch_stopped),
        TEST(test_what_is_not_read_is_named),
        TEST(test_tensors_share_a_storage_as_in_pytorch),
        TEST(test_a_mapped_file_is_read_only),
        TEST(test_pickles_written_by_hand),
        TEST(test_nothing_is_called),
        TEST(test_instructions_that_are_not_carried_out),
        TEST(test_pickles_that_are_no_programs),
        TEST(test_names_and_texts),
        TEST(test_a_long_name_is_refused),
        TEST(test_tensors_outside_their_storage),
        TEST(test_deep_pickles),
        TEST(test_lists_that_repeat),
        TEST(test_texts_that_repeat),
        TEST(test_other_archives),
        TEST(test_compressed_storages_are_read),
        TEST(test_files_that_are_cut),
        TEST(test_bits_that_are_flipped),
        TEST(test_pickles_that_are_changed),
        cmocka_unit_test(test_each_allocation_may_fail),
        TEST(test_what_is_refused_leaves_no_elements),
        cmocka_unit_test(test_the_memory_of_the_pool_is_used),
        TEST(test_while_an_error_is_pending_nothing_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
