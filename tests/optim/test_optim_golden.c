/* Optimisers and schedules, compared with PyTorch's trajectories, which optim_golden.txt lists in
 * the form that golden/optim.py describes. */
#include "each_level.h"

#include "ops/op.h"

enum { STEPS = 100, FIRST = 19, SECOND = 6, ALL = FIRST + SECOND, LINE = 8192, NUMBERS = 128 };

/* The data that all runs of a dtype share. */
typedef struct course {
    double start[ALL], target[ALL], noise[STEPS][ALL];
} course;

/* One run of an optimiser. */
typedef struct run {
    tg_context *tg;
    const course *c;
    tg_dtype dtype;
    tg_tensor *p[2];
    tg_optim *optim;
    int done; /* how many steps it has made */
} run;

static tg_dtype dtype_of(const char *name)
{
    return strcmp(name, "f32") == 0 ? TG_F32 : TG_F64;
}

/* Reads the numbers in text, and returns how many there are. */
static int read_numbers(const char *text, double *values)
{
    int n = 0;
    for (char *end; n < NUMBERS; text = end) {
        const double value = strtod(text, &end);
        if (end == text) break;
        values[n++] = value;
    }
    return n;
}

/* The same, of a dtype: the digits tell a float from its neighbours. */
static void read_values(const char *text, tg_dtype dtype, double *values)
{
    const int n = read_numbers(text, values);
    for (int i = 0; i < n && dtype == TG_F32; i++) values[i] = (double)(float)values[i];
}

/* A tensor with the values of one parameter. The second one lies in memory as a transpose. */
static tg_tensor *tensor_of(const run *r, int which, const double *values)
{
    if (which == 0) return tg_cast(tg_from_f64(r->tg, TG_SHAPE(FIRST), values), r->dtype);
    tg_tensor *t = tg_cast(tg_from_f64(r->tg, TG_SHAPE(3, 2), values + FIRST), r->dtype);
    return tg_t(tg_contiguous(tg_t(t)));
}

static tg_optim *make_optim(const char *name, tg_list p, const double *n)
{
    if (strcmp(name, "rmsprop") == 0)
        return tg_rmsprop_list(
            p, &(tg_rmsprop_options){n[0], n[1], n[2], n[3], n[4], n[5] != 0, n[6] != 0});
    if (strcmp(name, "adagrad") == 0)
        return tg_adagrad_list(p, &(tg_adagrad_options){n[0], n[1], n[2], n[3], n[4], n[5] != 0});
    const tg_adam_options o = {n[0], n[1], n[2], n[3], n[4], n[5] != 0, n[6] != 0};
    if (strcmp(name, "adam") == 0) return tg_adam_list(p, &o);
    if (strcmp(name, "adamw") == 0) return tg_adamw_list(p, &o);
    fail_msg("make_optim does not make %s", name);
    return NULL;
}

static double element(const run *r, int i)
{
    const int64_t at = i - FIRST;
    return i < FIRST ? tg_get(r->p[0], TG_INDEX(i)) : tg_get(r->p[1], TG_INDEX(at / 2, at % 2));
}

static bool lags(int step)
{
    return step == 1 || step == 2 || step == 7 || step == 8 || step == 15 || step == 60;
}

/* The gradient that moves a parameter to its target, computed as golden/optim.py does. */
static void take_step(run *r)
{
    const int step = ++r->done;
    double g[ALL];
    tg_scope_begin(r->tg);
    for (int i = 0; i < ALL; i++)
        g[i] = (element(r, i) - r->c->target[i]) * 0.5 + r->c->noise[step - 1][i];
    assert_true(tg_zero_grad(r->optim));
    for (int i = 0; i < (lags(step) ? 1 : 2); i++)
        assert_true(tg_backward(tg_sum(tg_mul(r->p[i], tensor_of(r, i, g)))));
    assert_true(tg_step(r->optim));
    tg_scope_end(r->tg);
}

static void begin_run(run *r, const course *courses, const char *line)
{
    char dtype[8], name[16];
    double numbers[NUMBERS];
    int end;
    assert_int_equal(sscanf(line, "run %7s %15s %n", dtype, name, &end), 2);
    read_numbers(line + end, numbers);
    r->dtype = dtype_of(dtype);
    r->c = &courses[r->dtype];
    r->done = 0;
    for (int i = 0; i < 2; i++) r->p[i] = tg_requires_grad_(tensor_of(r, i, r->c->start), true);
    assert_false(tg_is_contiguous(r->p[1]));
    r->optim = make_optim(name, TG_LIST(r->p[0], r->p[1]), numbers);
    assert_string_equal(tg_error(r->tg), "");
}

/* Compares the bits, as the kernel rounds where PyTorch's does. */
static void compare(const run *r, int line, const double *want)
{
    for (int i = 0; i < ALL; i++) {
        const double right = r->dtype == TG_F32 ? (double)(float)want[i] : want[i];
        if (element(r, i) != right)
            fail_msg("optim_golden.txt:%d: step %d, element %d: %.17g, not %.17g (%s)", line,
                     r->done, i, element(r, i), right, tg_simd_level(r->tg));
    }
}

static FILE *open_golden(void)
{
    FILE *file = fopen(TEST_ROOT "/tests/golden/optim_golden.txt", "r");
    assert_non_null(file);
    return file;
}

/* How many lines of the file begin with that word: none may be passed over. */
static int lines_of(const char *word)
{
    static char line[LINE], first[16];
    int n = 0;
    FILE *file = open_golden();
    while (fgets(line, sizeof line, file))
        n += sscanf(line, "%15s", first) == 1 && strcmp(first, word) == 0;
    fclose(file);
    assert_true(n > 0);
    return n;
}

static void trajectories(int level)
{
    FILE *file = open_golden();
    course *courses = calloc(2, sizeof *courses);
    tg_context *tg = tg_open(NULL);
    assert_true(courses && tg);
    tg->level = level;
    run r = {.tg = tg};
    static char line[LINE];
    char dtype[8];
    double values[NUMBERS];
    int number = 1, step, end, compared = 0;
    for (; fgets(line, sizeof line, file); number++) {
        if (strncmp(line, "run", 3) == 0) begin_run(&r, courses, line);
        if (sscanf(line, "start %7s %n", dtype, &end) == 1)
            read_values(line + end, dtype_of(dtype), courses[dtype_of(dtype)].start);
        if (sscanf(line, "target %7s %n", dtype, &end) == 1)
            read_values(line + end, dtype_of(dtype), courses[dtype_of(dtype)].target);
        if (sscanf(line, "noise %7s %d %n", dtype, &step, &end) == 2)
            read_values(line + end, dtype_of(dtype), courses[dtype_of(dtype)].noise[step - 1]);
        if (sscanf(line, "after %d %n", &step, &end) != 1) continue;
        while (r.done < step) take_step(&r);
        assert_int_equal(read_numbers(line + end, values), ALL);
        compare(&r, number, values);
        compared++;
    }
    assert_int_equal(compared, lines_of("after"));
    tg_close(tg);
    free(courses);
    fclose(file);
}

static void trajectories_at_each_level(void **state)
{
    (void)state;
    each_level(trajectories);
}

/* ---- Schedules. */

static tg_scheduler *make_schedule(tg_optim *optim, const char *name, const double *n)
{
    if (strcmp(name, "step") == 0) return tg_step_lr(optim, (int64_t)n[0], n[1]);
    if (strcmp(name, "exponential") == 0) return tg_exponential_lr(optim, n[0]);
    if (strcmp(name, "cosine") == 0) return tg_cosine_annealing_lr(optim, (int64_t)n[0], n[1]);
    if (strcmp(name, "one_cycle") == 0) {
        tg_one_cycle_options o = tg_one_cycle_defaults(n[1], (int64_t)n[2]);
        o.pct_start = n[3];
        o.linear = n[4] != 0;
        o.three_phase = n[5] != 0;
        return tg_one_cycle_lr(optim, &o);
    }
    tg_plateau_options o = tg_plateau_defaults();
    o.max = n[0] != 0;
    o.factor = n[1];
    o.patience = (int64_t)n[2];
    o.threshold = n[3];
    o.absolute = n[4] != 0;
    o.cooldown = (int64_t)n[5];
    o.min_lr = n[6];
    return tg_reduce_lr_on_plateau(optim, &o);
}

/* A metric that falls, stays, and then falls a little. */
static double metric(int i)
{
    return i < 12 ? 1.0 / (1 + i) : i < 40 ? 0.08 : 0.08 - 1e-5 * (i - 40);
}

/* The momentum of the only group, which shows in nothing that is public. */
#include "optim/optim.h"
static double momentum_of(const tg_optim *optim)
{
    return optim->groups->o.number[1];
}

static void check_rates(tg_context *tg, const char *name, const double *numbers, const double *want,
                        int n)
{
    tg_list p = TG_LIST(tg_requires_grad_(tg_zeros(tg, TG_F32, TG_SHAPE(1)), true));
    bool adam = strcmp(name, "one_cycle") == 0 && numbers[0] == 1;
    tg_adam_options how = tg_adam_defaults();
    how.lr = 0.5;
    tg_optim *optim = adam ? tg_adam_list(p, &how)
                           : tg_sgd_list(p, &(tg_sgd_options){.lr = 0.5, .momentum = 0.9});
    tg_scheduler *s = make_schedule(optim, name, numbers);
    assert_non_null(s);
    for (int i = 0; i < n / 2; i++) {
        if (i > 0)
            assert_true(strcmp(name, "plateau") == 0 ? tg_scheduler_step_metric(s, metric(i - 1))
                                                     : tg_scheduler_step(s));
        /* Each step rounds a few times, and libm's cos may differ in its last bit. */
        const double u = 1e-12;
        const double lr = tg_lr(optim), momentum = momentum_of(optim);
        if (fabs(lr - want[2 * i]) > u * want[2 * i] ||
            fabs(momentum - want[2 * i + 1]) > u * want[2 * i + 1])
            fail_msg("%s: step %d: %.17g and %.17g, not %.17g and %.17g", name, i, lr, momentum,
                     want[2 * i], want[2 * i + 1]);
    }
}

static void schedules(void **state)
{
    (void)state;
    static char line[LINE], name[16];
    double numbers[NUMBERS], rates[NUMBERS];
    int end, seen = 0;
    FILE *file = open_golden();
    tg_context *tg = tg_open(NULL);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "rates %15s %n", name, &end) == 1) read_numbers(line + end, numbers);
        if (strncmp(line, "rate ", 5) != 0) continue;
        const int n = read_numbers(line + 5, rates);
        check_rates(tg, name, numbers, rates, n);
        seen++;
    }
    assert_int_equal(seen, lines_of("rates"));
    tg_close(tg);
    fclose(file);
}

/* ---- LBFGS. */

typedef struct valley {
    tg_optim *optim;
    tg_tensor *p, *scale;
} valley;

static tg_tensor *descend(void *user)
{
    valley *v = user;
    tg_tensor *loss;
    tg_zero_grad(v->optim);
    if (v->p->numel == 2) {
        tg_tensor *x = tg_select(v->p, 0, 0), *y = tg_select(v->p, 0, 1);
        tg_tensor *far = tg_square(tg_sub(y, tg_square(x)));
        loss = tg_add(tg_square(tg_neg(tg_sub_scalar(x, 1))), tg_mul_scalar(far, 100));
    } else {
        tg_tensor *d = tg_sub_scalar(v->p, 1);
        loss = tg_add(tg_sum(tg_mul(tg_mul(v->scale, d), d)),
                      tg_square(tg_sub_scalar(tg_sum(v->p), 3)));
    }
    tg_backward(loss);
    return loss;
}

static void begin_valley(valley *v, tg_context *tg, const char *line)
{
    static const double start[] = {-1.2, 1};
    char dtype[8], name[16];
    double n[NUMBERS];
    int end;
    assert_int_equal(sscanf(line, "valley %7s %15s %n", dtype, name, &end), 2);
    read_numbers(line + end, n);
    const tg_dtype d = dtype_of(dtype);
    v->p = strcmp(name, "rosenbrock") == 0 ? tg_cast(tg_from_f64(tg, TG_SHAPE(2), start), d)
                                           : tg_zeros(tg, d, TG_SHAPE(8));
    v->scale = tg_arange(tg, d, 1, 9, 1);
    tg_requires_grad_(v->p, true);
    tg_lbfgs_options o = tg_lbfgs_defaults();
    o.lr = n[0];
    o.max_iter = (int64_t)n[1];
    o.history_size = (int64_t)n[2];
    o.strong_wolfe = n[3] != 0;
    v->optim = tg_lbfgs_list(TG_LIST(v->p), &o);
    assert_non_null(v->optim);
}

/* float64: some hundred roundings, which the valley's curvature (condition 2500) makes larger.
 * float32: PyTorch's own rounding does that; what it computes in float64 lies as far off. */
static void check_point(const valley *v, double loss, const double *want, int line)
{
    const double near = v->p->dtype == TG_F64 ? 1e-9 : 3e-3;
    assert_true(fabs(loss - want[0]) <= near * (1e-6 + fabs(want[0])));
    for (int64_t i = 0; i < v->p->numel; i++) {
        const double got = tg_get(v->p, TG_INDEX(i));
        if (fabs(got - want[1 + i]) > near * fmax(1, fabs(want[1 + i])))
            fail_msg("optim_golden.txt:%d: %.17g, not %.17g", line, got, want[1 + i]);
    }
}

static void valleys(void **state)
{
    (void)state;
    static char line[LINE];
    double want[NUMBERS];
    int step, end, seen = 0;
    FILE *file = open_golden();
    tg_context *tg = tg_open(NULL);
    valley v = {0};
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        if (strncmp(line, "valley", 6) == 0) begin_valley(&v, tg, line);
        if (sscanf(line, "at %d %n", &step, &end) != 1) continue;
        read_numbers(line + end, want);
        const double loss = tg_step_closure(v.optim, descend, &v);
        assert_string_equal(tg_error(tg), "");
        check_point(&v, loss, want, number);
        seen++;
    }
    assert_int_equal(seen, lines_of("at"));
    tg_close(tg);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trajectories_at_each_level),
        cmocka_unit_test(schedules),
        cmocka_unit_test(valleys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
