/* The table of what is supported in README.md is made by asking the library: each operation of
 * supported.def is called with each dtype, and differentiated twice. TG_PRINT_SUPPORTED=1 prints
 * the table, for README. */
#include "leaf.h"

typedef struct operands {
    tg_context *tg;
    tg_dtype dtype;
    tg_tensor *a, *b, *c, *v, *mask, *index, *rows;
} operands;

/* A parameter after one step of an optimiser: NULL if it did not move. */
static tg_tensor *stepped(const operands *o, tg_optim *optim)
{
    tg_tensor *before = tg_clone(tg_detach(o->a));
    tg_backward(tg_sum(tg_add(tg_mul(o->a, o->a), o->b)));
    return tg_step(optim) && tg_item(tg_max(tg_abs(tg_sub(o->a, before)))) > 0 ? before : NULL;
}

static tg_tensor *loss_of(void *user)
{
    const operands *o = user;
    tg_tensor *loss = tg_sum(tg_add(tg_mul(o->a, o->a), o->b));
    tg_backward(loss);
    return loss;
}

/* The same for one that evaluates the loss itself. */
static tg_tensor *searched(const operands *o, tg_optim *optim)
{
    tg_tensor *before = tg_clone(tg_detach(o->a));
    tg_step_closure(optim, loss_of, (void *)(uintptr_t)o);
    return optim && tg_item(tg_max(tg_abs(tg_sub(o->a, before)))) > 0 ? before : NULL;
}

#define GROUP(title)
#define ROW(name, expression)                                                                      \
    static tg_tensor *call_##name(const operands *o)                                               \
    {                                                                                              \
        tg_context *tg = o->tg;                                                                    \
        tg_dtype dtype = o->dtype;                                                                 \
        tg_tensor *a = o->a, *b = o->b, *c = o->c, *v = o->v;                                      \
        tg_tensor *mask = o->mask, *index = o->index, *rows = o->rows;                             \
        (void)tg, (void)dtype, (void)a, (void)b, (void)c, (void)v;                                 \
        (void)mask, (void)index, (void)rows;                                                       \
        return expression;                                                                         \
    }
#include "supported.def"
#undef GROUP
#undef ROW

/* A row of the table; without call, the title of a group. */
typedef struct supported {
    const char *name;
    tg_tensor *(*call)(const operands *o);
} supported;

static const supported table[] = {
#define GROUP(title)          {title, NULL},
#define ROW(name, expression) {#name, call_##name},
#include "supported.def"
#undef GROUP
#undef ROW
};
enum { ROWS = sizeof table / sizeof *table };

/* In (0, 1); 0 and 1 for bool and int64. */
static tg_tensor *values_of(tg_context *tg, tg_dtype dtype, tg_shape shape)
{
    tg_tensor *t = tg_rand(tg, TG_F64, shape);
    bool floating = dtype == TG_F32 || dtype == TG_F64;
    t = tg_cast(floating ? tg_add_scalar(tg_mul_scalar(t, 0.8), 0.1) : tg_gt_scalar(t, 0.5), dtype);
    return floating ? tg_requires_grad_(t, true) : t;
}

static operands make_operands(tg_context *tg, tg_dtype dtype)
{
    const int64_t rows[] = {0, 3, 1, 2};
    operands o = {.tg = tg, .dtype = dtype};
    tg_manual_seed(tg, 1);
    tg_set_default_dtype(tg, dtype == TG_F64 ? TG_F64 : TG_F32);
    o.a = values_of(tg, dtype, TG_SHAPE(4, 4));
    o.b = values_of(tg, dtype, TG_SHAPE(4, 4));
    o.c = values_of(tg, dtype, TG_SHAPE(4, 4));
    o.v = values_of(tg, dtype, TG_SHAPE(4));
    o.mask = tg_eq(o.a, o.a);
    o.index = tg_zeros(tg, TG_I64, TG_SHAPE(4, 4));
    o.rows = tg_from_i64(tg, TG_SHAPE(4), rows);
    return o;
}

/* How often out can be differentiated by any of the inputs: 0, 1 or 2 times. */
static int derivatives(const operands *o, tg_tensor *out)
{
    tg_grad_options how = tg_grad_defaults();
    tg_list inputs = TG_LIST(o->a, o->b, o->c, o->v);
    tg_tensor *g[4], *h[4], *sum = NULL;
    how.create_graph = how.allow_unused = true;
    if (!out->requires_grad || !tg_grad(TG_LIST(tg_sum(tg_mul(out, out))), inputs, g, &how))
        return 0;
    for (int i = 0; i < 4; i++)
        if (g[i]) sum = sum ? tg_add(sum, tg_sum(tg_mul(g[i], g[i]))) : tg_sum(tg_mul(g[i], g[i]));
    return sum && sum->requires_grad && tg_grad(TG_LIST(sum), inputs, h, &how) ? 2 : 1;
}

enum { DTYPES = 4, SIGNATURE = 64 };

/* "float32, float64 | twice": the dtypes that a row takes, and how often it is differentiable. */
static void describe(const supported *row, char *text)
{
    int order = 0;
    char *end = text;
    for (tg_dtype d = TG_F32; d <= TG_BOOL; d++) {
        tg_context *tg = tg_open(NULL);
        operands o = make_operands(tg, d);
        assert_true(tg_ok(tg));
        tg_tensor *out = row->call(&o);
        if (out) {
            int times = derivatives(&o, out);
            end += sprintf(end, "%s%s", end > text ? ", " : "", tg_dtype_name(d));
            if (d == TG_F64) assert_int_equal(times, order);
            if (d <= TG_F64) order = times;
            assert_true(tg_ok(tg));
        }
        tg_close(tg);
    }
    if (end == text) fail_msg("%s works with no dtype", row->name);
    sprintf(end, " | %s", order == 2 ? "twice" : order == 1 ? "to a constant" : "no");
}

/* The table in Markdown: a line for the rows of a group that are alike. */
static void write_table(char *out)
{
    static char signature[ROWS][SIGNATURE];
    bool done[ROWS] = {false};
    const char *title = "";
    for (int i = 0; i < ROWS; i++)
        if (table[i].call) describe(&table[i], signature[i]);
    out += sprintf(out, "| | | dtypes | differentiable |\n|---|---|---|---|\n");
    for (int i = 0; i < ROWS; i++) {
        if (!table[i].call) title = table[i].name;
        if (!table[i].call || done[i]) continue;
        out += sprintf(out, "| %s |", title);
        for (int j = i; j < ROWS && table[j].call; j++) {
            if (strcmp(signature[i], signature[j]) != 0) continue;
            out += sprintf(out, " `%s`", table[j].name);
            done[j] = true;
        }
        out += sprintf(out, " | %s |\n", signature[i]);
        title = "";
    }
}

enum { README_SIZE = 1 << 17 };

static void readme_tells_what_is_supported(void **state)
{
    (void)state;
    static char readme[README_SIZE], wanted[README_SIZE];
    write_table(wanted);
    if (getenv("TG_PRINT_SUPPORTED")) printf("%s", wanted);
    FILE *file = fopen(TEST_DATA "/../../README.md", "r");
    assert_non_null(file);
    size_t size = fread(readme, 1, README_SIZE - 1, file);
    fclose(file);
    assert_true(size > 0 && size < README_SIZE - 1);
    if (!strstr(readme, wanted)) fail_msg("the table in README.md is not:\n%s", wanted);
}

/* Declared, but no operation, module, loss or optimiser of its own. */
static const char *const others[] = {
#include "others.def"
};

static bool is_listed(const char *name)
{
    for (int i = 0; i < ROWS; i++)
        if (table[i].call && strcmp(table[i].name, name) == 0) return true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(others[i], name) == 0) return true;
    return false;
}

/* Every function of a header page is in the table, or known to be none of its kind. */
static void check_page(const char *page)
{
    char path[512], line[512];
    int declared = 0;
    snprintf(path, sizeof path, "%s/../../include/tinygrad/%s", TEST_DATA, page);
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("%s cannot be read", path);
    while (fgets(line, sizeof line, file)) {
        char *name = strncmp(line, "TG_API", 6) == 0 ? strstr(line, "tg_") : NULL;
        char *open = strchr(line, '(');
        if (!name || !open) continue;
        for (char *next = name; (next = strstr(next + 1, "tg_")) && next < open;) name = next;
        *open = 0;
        declared++;
        if (!is_listed(name + 3)) fail_msg("%s: %s is not in supported.def", page, name);
    }
    fclose(file);
    assert_true(declared > 0);
}

static void no_operation_is_missing(void **state)
{
    (void)state;
    static const char *const pages[] = {"tensor.h", "ops.h",   "linalg.h",
                                        "nn.h",     "optim.h", "data.h"};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) check_page(pages[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readme_tells_what_is_supported),
        cmocka_unit_test(no_operation_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
