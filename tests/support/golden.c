#include "golden.h"

#include <float.h>

#include "bits.h"
#include "ops/op.h"

enum { MAX_OPS = 256 };

/* The file of golden data under test, the table of its operations, and the text of the file. */
static const char *golden_file;
static const golden_op *golden_ops;
static int golden_count;
static char *golden_text;

/* ---- Reading. */

/* Cuts off the next word of the record and returns it, "" at the end of the record. */
static char *next_word(trial *c)
{
    char *word = c->at;
    c->at += strcspn(c->at, " ");
    if (*c->at) *c->at++ = 0;
    return word;
}

/* Whether the next word begins with `start`. If it does, it is skipped. */
static bool passes(trial *c, const char *start)
{
    if (strncmp(c->at, start, strlen(start)) != 0) return false;
    next_word(c);
    return true;
}

/* Reads numbers that are separated by commas, up to a slash or the end, as double and as int64_t.
 * Returns how many there are; "-" is an empty list. */
static int read_numbers(const char *text, double *f, int64_t *i)
{
    int n = 0;
    if (strcmp(text, "-") == 0) return 0;
    while (*text && *text != '/' && n < MAX_NUMBERS) {
        char *end;
        i[n] = strtoll(text, NULL, 10);
        f[n++] = strtod(text, &end);
        text = end + (*end == ',');
    }
    return n;
}

static tg_dtype read_dtype(const char *name)
{
    static const char *const names[] = {"f32", "f64", "i64", "bool"};
    int d = 0;
    while (d < TG_BOOL && strcmp(names[d], name) != 0) d++;
    return (tg_dtype)d;
}

static uint64_t read_hex(const char *digits, int n)
{
    char text[17] = {0};
    memcpy(text, digits, (size_t)n);
    return strtoull(text, NULL, 16);
}

/* The bits of the value at *at, in a list of values; *at moves to the next one. */
static uint64_t read_value(const char **at, tg_dtype dtype)
{
    int digits = dtype == TG_F32 ? 8 : dtype == TG_F64 ? 16 : 1;
    if (dtype == TG_I64) {
        char *end;
        int64_t value = strtoll(*at, &end, 10);
        *at = end + (*end == ',');
        return (uint64_t)value;
    }
    assert_true(strlen(*at) >= (size_t)digits);
    *at += digits;
    return read_hex(*at - digits, digits);
}

static tg_tensor *read_tensor(trial *c, tg_dtype dtype, tg_shape shape)
{
    const char *values = next_word(c);
    tg_tensor *t = tg_empty(c->tg, dtype, shape);
    assert_non_null(t);
    for (int64_t k = 0; k < t->numel; k++) {
        uint64_t bits = read_value(&values, dtype);
        uint32_t low = (uint32_t)bits;
        switch (dtype) {
        case TG_F32: memcpy((float *)t->data + k, &low, sizeof low); break;
        case TG_BOOL: ((bool *)t->data)[k] = bits != 0; break;
        default: memcpy((int64_t *)t->data + k, &bits, sizeof bits); break;
        }
    }
    return t;
}

/* The view of t that a step of a record describes: a letter and numbers, as VIEWS in common.py. */
static tg_tensor *view_step(tg_tensor *t, const char *text)
{
    double f[MAX_NUMBERS];
    int64_t i[MAX_NUMBERS];
    tg_shape list = {read_numbers(text + 1, f, i), i};
    switch (*text) {
    case 't': return tg_transpose(t, (int)i[0], (int)i[1]);
    case 'p': return tg_permute(t, list);
    case 's': return tg_slice(t, (int)i[0], i[1], i[2], i[3]);
    case 'n': return tg_narrow(t, (int)i[0], i[1], i[2]);
    case 'e': return tg_expand(t, list);
    case 'l': return tg_select(t, (int)i[0], i[1]);
    case 'd': return tg_diagonal(t, (int)i[0], (int)i[1], (int)i[2]);
    default: return NULL;
    }
}

/* Makes input n from its leaf, by the views that the record lists. */
static void make_view(trial *c, int n)
{
    c->x[n] = c->leaf[n];
    if (*c->steps[n] == '-') return;
    for (const char *at = c->steps[n]; at; at = strchr(at, '/')) {
        at += *at == '/';
        c->x[n] = view_step(c->x[n], at);
    }
}

static void read_input(trial *c, bool marked)
{
    double f[MAX_NUMBERS];
    int64_t sizes[MAX_NUMBERS];
    assert_true(c->n < MAX_INPUTS);
    char *word = next_word(c);
    int n = c->n++;
    if (*word == '@') {
        c->leaf[n] = c->leaf[atoi(word + 1)];
        c->steps[n] = next_word(c);
    } else {
        tg_shape shape = {read_numbers(next_word(c), f, sizes), sizes};
        c->steps[n] = next_word(c);
        c->leaf[n] = read_tensor(c, read_dtype(word), shape);
    }
    c->marked[n] = marked;
    if (marked) tg_requires_grad_(c->leaf[n], true);
    make_view(c, n);
    assert_non_null(c->x[n]);
}

/* ---- Comparing. */

/* For float32 and float64: u, which is half the distance from 1 to the next number, and the
 * smallest positive number. */
static const double unit[] = {FLT_EPSILON / 2, DBL_EPSILON / 2}, smallest[] = {0x1p-149, 0x1p-1074};

/* Whether two values agree within the tolerance `rule`, which is "=", "^k" or "~k" as common.py
 * explains. scale is the S of a "~k". The smallest number is added to u, since the error of a
 * product that underflows may be as large as that. */
static bool near(tg_dtype dtype, const char *rule, uint64_t got_bits, uint64_t want_bits,
                 double scale)
{
    if (got_bits == want_bits) return true;
    if (dtype == TG_I64 || dtype == TG_BOOL) return false;
    double got = value_of(dtype, got_bits), want = value_of(dtype, want_bits), k = atof(rule + 1);
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
    if (*rule == '=') return false;
    if (isinf(want) || isinf(got)) return got == want;
    if (*rule == '^' && got == 0 && want == 0) return false; /* 0 and -0 */
    if (k == 0) return got == want;
    return fabs(got - want) <=
           k * (unit[dtype] * (*rule == '^' ? fabs(want) : scale) + smallest[dtype]);
}

static bool complain(const trial *c, const char *op, const char *what, const char *how)
{
    print_error("%s:%d: %s: %s %s (%s)\n", golden_file, c->line, op, what, how,
                tg_simd_level(c->tg));
    return false;
}

/* Compares t with the values that the record lists next, by their tolerance and scales. */
static bool same_values(trial *c, const char *op, const char *what, tg_tensor *t)
{
    const char *rule = next_word(c), *values = next_word(c), *scales = NULL;
    if (*rule == '~' && strcmp(rule, "~0") != 0) scales = next_word(c);
    tg_no_grad_begin(c->tg);
    t = tg_contiguous(t);
    tg_no_grad_end(c->tg);
    if (!t) return complain(c, op, what, tg_error(c->tg));
    int upper = t->dtype == TG_F32 ? 4 : 5;
    for (int64_t k = 0; k < t->numel; k++) {
        uint64_t got = bits_at(t, k), want = read_value(&values, t->dtype);
        uint64_t scale = scales ? read_hex(scales + k * upper, upper) : 0;
        double size = value_of(t->dtype, scale << (t->dtype == TG_F32 ? 16 : 44));
        if (near(t->dtype, rule, got, want, size)) continue;
        char how[160];
        snprintf(how, sizeof how, "[%lld] is %llx, not %llx: %.9g and %.9g, tolerance %s %g",
                 (long long)k, (unsigned long long)got, (unsigned long long)want,
                 value_of(t->dtype, got), value_of(t->dtype, want), rule, size);
        return complain(c, op, what, how);
    }
    return true;
}

/* Whether out is the view of the first leaf that `text` describes, by its offset and its strides,
 * or is a copy if that says "copy". */
static bool same_view(const trial *c, const char *op, const char *text, const tg_tensor *out)
{
    bool shares = priv(out)->storage == priv(c->leaf[0])->storage;
    if (strcmp(text, "copy") == 0) return !shares || complain(c, op, "result", "is not a copy");
    double f[MAX_NUMBERS];
    int64_t want[MAX_NUMBERS] = {0};
    read_numbers(text, f, want);
    if (!shares) return complain(c, op, "result", "is a copy");
    int64_t bytes = (const char *)out->data - (const char *)c->leaf[0]->data;
    bool fits = bytes == want[0] * (int64_t)tg__dtype_size(out->dtype);
    for (int d = 0; d < out->ndim; d++)
        fits &= out->shape[d] == 1 || out->strides[d] == want[d + 1];
    return fits || complain(c, op, "result", "has other strides");
}

/* ---- Running. */

static bool check_gradients(trial *c, const char *op, tg_tensor *out)
{
    tg_tensor *g = read_tensor(c, out->dtype, (tg_shape){out->ndim, out->shape});
    if (!tg_backward_with(out, g)) return complain(c, op, "backward", tg_error(c->tg));
    for (int n = 0; n < c->n; n++) {
        char what[32];
        if (!c->marked[n]) continue;
        if (!passes(c, "'")) return complain(c, op, "record", "has too few gradients");
        snprintf(what, sizeof what, "gradient %d", n);
        if (!c->leaf[n]->grad) return complain(c, op, what, "is none");
        if (!same_values(c, op, what, c->leaf[n]->grad)) return false;
    }
    return true;
}

/* The operation of a record as a function of its leaves, for tg_gradcheck. */
static tg_tensor *as_function(tg_list inputs, void *user)
{
    trial *c = user;
    (void)inputs;
    for (int n = 0; n < c->n; n++) make_view(c, n);
    return c->op->run(c);
}

/* Compares the gradients with central differences, or those of the gradients as well. One level is
 * enough, as all give the same bits: it is the one that a context chooses by itself. */
static bool check_differences(trial *c)
{
    int times = atoi(next_word(c));
    tg_tensor *asked[MAX_INPUTS];
    tg_list inputs = {0, asked};
    if (c->tg->level != tg__level(NULL)) return true;
    for (int n = 0; n < c->n; n++)
        if (c->marked[n]) asked[inputs.n++] = c->leaf[n];
    bool good = tg_gradcheck(as_function, inputs, c, NULL) &&
                (times < 2 || tg_gradgradcheck(as_function, inputs, c, NULL));
    return good || complain(c, c->op->name, "gradcheck", tg_error(c->tg));
}

static bool check_result(trial *c, tg_tensor *out)
{
    const golden_op *o = c->op;
    const char *dtype = next_word(c);
    if (strcmp(dtype, "fails") == 0)
        return (!out && !tg_ok(c->tg)) || complain(c, o->name, "call", "does not fail");
    if (!out || !tg_ok(c->tg)) return complain(c, o->name, "call", tg_error(c->tg));
    double f[MAX_NUMBERS];
    int64_t sizes[MAX_NUMBERS] = {0};
    int ndim = read_numbers(next_word(c), f, sizes);
    bool fits = ndim == out->ndim && read_dtype(dtype) == out->dtype;
    for (int d = 0; d < ndim && fits; d++) fits = sizes[d] == out->shape[d];
    if (!fits) return complain(c, o->name, "result", "has another shape or dtype");
    if (!same_values(c, o->name, "result", out)) return false;
    if (passes(c, "#") && !same_view(c, o->name, next_word(c), out)) return false;
    if (passes(c, "*"))
        return check_gradients(c, o->name, out) && (!passes(c, "?") || check_differences(c));
    return !out->requires_grad || complain(c, o->name, "result", "requires grad");
}

static bool check_record(tg_context *tg, const golden_op *o, int line, char *text)
{
    trial c = {.tg = tg, .line = line, .at = text, .op = o};
    tg_scope_begin(tg);
    next_word(&c);
    c.numbers = read_numbers(next_word(&c), c.f, c.i);
    while (*c.at == '<') {
        bool marked = c.at[1] == '*';
        next_word(&c);
        read_input(&c, marked);
    }
    bool good = passes(&c, ">") && check_result(&c, o->run(&c));
    if (good && *c.at) good = complain(&c, o->name, "record", "has more than was read");
    tg_clear_error(tg);
    tg_scope_end(tg);
    return good;
}

static int read_golden(void **state)
{
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s/tests/golden/%s", TEST_ROOT, golden_file);
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) return -1;
    long size = ftell(file);
    rewind(file);
    golden_text = size > 0 ? calloc((size_t)size + 1, 1) : NULL;
    bool good = golden_text && fread(golden_text, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    return good ? 0 : -1;
}

static int free_golden(void **state)
{
    (void)state;
    free(golden_text);
    return 0;
}

/* The index of the operation that a record names; -1 if it is not in the table. */
static int find_op(const char *line)
{
    size_t length = strcspn(line, " ");
    for (int i = 0; i < golden_count; i++)
        if (strlen(golden_ops[i].name) == length && strncmp(golden_ops[i].name, line, length) == 0)
            return i;
    return -1;
}

/* Runs each record of a family at one level. Reading a record cuts it into words, so it reads a
 * copy. */
static void check_family(const char *family, int level)
{
    tg_context *tg = tg_open(NULL);
    assert_non_null(tg);
    tg->level = level;
    int line = 1, failed = 0, records[MAX_OPS] = {0};
    for (const char *at = golden_text; *at; line++) {
        size_t length = strcspn(at, "\n");
        int op = find_op(at);
        if (op < 0) fail_msg("%s:%d: no such operation", golden_file, line);
        if (strcmp(golden_ops[op].family, family) == 0) {
            char *copy = calloc(length + 1, 1);
            assert_non_null(copy);
            memcpy(copy, at, length);
            records[op]++;
            failed += !check_record(tg, &golden_ops[op], line, copy);
            free(copy);
        }
        at += length + (at[length] == '\n');
    }
    tg_close(tg);
    if (failed) fail_msg("%d records differ (%s)", failed, tg__level_name(level));
    for (int i = 0; i < golden_count; i++)
        if (strcmp(golden_ops[i].family, family) == 0 && !records[i])
            fail_msg("no record of %s", golden_ops[i].name);
}

static void golden_family(void **state)
{
    for (int level = 0; level <= tg__level(NULL); level++) check_family(*state, level);
}

int run_golden(const char *file, const golden_op *ops, int n)
{
    struct CMUnitTest tests[MAX_OPS];
    size_t families = 0;
    golden_file = file;
    golden_ops = ops;
    golden_count = n;
    for (int i = 0; i < n; i++)
        if (i == 0 || strcmp(ops[i].family, ops[i - 1].family) != 0)
            tests[families++] = (struct CMUnitTest){ops[i].family, golden_family, NULL, NULL,
                                                    (void *)(uintptr_t)ops[i].family};
    return _cmocka_run_group_tests(file, tests, families, read_golden, free_golden);
}
