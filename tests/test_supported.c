/* The table in README.md that says which operation takes which dtype. It is made by asking the
 * library: each operation of supported.def is called with each dtype, and differentiated twice.
 * With TG_PRINT_SUPPORTED=1 in the environment the test prints the table for README.md. */
#include "supported.h"
#include "tensor/dtype.h"

/* How often out can be differentiated with respect to an input: 0, 1 or 2 times. */
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

enum { SIGNATURE = 64 };

/* "float32, float64 | twice": the dtypes that a row takes, and how often it is differentiable. */
static void describe(const supported_row *row, char *text)
{
    int order = 0;
    char *end = text;
    for (tg_dtype d = TG_F32; d < (tg_dtype)TG_DTYPES; d++) {
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
    FILE *file = fopen(TEST_ROOT "/README.md", "r");
    assert_non_null(file);
    size_t size = fread(readme, 1, README_SIZE - 1, file);
    fclose(file);
    assert_true(size > 0 && size < README_SIZE - 1);
    if (!strstr(readme, wanted)) fail_msg("the table in README.md is not:\n%s", wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readme_tells_what_is_supported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
