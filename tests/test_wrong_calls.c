/* Every public function is called with a wrong argument, and with right ones while an error is
 * pending. A message begins with the name of the function and shows the wrong argument. An error is
 * recorded in one context. While one is pending, functions that compute go on, and functions that
 * would change something refuse. */
#include "optimisers.h"
#include "supported.h"

#include "io/dlpack.h"
#include "ops/op.h"

/* ---- The names that the expressions in calls.def may use. */

typedef struct stage {
    operands o; /* float32 */
    tg_tensor *x, *wide, *five, *cube, *none, *gone, *loss;
    tg_module *net, *own, *mse;
#define MEMBER(name) tg_optim *name;
    EACH_OPTIMISER(MEMBER)
    tg_scheduler *schedule, *plateau;
    tg_loader *loader;
    tg_rows *blocks;
    tg_csv *csv;
    tg_state *list, *stale; /* a tensor of stale was released */
    FILE *file, *csv_file;
    float f32[16];
    double f64[16];
    int64_t i64[16];
    bool flags[16];
    tg_tensor *grads[2];
} stage;

static const char *gather_alone(void *user, const void *own, size_t bytes, void *all)
{
    (void)user;
    memcpy(all, own, bytes);
    return NULL;
}

/* The exchange of the only rank. */
static const tg_exchange *alone(void)
{
    static const tg_exchange x = {NULL, 0, 1, gather_alone, NULL, NULL};
    return &x;
}

#define NINE TG_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1)

static bool number(double x)
{
    return !isnan(x);
}

static char open_message[200];

static void listen(void *user, tg_status code, const char *message)
{
    (void)user, (void)code;
    snprintf(open_message, sizeof open_message, "%s", message);
}

/* Whether tg_open succeeds with that SIMD level; what it complains of is the message to look at. */
static bool opened(const char *level)
{
    tg_options o = tg_defaults();
    o.simd_level = level;
    o.on_error = listen;
    tg_context *tg = tg_open(&o);
    bool ok = tg_ok(tg);
    tg_close(tg);
    return ok;
}

static bool scope_of_one(tg_context *tg)
{
    tg_scope_begin(tg);
    tg_tensor *kept = tg_keep(tg_ones(tg, TG_F32, TG_SHAPE(2)));
    tg_scope_end(tg);
    return tg_item(tg_sum(kept)) == 2;
}

static bool no_grad_of_none(tg_context *tg)
{
    tg_no_grad_begin(tg);
    bool off = !tg_is_grad_enabled(tg);
    tg_no_grad_end(tg);
    return off && tg_is_grad_enabled(tg);
}

/* Opens and closes the file. */
static bool opened_csv(tg_context *tg, const char *path, FILE *data)
{
    tg_csv *csv = tg_csv_open(tg, path, TG_CSV(.file = data));
    tg_csv_close(csv);
    return csv;
}

/* Reads a file by tg_read_pt. */
static bool read_file(tg_context *tg, const char *path)
{
    char bytes[1024];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return tg_read_pt(tg, bytes, n, NULL);
}

static bool lent(struct DLManagedTensor *m)
{
    if (m) m->deleter(m);
    return m;
}

static bool lent_versioned(struct DLManagedTensorVersioned *m)
{
    if (m) m->deleter(m);
    return m;
}

static tg_tensor *cloned_first(tg_list inputs, const void *attributes)
{
    (void)attributes;
    return tg_clone(inputs.items[0]);
}
static const tg_autograd_function own_function = {"own", cloned_first, NULL};

static tg_tensor *square_of_first(tg_list inputs, void *user)
{
    (void)user;
    return tg_square(inputs.items[0]);
}

static tg_tensor *sum_of_first(tg_list inputs, void *user)
{
    (void)user;
    return tg_sum(tg_square(inputs.items[0]));
}

static tg_tensor *product_of_both(tg_list inputs, void *user)
{
    (void)user;
    return tg_mul(inputs.items[0], inputs.items[1]);
}

static tg_tensor *square_of(tg_tensor *x, void *user)
{
    (void)user;
    return tg_square(x);
}

static void ignore_module(tg_module *module, void *user)
{
    (void)module, (void)user;
}

static tg_tensor *closure(void *user)
{
    return user;
}

static tg_tensor *output_of_block(const tg_block *b, void *user)
{
    (void)user;
    return tg_forward(b->module, b->data.items[0]);
}

static tg_tensor *sum_of_block(const tg_block *b, void *user)
{
    return tg_sum(output_of_block(b, user));
}

static const char *const npy_path = TEST_ROOT "/tests/fuzz/corpus/npy/float32-2x3.npy";
static const tg_row_type row_of_number = {TG_F32, {0, NULL}};

static const char *read_zeros(void *user, int64_t first, int64_t n, void *const *out)
{
    (void)user, (void)first;
    memset(out[0], 0, (size_t)n * sizeof(float));
    return NULL;
}

static stage set_stage(tg_context *tg)
{
    stage s = {.o = make_operands(tg, TG_F32), .file = tmpfile(), .csv_file = tmpfile()};
    assert_true(s.file && s.csv_file);
    fputs("x,y,name\n1,2,a\n3,4,b\n", s.csv_file);
    rewind(s.csv_file);
    s.csv = tg_csv_open(tg, "table", TG_CSV(.file = s.csv_file));
    tg_csv_choose(s.csv, 2, TG_CSV_TEXT);
    rewind(s.csv_file);
    s.x = tg_clone(tg_detach(s.o.a));
    s.wide = tg_requires_grad_(tg_cast(s.x, TG_F64), true);
    s.five = tg_ones(tg, TG_F32, TG_SHAPE(5));
    s.cube = tg_ones(tg, TG_F32, TG_SHAPE(1, 4, 4));
    s.none = tg_ones(tg, TG_F32, TG_SHAPE(0));
    s.gone = tg_clone(s.x);
    s.loss = tg_sum(s.o.a);
    s.net = tg_linear(tg, 4, 3, TG_BIAS);
    s.mse = tg_mseloss(tg, TG_MEAN);
    s.own = tg_module_new(tg, "Own", NULL, 0);
    tg_register_module(s.own, "net", s.net);
    tg_register_buffer(s.own, "seen", s.x);
#define MAKE(name) s.name = tg_##name##_list(TG_LIST(s.o.a), NULL);
    EACH_OPTIMISER(MAKE)
    s.schedule = tg_exponential_lr(s.sgd, 0.5);
    s.plateau = tg_reduce_lr_on_plateau(s.adam, NULL);
    s.loader = tg_data_loader(TG_LIST(s.x), NULL);
    s.blocks = tg_rows_new(TG_LIST(s.x), TG_ROWS(.module = s.net));
    s.list = tg_state_new(tg);
    tg_state_add(s.list, "x", s.x);
    s.stale = tg_state_new(tg);
    tg_state_add(s.stale, "x", s.gone);
    release_noticed(s.gone);
    check_ok(tg);
    return s;
}

static void strike_stage(const stage *s)
{
    fclose(s->file);
    fclose(s->csv_file);
    tg_csv_close(s->csv);
    tg_close(s->o.tg);
}

#define JOINED(a, b)  a##b
#define NAME_OF(a, b) JOINED(a, b)
#define LOCAL(name)                                                                                \
    tg_optim *name = s->name;                                                                      \
    (void)name;
#define CALL(call)                                                                                 \
    static bool NAME_OF(call_at_, __LINE__)(stage * s)                                             \
    {                                                                                              \
        tg_context *tg = s->o.tg;                                                                  \
        tg_tensor *a = s->o.a, *c = s->o.c, *v = s->o.v, *mask = s->o.mask, *index = s->o.index;   \
        tg_tensor *rows = s->o.rows, *x = s->x, *wide = s->wide, *five = s->five;                  \
        tg_tensor *cube = s->cube, *none = s->none, *gone = s->gone, *loss = s->loss;              \
        tg_tensor **grads = s->grads;                                                              \
        tg_module *net = s->net, *own = s->own, *mse = s->mse;                                     \
        EACH_OPTIMISER(LOCAL)                                                                      \
        tg_scheduler *schedule = s->schedule, *plateau = s->plateau;                               \
        tg_rows *blocks = s->blocks;                                                               \
        tg_loader *loader = s->loader;                                                             \
        tg_csv *csv = s->csv;                                                                      \
        tg_state *list = s->list, *stale = s->stale;                                               \
        FILE *file = s->file, *csv_file = s->csv_file;                                             \
        float *f32 = s->f32;                                                                       \
        double *f64 = s->f64;                                                                      \
        int64_t *i64 = s->i64;                                                                     \
        bool *flags = s->flags;                                                                    \
        tg_one_cycle_options one_cycle = tg_one_cycle_defaults(1, 10);                             \
        one_cycle.cycle_momentum = false; /* SGD has none here */                                  \
        (void)tg, (void)a, (void)c, (void)v, (void)mask, (void)index, (void)rows, (void)x;         \
        (void)wide, (void)five, (void)cube, (void)none, (void)gone, (void)loss, (void)grads;       \
        (void)net, (void)own, (void)mse, (void)schedule, (void)plateau, (void)loader,              \
            (void)blocks;                                                                          \
        (void)file, (void)csv_file, (void)csv, (void)f32, (void)f64, (void)i64, (void)flags;       \
        (void)one_cycle, (void)list, (void)stale;                                                  \
        return (call) ? true : false;                                                              \
    }
#define WORKS(name, call)        CALL(call)
#define REFUSED(name, call)      CALL(call)
#define WRONG(name, shown, call) CALL(call)
#define NEVER_WRONG(name)
#include "calls.def"
#undef WORKS
#undef REFUSED
#undef WRONG
#undef NEVER_WRONG

typedef enum entry_kind { WORKING, REFUSING, BEING_WRONG, NEVER } entry_kind;

typedef struct entry {
    const char *name;
    entry_kind kind;
    const char *shown;
    bool (*call)(stage *s);
} entry;

static const entry entries[] = {
#define WORKS(name, call)        {#name, WORKING, "", NAME_OF(call_at_, __LINE__)},
#define REFUSED(name, call)      {#name, REFUSING, "", NAME_OF(call_at_, __LINE__)},
#define WRONG(name, shown, call) {#name, BEING_WRONG, shown, NAME_OF(call_at_, __LINE__)},
#define NEVER_WRONG(name)        {#name, NEVER, "", NULL},
#include "calls.def"
};
enum { ENTRIES = sizeof entries / sizeof *entries };

/* What the rows of supported.def are made of, as text. */
static const char *const row_text[] = {
#define GROUP(title)          title,
#define ROW(name, expression) #expression,
#include "supported.def"
};

/* ---- Names. */

/* What the message says failed: all before the colon, after the path of a module. */
static void read_name(const char *message, char *name, size_t size)
{
    const char *end = strchr(message, ':'), *path = strstr(message, "): ");
    if (path && path < end + 1) {
        message = path + 3;
        end = strchr(message, ':');
    }
    snprintf(name, size, "%.*s", (int)(end ? end - message : 0), message);
}

/* Whether a name in a message stands for this function. PyTorch has one name for what are several
 * functions in C. */
static bool is_name_of(const char *said, const char *function)
{
    static const char *const endings[] = {"dims",   "dim",    "scalar", "sizes",     "indexed",
                                          "layer",  "list",   "group",  "with",      "inputs",
                                          "buffer", "module", "metric", "parameter", "closure"};
    static const char *const classes[][2] = {{"Conv1d", "conv1d_layer"},
                                             {"Conv2d", "conv2d_layer"},
                                             {"mse_loss", "mseloss"},
                                             {"BatchNorm1d", "batchnorm1d"},
                                             {"BatchNorm2d", "batchnorm2d"}};
    const size_t n = strlen(said);
    if (n == 0) return false;
    if (!strcmp(said, function)) return true;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (!strcmp(said, classes[i][0]) && !strcmp(function, classes[i][1])) return true;
    if (strncmp(said, function, n) != 0 || function[n] != '_') return false;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (!strcmp(function + n + 1, endings[i])) return true;
    return false;
}

static int complaints;

static void complain(const char *text, const char *message, const char *what)
{
    print_error("%s: \"%s\": %s\n", text, message, what);
    complaints++;
}

/* ---- Wrong calls that calls.def lists. */

static void test_messages_name_the_function_and_show_what_it_got(void **state)
{
    (void)state;
    complaints = 0;
    for (int i = 0; i < ENTRIES; i++) {
        const entry *e = &entries[i];
        if (e->kind != BEING_WRONG) continue;
        tg_context *tg = tg_open(NULL);
        stage s = set_stage(tg);
        char name[64];
        open_message[0] = 0;
        const bool done = e->call(&s);
        const char *message = *open_message ? open_message : tg_error(tg);
        read_name(message, name, sizeof name);
        if (done || !*message) complain(e->name, message, "it has not failed");
        if (*message && !is_name_of(name, e->name)) complain(e->name, message, "another name");
        if (!strstr(message, e->shown)) complain(e->name, message, e->shown);
        strike_stage(&s);
    }
    if (complaints) fail_msg("%d messages", complaints);
}

/* ---- Wrong operands for the rows of supported.def. */

static bool is_called_in(const char *said, const char *text)
{
    for (const char *at = text; (at = strstr(at, "tg_")); at++) {
        char function[64];
        snprintf(function, sizeof function, "%.*s", (int)strcspn(at + 3, "(),"), at + 3);
        if (is_name_of(said, function)) return true;
    }
    return false;
}

static const char *const pages[] = {"context.h",  "tensor.h", "ops.h",         "linalg.h",
                                    "autograd.h", "random.h", "state.h",       "ranks.h",
                                    "nn.h",       "optim.h",  "data.h",        "rows.h",
                                    "io.h",       "files.h",  "row_sources.h", "dlpack.h"};
enum { PAGES = sizeof pages / sizeof *pages };

static FILE *open_page(const char *page)
{
    char path[512];
    snprintf(path, sizeof path, "%s/include/tinygrad/%s", TEST_ROOT, page);
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("%s cannot be read", path);
    return file;
}

/* Whether that page declares the function with a parameter of that name. */
static bool page_has_parameter(const char *page, const char *function, const char *name)
{
    static char text[1 << 16];
    char called[80], parameter[80];
    FILE *file = open_page(page);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    snprintf(called, sizeof called, "tg_%s(", function);
    snprintf(parameter, sizeof parameter, "*%s", name);
    for (const char *at = text; (at = strstr(at, "TG_API")); at++) {
        const char *end = strstr(at, ");"), *found = strstr(at, called);
        if (!end || !found || found > end) continue;
        while ((found = strstr(found + 1, parameter)) && found < end)
            if (strchr(",)", found[strlen(parameter)])) return true;
    }
    return false;
}

/* Whether a function in the text, which has that name in messages, has such a parameter. */
static bool is_parameter(const char *said, const char *text, const char *name)
{
    for (const char *at = text; (at = strstr(at, "tg_")); at++) {
        char function[64];
        snprintf(function, sizeof function, "%.*s", (int)strcspn(at + 3, "(),"), at + 3);
        for (int i = 0; i < PAGES && is_name_of(said, function); i++)
            if (page_has_parameter(pages[i], function, name)) return true;
    }
    return false;
}

/* A tensor that is NULL is called as in the header, and a tensor of a list by its number. */
static void check_what_is_null(const char *said, const char *text, const char *message)
{
    char what[64];
    const char *from = message + strlen(said), *end = strstr(message, " is NULL");
    if (!end || strncmp(from, ": ", 2) != 0) return;
    snprintf(what, sizeof what, "%.*s", (int)(end - from) - 2, from + 2);
    const bool numbered = strncmp(what, "tensor ", 7) == 0;
    if (numbered ? !strstr(text, "TG_LIST") : !strchr(what, ' ') && !is_parameter(said, text, what))
        complain(text, message, "not the name in the header");
}

/* The tensors of o that are not NULL: pointers to these. */
static int operands_of(operands *o, tg_tensor ***t)
{
    tg_tensor **all[] = {&o->a, &o->b, &o->c, &o->v, &o->mask, &o->index, &o->rows};
    memcpy(t, all, sizeof all);
    return sizeof all / sizeof *all;
}

enum { OPERANDS_AT_MOST = 7 };

/* Whether the message shows the sizes of t, such as "3, 5". */
static bool shows_sizes_of(const char *message, const tg_tensor *t)
{
    char text[200] = "";
    for (int d = 0; d < t->ndim; d++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%lld", d ? ", " : "",
                 (long long)t->shape[d]);
    return strstr(message, text) != NULL;
}

static void check_row(int row, const operands *o, const tg_tensor *wrong)
{
    char name[64];
    const tg_tensor *out = table[row].call(o);
    const char *message = tg_error(o->tg);
    if (!*message && !out && wrong) complain(row_text[row], "", "fails without a message");
    if (!*message) return;
    read_name(message, name, sizeof name);
    check_what_is_null(name, row_text[row], message);
    if (out && tg_error_code(o->tg) != TG_OK) complain(row_text[row], message, "a result");
    if (!is_called_in(name, row_text[row])) complain(row_text[row], message, "another name");
    if (tg_error_code(o->tg) == TG_ERR_SHAPE && wrong && !shows_sizes_of(message, wrong))
        complain(row_text[row], message, "not the shape that is wrong");
}

/* Makes operand number k wrong in its n-th way; false if there are no more. */
static bool spoil(tg_context *tg, tg_tensor **t, int n)
{
    tg_tensor *was = *t;
    switch (n) {
    case 0: *t = NULL; break;
    case 1: release_noticed(*t = tg_clone(was)); break;
    case 2: *t = tg_ones(tg, was->dtype, TG_SHAPE(3, 5)); break;
    case 3: *t = tg_ones(tg, was->dtype, TG_SHAPE()); break;
    case 4: *t = tg_ones(tg, was->dtype, TG_SHAPE(0, 4)); break;
    case 5: *t = tg_ones(tg, was->dtype, TG_SHAPE(1, 1, 1, 1, 1, 1, 4, 4)); break;
    case 6: *t = tg_full(tg, was->dtype, (tg_shape){was->ndim, was->shape}, 9); break;
    default:
        if (n >= 7 + TG_DTYPES) return false;
        *t = tg_ones(tg, (tg_dtype)(n - 7), (tg_shape){was->ndim, was->shape});
    }
    return true;
}

static void test_wrong_operands(void **state)
{
    (void)state;
    complaints = 0;
    for (int row = 0; row < ROWS; row++)
        for (int k = 0; k < OPERANDS_AT_MOST && table[row].call; k++) {
            bool more = true;
            for (int n = 0; more; n++) {
                tg_context *tg = tg_open(NULL);
                operands o = make_operands(tg, TG_F32);
                tg_tensor **t[OPERANDS_AT_MOST];
                operands_of(&o, t);
                more = spoil(tg, t[k], n);
                check_ok(tg);
                if (more && (!strstr(row_text[row], "stepped") || n > 0)) check_row(row, &o, *t[k]);
                tg_close(tg);
            }
        }
    if (complaints) fail_msg("%d messages", complaints);
}

static void test_wrong_dtypes(void **state)
{
    (void)state;
    complaints = 0;
    for (int row = 0; row < ROWS; row++)
        for (tg_dtype d = TG_F32; d < (tg_dtype)TG_DTYPES && table[row].call; d++) {
            tg_context *tg = tg_open(NULL);
            const operands o = make_operands(tg, d);
            check_row(row, &o, o.a);
            tg_close(tg);
        }
    if (complaints) fail_msg("%d messages", complaints);
}

/* ---- Tensors of two contexts. */

/* The first tensor that is named in the expression is a, or it is one of the others. */
static bool begins_with_a(const char *text)
{
    const char *at = text + strcspn(text, "(");
    while (*at && strncmp(at, "a,", 2) != 0 && strncmp(at, "a)", 2) != 0) {
        static const char *const others[] = {"b,", "v,", "mask,", "rows,", "b)", "v)"};
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            if ((at[-1] == '(' || at[-1] == ' ') && !strncmp(at, others[i], strlen(others[i])))
                return false;
        at++;
    }
    return true;
}

static void test_an_error_goes_to_the_first_tensors_context(void **state)
{
    (void)state;
    complaints = 0;
    for (int row = 0; row < ROWS; row++) {
        if (!table[row].call || strstr(row_text[row], "stepped")) continue;
        tg_context *mine = tg_open(NULL), *other = tg_open(NULL);
        operands o = make_operands(other, TG_F32);
        o.tg = mine;
        o.a = make_operands(mine, TG_F32).a;
        tg_context *first = begins_with_a(row_text[row]) ? mine : other;
        tg_context *second = first == mine ? other : mine;
        const bool makes_others = strstr(row_text[row] + 1, "tg_") != NULL;
        const tg_context before = *second;
        table[row].call(&o);
        if (!tg_ok(second) || (!makes_others && memcmp(&before, second, sizeof before) != 0))
            complain(row_text[row], tg_error(second), "the second context has changed");
        if (!tg_ok(first)) {
            char name[64];
            read_name(tg_error(first), name, sizeof name);
            if (!is_called_in(name, row_text[row]))
                complain(row_text[row], tg_error(first), "another name");
        }
        tg_close(mine);
        tg_close(other);
    }
    if (complaints) fail_msg("%d calls", complaints);
}

/* The first argument is of the stage's context, the second of another. */
static bool mix(const stage *s, int which, tg_tensor *theirs, tg_module *module, tg_tensor **grads)
{
    tg_tensor *a = s->o.a, *x = s->x;
    switch (which) {
    case 0: return tg_copy_(x, theirs);
    case 1: return tg_add_(x, theirs);
    case 2: return tg_backward_with(tg_neg(a), theirs);
    case 3: return tg_backward_inputs(s->loss, TG_LIST(theirs));
    case 4: return tg_grad(TG_LIST(s->loss), TG_LIST(theirs), grads, NULL);
    case 5: return tg_grad(TG_LIST(s->loss), TG_LIST(a, theirs), grads, NULL);
    case 6: return tg_apply(&own_function, TG_LIST(a, theirs), NULL, 0);
    case 7: return tg_gradcheck(square_of_first, TG_LIST(s->wide, theirs), NULL, NULL);
    case 8: return tg_forward(s->net, theirs);
    case 9: return tg_loss(s->mse, theirs, x);
    case 10: return tg_loss(s->mse, x, theirs);
    case 11: return tg_register_parameter(s->own, "new", theirs);
    case 12: return tg_register_buffer(s->own, "new", theirs);
    case 13: return tg_register_module(s->own, "new", module);
    case 14: return tg_sequential(TG_MODULES(s->net, module));
    case 15: return tg_sgd_list(TG_LIST(a, theirs), NULL);
    case 16: return tg_sgd_group(s->sgd, TG_LIST(theirs), NULL);
    case 17: return number(tg_step_closure(s->sgd, closure, theirs));
    case 18: return number(tg_clip_grad_norm_(TG_LIST(a, theirs), 1, 2, false));
    case 19: return tg_data_loader(TG_LIST(x, theirs), NULL);
    case 20: return tg_random_split(TG_LIST(x, theirs), TG_SHAPE(2, 2), grads);
    case 21: return tg_binary_cross_entropy(x, x, &(tg_loss_options){.weight = theirs});
    case 22: return tg_cross_entropy(x, s->o.rows, &(tg_loss_options){.weight = theirs, .eps = 1});
    case 23: return tg_conv1d(s->cube, s->cube, &(tg_conv_options){.bias = theirs, .groups = 1});
    case 24: return tg_where(s->o.mask, theirs, x);
    case 25:
        return tg_binary_cross_entropy_with_logits(x, x, &(tg_loss_options){.pos_weight = theirs});
    case 26: return tg_borrow(s->o.tg, theirs) && !tg_ok(theirs->context);
    case 27: return tg_rows_new(TG_LIST(x, theirs), NULL);
    case 28: return tg_rows_new(TG_LIST(x), TG_ROWS(.tensors = TG_LIST(a, theirs)));
    case 29: return tg_rows_new(TG_LIST(x), TG_ROWS(.module = module));
    case 30: return tg_rows_set_data(s->blocks, TG_LIST(theirs));
    default: return false;
    }
}

enum { MIXTURES = 31, BORROW = 26 };

static void test_a_call_writes_to_one_context(void **state)
{
    (void)state;
    complaints = 0;
    for (int which = 0; which < MIXTURES; which++)
        for (int released = 0; released < 2; released++) {
            tg_context *other = tg_open(NULL), before;
            tg_tensor *theirs = tg_requires_grad_(tg_ones(other, TG_F32, TG_SHAPE(4, 4)), true);
            tg_module *module = tg_linear(other, 1, 1, TG_BIAS);
            stage s = set_stage(tg_open(NULL));
            tg_tensor *grads[4] = {NULL};
            char text[32];
            snprintf(text, sizeof text, "mixture %d", which);
            if (released) release_noticed(theirs);
            before = *other;
            if (mix(&s, which, theirs, module, grads)) complain(text, "", "it has not failed");
            if (memcmp(&before, other, sizeof before) != 0)
                complain(text, tg_error(other), "the other context has changed");
            if (tg_ok(s.o.tg) && which != BORROW) complain(text, "", "no error");
            strike_stage(&s);
            tg_close(other);
        }
    if (complaints) fail_msg("%d calls", complaints);
}

/* ---- While an error is pending. */

static const char pending[] = "select: index 9 of dimension 0 is out of range for [4]";

static double checksum(const stage *s)
{
    const tg_tensor *all[] = {s->o.a, s->o.c, s->x, s->wide, s->o.index, s->o.mask, s->o.a->grad};
    double sum = tg_lr(s->sgd) + tg_groups(s->sgd);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (int64_t k = 0; all[i] && k < all[i]->numel; k++)
            sum += (double)(k + 1 + (int64_t)i) * element_of(all[i], k);
    return sum;
}

static void check_works(const entry *e)
{
    stage s = set_stage(tg_open(NULL));
    if (!e->call(&s) || !tg_ok(s.o.tg)) complain(e->name, tg_error(s.o.tg), "it fails");
    strike_stage(&s);
}

static void check_pending(const entry *e)
{
    tg_context *tg = tg_open(NULL);
    stage s = set_stage(tg);
    tg_backward(s.loss);
    tg_select(s.o.v, 0, 9);
    const double before = checksum(&s);
    const generator random = tg->random;
    const bool done = e->call(&s);
    if (done != (e->kind == WORKING)) complain(e->name, "", done ? "it works" : "it refuses");
    if (strcmp(tg_error(tg), pending) != 0) complain(e->name, tg_error(tg), "another message");
    if (e->kind == REFUSING) {
        if (checksum(&s) != before) complain(e->name, "", "something has changed");
        if (memcmp(&random, &tg->random, sizeof random) != 0) complain(e->name, "", "it has drawn");
    }
    strike_stage(&s);
}

static void test_one_rule_while_an_error_is_pending(void **state)
{
    (void)state;
    complaints = 0;
    for (int i = 0; i < ENTRIES; i++) {
        if (entries[i].kind != WORKING && entries[i].kind != REFUSING) continue;
        check_works(&entries[i]);
        check_pending(&entries[i]);
    }
    if (complaints) fail_msg("%d calls", complaints);
}

/* The operations work; modules and optimisers, which are made in the rows, and draws do not. */
static void test_operations_work_while_an_error_is_pending(void **state)
{
    (void)state;
    complaints = 0;
    bool makes = false;
    for (int row = 0; row < ROWS; row++) {
        if (!table[row].call) makes = strcmp(table[row].name, "Modules") == 0 || makes;
        if (!table[row].call) continue;
        const bool works = !makes && strcmp(table[row].name, "dropout") != 0;
        const bool integral = strcmp(table[row].name, "one_hot") == 0;
        tg_context *tg = tg_open(NULL);
        operands o = make_operands(tg, integral ? TG_I64 : TG_F32);
        tg_select(o.v, 0, 9);
        const bool done = table[row].call(&o) != NULL;
        if (done != works) complain(row_text[row], "", done ? "it works" : "it refuses");
        if (strcmp(tg_error(tg), pending) != 0)
            complain(row_text[row], tg_error(tg), "another message");
        tg_close(tg);
    }
    if (complaints) fail_msg("%d calls", complaints);
}

/* ---- No public function is left out. */

static bool is_listed(const char *name, entry_kind one, entry_kind other)
{
    for (int i = 0; i < ENTRIES; i++)
        if (!strcmp(entries[i].name, name) && (entries[i].kind == one || entries[i].kind == other))
            return true;
    return false;
}

static bool is_row(const char *name)
{
    for (int i = 0; i < ROWS; i++)
        if (table[i].call && !strcmp(table[i].name, name)) return true;
    return false;
}

/* A function of ops.h or linalg.h that returns tensors is an operation, unless it writes in place,
 * as the end of its name tells. */
static bool is_operation(const char *page, const char *line)
{
    static const char *const results[] = {"tg_tensor *", "tg_indexed ", "tg_list "};
    bool returns_tensors = false;
    if (strstr(line, "_(")) return false;
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        if (strncmp(line + strlen("TG_API "), results[i], strlen(results[i])) == 0)
            returns_tensors = true;
    return returns_tensors && (strcmp(page, "ops.h") == 0 || strcmp(page, "linalg.h") == 0);
}

/* An operation has a row of supported.def, by which tests call it in every way, and which README's
 * table follows. Any other function has lines of calls.def, unless it has a row. What a call does
 * while an error is pending cannot be asked of clear_error, which ends that. */
static void check_function(const char *name, bool operation)
{
    const bool pends = is_listed(name, WORKING, REFUSING) || strcmp(name, "clear_error") == 0;
    if (is_row(name) || (!operation && pends && is_listed(name, BEING_WRONG, NEVER))) return;
    complaints++;
    if (operation)
        print_error("tests/support/supported.def has no ROW(%s, ...)\n", name);
    else
        print_error(
            "tests/support/calls.def lacks WORKS or REFUSED, or WRONG or NEVER_WRONG, of %s; "
            "a function that makes a layer or an optimiser needs a ROW in "
            "tests/support/supported.def\n",
            name);
}

static void check_page(const char *page)
{
    char line[512];
    int declared = 0;
    FILE *file = open_page(page);
    while (fgets(line, sizeof line, file)) {
        char *open = strchr(line, '('), *name = NULL;
        if (strncmp(line, "TG_API", 6) != 0 || !open) continue;
        const bool operation = is_operation(page, line);
        *open = 0;
        for (char *at = line; (at = strstr(at, "tg_")); at++) name = at + 3;
        if (!name) continue;
        check_function(name, operation);
        declared++;
    }
    fclose(file);
    assert_true(declared > 0);
}

static void test_every_public_function_is_called(void **state)
{
    (void)state;
    complaints = 0;
    for (int i = 0; i < PAGES; i++) check_page(pages[i]);
    if (complaints) fail_msg("%d functions", complaints);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_name_the_function_and_show_what_it_got),
        cmocka_unit_test(test_wrong_operands),
        cmocka_unit_test(test_wrong_dtypes),
        cmocka_unit_test(test_an_error_goes_to_the_first_tensors_context),
        cmocka_unit_test(test_a_call_writes_to_one_context),
        cmocka_unit_test(test_one_rule_while_an_error_is_pending),
        cmocka_unit_test(test_operations_work_while_an_error_is_pending),
        cmocka_unit_test(test_every_public_function_is_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
