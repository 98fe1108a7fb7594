/* Curve fits: NIST's nonlinear regressions, closed forms, SciPy's values, bounds, and what a fit
 * says of itself where it is not at a minimum. */
#include "guarded.h"
#include "leaf.h"

/* ---- NIST's nonlinear regressions, in nist_nonlinear.txt, whose form golden/nist_nonlinear.py
 * tells. */

#define ADD(a, b) tg_add(a, b)
#define SUB(a, b) tg_sub(a, b)
#define MUL(a, b) tg_mul(a, b)
#define DIV(a, b) tg_div(a, b)
#define EXP(a)    tg_exp(a)
#define NEG(a)    tg_neg(a)
#define B(k)      tg_select(b, 0, k)

static tg_tensor *decay(tg_tensor *size, tg_tensor *rate, tg_tensor *x)
{
    return MUL(size, EXP(NEG(MUL(rate, x))));
}

static tg_tensor *peak(tg_tensor *height, tg_tensor *centre, tg_tensor *width, tg_tensor *x)
{
    return MUL(height, EXP(NEG(tg_square(DIV(SUB(x, centre), width)))));
}

/* A wave of that period. */
static tg_tensor *wave(tg_tensor *cosine, tg_tensor *sine, tg_tensor *period, tg_tensor *x)
{
    tg_tensor *angle = DIV(tg_mul_scalar(x, 2 * 3.141592653589793), period);
    return ADD(MUL(cosine, tg_cos(angle)), MUL(sine, tg_sin(angle)));
}

/* b[from] + b[from + 1] x + ... of that degree, or with `one` 1 + b[from] x + ... */
static tg_tensor *polynomial(tg_tensor *b, int64_t from, int degree, bool one, tg_tensor *x)
{
    tg_tensor *sum = NULL;
    for (int64_t k = from + degree - (one ? 1 : 0); k >= from; k--)
        sum = sum ? ADD(MUL(sum, x), B(k)) : tg_mul(tg_ones_like(x), B(k));
    return one ? tg_add_scalar(MUL(sum, x), 1) : sum;
}

static tg_tensor *logistic(tg_tensor *b, tg_tensor *x)
{
    return tg_add_scalar(EXP(SUB(B(1), MUL(B(2), x))), 1);
}

#define MODELS(MODEL)                                                                              \
    MODEL(Bennett5, MUL(B(0), tg_pow(ADD(B(1), x), NEG(tg_reciprocal(B(2))))))                     \
    MODEL(BoxBOD, SUB(B(0), decay(B(0), B(1), x)))                                                 \
    MODEL(Chwirut, DIV(EXP(NEG(MUL(B(0), x))), ADD(B(1), MUL(B(2), x))))                           \
    MODEL(DanWood, MUL(B(0), tg_pow(x, B(1))))                                                     \
    MODEL(ENSO, ADD(ADD(B(0), wave(B(1), B(2), tg_full_like(B(0), 12), x)),                        \
                    ADD(wave(B(4), B(5), B(3), x), wave(B(7), B(8), B(6), x))))                    \
    MODEL(Eckerle4,                                                                                \
          MUL(DIV(B(0), B(1)), EXP(tg_mul_scalar(tg_square(DIV(SUB(x, B(2)), B(1))), -0.5))))      \
    MODEL(Gauss,                                                                                   \
          ADD(decay(B(0), B(1), x), ADD(peak(B(2), B(3), B(4), x), peak(B(5), B(6), B(7), x))))    \
    MODEL(Hahn1, DIV(polynomial(b, 0, 3, false, x), polynomial(b, 4, 3, true, x)))                 \
    MODEL(Thurber, DIV(polynomial(b, 0, 3, false, x), polynomial(b, 4, 3, true, x)))               \
    MODEL(Kirby2, DIV(polynomial(b, 0, 2, false, x), polynomial(b, 3, 2, true, x)))                \
    MODEL(Lanczos, ADD(decay(B(0), B(1), x), ADD(decay(B(2), B(3), x), decay(B(4), B(5), x))))     \
    MODEL(MGH09, DIV(MUL(B(0), MUL(x, ADD(x, B(1)))), ADD(MUL(x, ADD(x, B(2))), B(3))))            \
    MODEL(MGH10, MUL(B(0), EXP(DIV(B(1), ADD(x, B(2))))))                                          \
    MODEL(MGH17, ADD(B(0), ADD(decay(B(1), B(3), x), decay(B(2), B(4), x))))                       \
    MODEL(Misra1a, SUB(B(0), decay(B(0), B(1), x)))                                                \
    MODEL(Misra1b,                                                                                 \
          SUB(B(0),                                                                                \
              MUL(B(0), tg_pow_scalar(tg_add_scalar(MUL(B(1), tg_mul_scalar(x, 0.5)), 1), -2))))   \
    MODEL(Misra1c,                                                                                 \
          SUB(B(0),                                                                                \
              MUL(B(0), tg_pow_scalar(tg_add_scalar(MUL(B(1), tg_mul_scalar(x, 2)), 1), -0.5))))   \
    MODEL(Misra1d, DIV(MUL(MUL(B(0), B(1)), x), tg_add_scalar(MUL(B(1), x), 1)))                   \
    MODEL(Nelson, SUB(B(0), MUL(tg_select(x, 1, 0), decay(B(1), B(2), tg_select(x, 1, 1)))))       \
    MODEL(Rat42, DIV(B(0), logistic(b, x)))                                                        \
    MODEL(Rat43, DIV(B(0), tg_pow(logistic(b, x), tg_reciprocal(B(3)))))                           \
    MODEL(Roszman1, SUB(SUB(B(0), MUL(B(1), x)),                                                   \
                        tg_div_scalar(tg_atan(DIV(B(2), SUB(x, B(3)))), 3.141592653589793)))

#define FUNCTION(name, expression)                                                                 \
    static tg_tensor *model_##name(tg_list in, void *user)                                         \
    {                                                                                              \
        tg_tensor *x = in.items[0], *b = in.items[1];                                              \
        (void)user;                                                                                \
        return expression;                                                                         \
    }
MODELS(FUNCTION)
#undef FUNCTION

static const struct {
    const char *name;
    tg_function f;
} models[] = {
#define ROW(name, expression) {#name, model_##name},
    MODELS(ROW)
#undef ROW
};

/* The model of a set, whose name is that of the model, or has a digit behind it. */
static tg_function find_model(const char *set)
{
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        const size_t n = strlen(models[i].name);
        if (strncmp(set, models[i].name, n) == 0 && strlen(set) <= n + 1) return models[i].f;
    }
    fail_msg("no model for %s", set);
    return NULL;
}

enum { ROWS_AT_MOST = 256, PARAMETERS_AT_MOST = 9 };

typedef struct regression {
    char name[32];
    int rows, predictors, n;
    double x[2 * ROWS_AT_MOST], y[ROWS_AT_MOST];
    double start[2][PARAMETERS_AT_MOST], certified[PARAMETERS_AT_MOST],
        deviation[PARAMETERS_AT_MOST], sums[2];
} regression;

static void read_row(FILE *file, double *values, int n)
{
    for (int i = 0; i < n; i++) assert_int_equal(fscanf(file, "%lf", &values[i]), 1);
}

static bool read_regression(FILE *file, regression *r)
{
    if (fscanf(file, " set %31s %d %d %d", r->name, &r->rows, &r->predictors, &r->n) != 4)
        return false;
    assert_true(r->rows <= ROWS_AT_MOST && r->predictors <= 2 && r->n <= PARAMETERS_AT_MOST);
    for (int i = 0; i < r->rows; i++) {
        read_row(file, &r->y[i], 1);
        read_row(file, &r->x[i * r->predictors], r->predictors);
    }
    read_row(file, r->start[0], r->n);
    read_row(file, r->start[1], r->n);
    read_row(file, r->certified, r->n);
    read_row(file, r->deviation, r->n);
    read_row(file, r->sums, 2);
    return true;
}

/* How many digits of the worst element are right; certified values have eleven. */
static double digits_of(const tg_tensor *t, const double *exact)
{
    double worst = 11;
    for (int64_t i = 0; i < t->numel; i++) {
        const double off = fabs(element_of(t, i) - exact[i]) / fabs(exact[i]);
        if (!(-log10(off) > worst)) worst = off > 0 ? -log10(off) : worst;
        if (isnan(off)) worst = 0;
    }
    return worst;
}

static tg_curve_fit_result fit_regression(tg_context *tg, const regression *r, int start,
                                          tg_dtype dtype, const tg_curve_fit_options *options)
{
    const tg_shape flat = TG_SHAPE(r->rows), table = TG_SHAPE(r->rows, r->predictors);
    tg_tensor *x = tg_from_f64(tg, r->predictors == 1 ? flat : table, r->x),
              *y = tg_from_f64(tg, flat, r->y),
              *p = tg_from_f64(tg, TG_SHAPE(r->n), r->start[start]);
    return tg_curve_fit(find_model(r->name), tg_cast(x, dtype), tg_cast(y, dtype),
                        tg_cast(p, dtype), NULL, options);
}

/* A fit is within 1e-8 standard errors, and those are up to 2.4 times the parameter (ENSO): seven
 * digits are right. The standard errors of Lanczos1 come from residuals of 9e-14, of which rounding
 * in f makes up to 1 %. */
static double digits_wanted(const regression *r, bool of_errors)
{
    return of_errors && strcmp(r->name, "Lanczos1") == 0 ? 2 : 7;
}

static void test_certified_regressions(void **state)
{
    tg_context *tg = *state;
    regression r;
    int fits = 0;
    FILE *file = fopen(TEST_ROOT "/tests/golden/nist_nonlinear.txt", "r");
    assert_non_null(file);
    while (read_regression(file, &r))
        for (int start = 0; start < 2; start++, fits++) {
            tg_scope_begin(tg);
            const tg_curve_fit_result fit = fit_regression(tg, &r, start, TG_F64, NULL);
            if (!fit.parameters) {
                fail_msg("%s: %s", r.name, tg_error(tg));
                return;
            }
            const double digits = digits_of(fit.parameters, r.certified),
                         of_errors = digits_of(fit.std_errors, r.deviation);
            if (getenv("TG_PRINT_DIGITS"))
                printf("%-9s start %d %5.1f %5.1f   %4d %4d  %.1e %s\n", r.name, start + 1, digits,
                       of_errors, (int)fit.nfev, (int)fit.njev, fit.distance, fit.message);
            else if (digits < digits_wanted(&r, false) || of_errors < digits_wanted(&r, true) ||
                     !fit.converged)
                fail_msg("%s from start %d: %.1f and %.1f digits: %s", r.name, start + 1, digits,
                         of_errors, fit.message);
            tg_scope_end(tg);
        }
    assert_int_equal(fits, 54);
    fclose(file);
}

/* In float32 the fit tells itself how far it can be believed: it is within a standard error of the
 * certified parameters where these can be fitted with 24 bits at all. */
static void test_float32_works_to_its_digits(void **state)
{
    static const char *const sets[] = {"Misra1a", "Chwirut2", "DanWood",
                                       "Gauss1",  "Rat42",    "Eckerle4"};
    tg_context *tg = *state;
    regression r;
    int fits = 0;
    FILE *file = fopen(TEST_ROOT "/tests/golden/nist_nonlinear.txt", "r");
    assert_non_null(file);
    while (read_regression(file, &r))
        for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
            if (strcmp(sets[i], r.name) != 0) continue;
            tg_scope_begin(tg);
            const tg_curve_fit_result fit = fit_regression(tg, &r, 1, TG_F32, NULL);
            assert_true(fit.converged && fit.parameters->dtype == TG_F32);
            for (int k = 0; k < r.n; k++) {
                const double off = fabs(element_of(fit.parameters, k) - r.certified[k]);
                assert_true(off < 0.1 * r.deviation[k]);
                assert_true(fabs(element_of(fit.std_errors, k) / r.deviation[k] - 1) < 0.01);
            }
            tg_scope_end(tg);
            fits++;
        }
    assert_int_equal(fits, 6);
    fclose(file);
}

/* ---- Closed forms. */

static tg_tensor *line(tg_list in, void *user)
{
    tg_tensor *x = in.items[0], *b = in.items[1];
    (void)user;
    return ADD(B(0), MUL(B(1), x));
}

static void check_within(const tg_tensor *t, double tolerance, int n, const double *want)
{
    assert_int_equal(t->numel, n);
    for (int i = 0; i < n; i++)
        if (!(fabs(element_of(t, i) - want[i]) <= tolerance * fabs(want[i])))
            fail_msg("element %d is %.17g, not %.17g", i, element_of(t, i), want[i]);
}
#define within(t, tolerance, ...)                                                                  \
    check_within(t, tolerance, sizeof((double[]){__VA_ARGS__}) / sizeof(double),                   \
                 (double[]){__VA_ARGS__})

/* The line through (x, y) with weights 1 / sigma^2: with w, sx, sy, sxx and sxy the sums of the
 * weights and the weighted sums, its slope is (w sxy - sx sy) / d and its intercept (sxx sy - sx
 * sxy) / d for d = w sxx - sx^2; the covariance is [[sxx, -sx], [-sx, w]] / d. */
static void test_a_line_with_and_without_weights(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = constant(tg, 1, 2, 3, 4, 5), *y = constant(tg, 2, 3, 5, 4, 6),
              *p0 = constant(tg, 1, 1), *sigma = constant(tg, 1, 1, 0.5, 0.5, 1);
    tg_curve_fit_result fit = tg_curve_fit(line, x, y, p0, NULL, NULL);
    assert_true(fit.converged && fit.distance < 1e-8);
    within(fit.parameters, 1e-12, 1.3, 0.9);
    assert_true(fabs(fit.sum_of_squares - 1.9) < 1e-12);
    const double v = 1.9 / 3;
    assert_true(fabs(fit.residual_std - sqrt(v)) < 1e-12);
    within(fit.covariance, 1e-12, v * 55 / 50, v * -15 / 50, v * -15 / 50, v * 5 / 50);
    within(fit.std_errors, 1e-12, sqrt(v * 55 / 50), sqrt(v * 5 / 50));

    /* w 11, sx 36, sy 47, sxx 130, sxy 162, d 134 */
    fit = tg_curve_fit(line, x, y, p0, NULL, TG_CURVE_FIT(.sigma = sigma, .absolute_sigma = true));
    assert_true(fit.converged);
    within(fit.parameters, 1e-12, (130.0 * 47 - 36.0 * 162) / 134, (11.0 * 162 - 36.0 * 47) / 134);
    within(fit.covariance, 1e-12, 130. / 134, -36. / 134, -36. / 134, 11. / 134);
    const double variance = fit.sum_of_squares / 3;
    fit = tg_curve_fit(line, x, y, p0, NULL, TG_CURVE_FIT(.sigma = sigma));
    within(fit.covariance, 1e-12, 130. / 134 * variance, -36. / 134 * variance,
           -36. / 134 * variance, 11. / 134 * variance);
}

static tg_tensor *exponential(tg_list in, void *user)
{
    tg_tensor *x = in.items[0], *b = in.items[1];
    (void)user;
    return MUL(B(0), EXP(MUL(B(1), x)));
}

/* As many data as parameters: the curve goes through them, and nothing is known of its errors. */
static void test_no_degrees_of_freedom(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = constant(tg, 0, 1), *y = constant(tg, 2, 6);
    const tg_curve_fit_result fit =
        tg_curve_fit(exponential, x, y, constant(tg, 1, 0.5), NULL, NULL);
    assert_true(fit.converged);
    within(fit.parameters, 1e-14, 2, log(3));
    check_values(fit.std_errors, INFINITY, INFINITY);
}

/* With the slope held at its bound b, the intercept is the mean of y - b x. */
static void test_bounds(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = constant(tg, 1, 2, 3, 4, 5), *y = constant(tg, 2, 3, 5, 4, 6);
    tg_tensor *high = constant(tg, INFINITY, 0.5), *low = constant(tg, 2, -INFINITY);
    tg_curve_fit_result fit =
        tg_curve_fit(line, x, y, constant(tg, 0, 0), NULL, TG_CURVE_FIT(.upper = high));
    assert_true(fit.converged);
    within(fit.parameters, 1e-12, 2.5, 0.5);
    fit = tg_curve_fit(line, x, y, constant(tg, 0, 0.5), NULL, TG_CURVE_FIT(.upper = high));
    assert_true(fit.converged);
    within(fit.parameters, 1e-12, 2.5, 0.5);
    /* The intercept at 2: the slope is sum x (y - 2) / sum x^2. */
    fit = tg_curve_fit(line, x, y, constant(tg, 2, 7), NULL, TG_CURVE_FIT(.lower = low));
    assert_true(fit.converged);
    within(fit.parameters, 1e-12, 2, 39. / 55);
    fit = tg_curve_fit(line, x, y, constant(tg, 2, 0.2), NULL,
                       TG_CURVE_FIT(.lower = constant(tg, -9, -9), .upper = constant(tg, 9, 9)));
    assert_true(fit.converged);
    within(fit.parameters, 1e-12, 1.3, 0.9);
}

/* ---- Where it is not at a minimum, it does not say so. */

static tg_tensor *sum_of_two(tg_list in, void *user)
{
    tg_tensor *x = in.items[0], *b = in.items[1];
    (void)user;
    return MUL(ADD(B(0), B(1)), x);
}

/* |p - 3| + 1, whose square has its minimum in a kink. */
static tg_tensor *kinked(tg_list in, void *user)
{
    tg_tensor *x = in.items[0], *b = in.items[1];
    (void)user;
    return MUL(tg_add_scalar(tg_abs(tg_sub_scalar(B(0), 3)), 1), x);
}

/* (p, p^2) for the data (0, 2): at p = 0 the sum of squares has a maximum, and J^T r is 0. */
static tg_tensor *parabola(tg_list in, void *user)
{
    tg_tensor *b = in.items[1];
    (void)user;
    return tg_stack(TG_LIST(B(0), tg_square(B(0))), 0);
}

static void test_what_is_no_minimum_is_not_called_one(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = constant(tg, 1, 2, 3), *y = constant(tg, 1, 2, 4);
    tg_curve_fit_result fit = tg_curve_fit(sum_of_two, x, y, constant(tg, 0, 0), NULL, NULL);
    assert_false(fit.converged);
    assert_int_equal(fit.reason, TG_FIT_UNDETERMINED);
    check_values(fit.std_errors, INFINITY, INFINITY);

    fit = tg_curve_fit(kinked, x, tg_zeros_like(x), constant(tg, 5), NULL, NULL);
    assert_false(fit.converged);
    assert_int_equal(fit.reason, TG_FIT_NO_PROGRESS);
    assert_true(fabs(tg_item(fit.parameters) - 3) < 1e-6);

    fit = tg_curve_fit(parabola, x, constant(tg, 0, 2), constant(tg, 0), NULL, NULL);
    assert_false(fit.converged);
    assert_int_equal(fit.reason, TG_FIT_SADDLE);
    fit = tg_curve_fit(parabola, x, constant(tg, 0, 2), constant(tg, 0.1), NULL, NULL);
    assert_true(fit.converged); /* p^2 = 2 - 1 / 2 */
    within(fit.parameters, 1e-8, sqrt(1.5));

    /* BoxBOD's plateau, where the exponential is 0 and its rate is not determined. */
    fit = tg_curve_fit(model_BoxBOD, x, y, constant(tg, 2, 1000), NULL, NULL);
    assert_false(fit.converged);
    assert_int_equal(fit.reason, TG_FIT_UNDETERMINED);

    fit = tg_curve_fit(exponential, x, y, constant(tg, 1, 3), NULL, TG_CURVE_FIT(.max_nfev = 3));
    assert_false(fit.converged);
    assert_int_equal(fit.reason, TG_FIT_MAX_NFEV);
    assert_int_equal(fit.nfev, 3);
    check_ok(tg);
}

/* ---- Trials outside of where f is defined. */

static tg_tensor *logarithm(tg_list in, void *user)
{
    tg_tensor *x = in.items[0], *b = in.items[1];
    (void)user;
    return tg_log(MUL(B(0), x));
}

static void test_a_trial_that_is_not_finite_is_too_far(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = constant(tg, 1, 2, 4), *y = tg_log(tg_mul_scalar(x, 3));
    tg_curve_fit_result fit = tg_curve_fit(logarithm, x, y, constant(tg, 1e4), NULL, NULL);
    assert_true(fit.converged);
    within(fit.parameters, 1e-14, 3);
    fit = tg_curve_fit(logarithm, x, y, constant(tg, -1), NULL, NULL);
    assert_null(fit.parameters);
    check_error(
        tg, TG_ERR_ARGUMENT,
        "curve_fit: the sum of squares is not finite at p0: begin elsewhere, or look for NaN "
        "in x and y");
    assert_int_equal(fit.reason, TG_FIT_FAILED);
    fit = tg_curve_fit(logarithm, x, constant(tg, 1, NAN, 2), constant(tg, 1), NULL, NULL);
    assert_null(fit.parameters);
    assert_int_equal(tg_error_code(tg), TG_ERR_ARGUMENT);
    tg_clear_error(tg);
}

/* ---- Progress. */

typedef struct diary {
    int calls, most;
    double sum;
    tg_context *tg;
} diary;

static bool write_diary(const tg_curve_fit_progress *progress, void *user)
{
    diary *d = user;
    assert_int_equal(progress->iteration, d->calls);
    assert_int_equal(progress->n, 2);
    assert_true(progress->nfev > d->calls);
    if (d->calls == 0) assert_true(progress->parameters[0] == 1 && progress->parameters[1] == 0);
    assert_true(progress->sum_of_squares <= d->sum);
    d->sum = progress->sum_of_squares;
    tg_ones(d->tg, TG_F64, TG_SHAPE(100)); /* goes back */
    return ++d->calls < d->most;
}

static void test_the_callback_sees_each_step_and_can_stop(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = constant(tg, 0, 1, 2, 3), *y = constant(tg, 1, 3, 8, 19),
              *p0 = constant(tg, 1, 0);
    diary d = {.most = 100, .sum = INFINITY, .tg = tg};
    tg_curve_fit_result fit =
        tg_curve_fit(exponential, x, y, p0, &d, TG_CURVE_FIT(.callback = write_diary));
    assert_true(fit.converged);
    assert_int_equal(d.calls, fit.iterations + 1);
    const double at_end = fit.sum_of_squares;
    d = (diary){.most = 3, .sum = INFINITY, .tg = tg};
    fit = tg_curve_fit(exponential, x, y, p0, &d, TG_CURVE_FIT(.callback = write_diary));
    assert_true(d.calls == 3 && fit.iterations == 2 && !fit.converged);
    assert_int_equal(fit.reason, TG_FIT_STOPPED);
    assert_true(fit.sum_of_squares > at_end);
}

/* ---- What is left behind. */

/* A fit of few steps that uses all options. */
static tg_curve_fit_result fit_exponential(tg_context *tg)
{
    tg_tensor *sigma = constant(tg, 1, 2, 1, 2), *lower = constant(tg, 0, 0);
    return tg_curve_fit(exponential, constant(tg, 0, 1, 2, 3), constant(tg, 1, 3, 8, 19),
                        constant(tg, 1, 1), NULL,
                        TG_CURVE_FIT(.sigma = sigma, .lower = lower, .tolerance = 0.1));
}

static void test_memory_goes_back_and_inputs_stay(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = leaf(tg, 0, 1, 2, 3), *y = leaf(tg, 1, 3, 8, 19), *p0 = leaf(tg, 1, 0);
    tg_no_grad_begin(tg);
    const tg_curve_fit_result fit = tg_curve_fit(exponential, x, y, p0, NULL, NULL);
    assert_true(fit.converged && !tg_is_grad_enabled(tg));
    tg_no_grad_end(tg);
    assert_true(!x->grad && !y->grad && !p0->grad && !fit.parameters->requires_grad);
    check_values(p0, 1, 0);
    int64_t held = 0;
    for (int calls = 0; calls < 20; calls++) {
        tg_scope_begin(tg);
        assert_true(fit_exponential(tg).converged);
        tg_scope_end(tg);
        if (calls == 1) held = (int64_t)tg_get_stats(tg).held_bytes;
        if (calls > 1) assert_int_equal(tg_get_stats(tg).held_bytes, held);
    }
}

/* With its allocation number `at` failing (0: none), and then again without. Returns how many
 * allocations there were. */
static long fit_failing(long at, double *values)
{
    guarded g = {0};
    tg_context *tg = open_on_guarded(&g);
    tg_scope_begin(tg);
    g.asked = 0;
    g.fail_at = at;
    tg_curve_fit_result fit = fit_exponential(tg);
    const long asked = g.asked;
    g.fail_at = 0;
    assert_int_equal(fit.parameters != NULL, tg_ok(tg));
    assert_true(tg_is_grad_enabled(tg));
    if (!fit.parameters) {
        assert_true(!fit.covariance && !fit.std_errors && !fit.converged);
        assert_int_equal(tg_error_code(tg), TG_ERR_MEMORY);
        tg_clear_error(tg);
        fit = fit_exponential(tg);
    }
    assert_true(fit.converged);
    const double got[] = {element_of(fit.parameters, 0), element_of(fit.parameters, 1),
                          element_of(fit.std_errors, 0), element_of(fit.covariance, 1)};
    if (at == 0) memcpy(values, got, sizeof got);
    assert_memory_equal(values, got, sizeof got);
    tg_scope_end(tg);
    tg_close(tg);
    assert_true(g.blocks == 0 && !g.damaged);
    return asked;
}

static void test_each_allocation_failing(void **state)
{
    double values[4];
    (void)state;
    const long asked = fit_failing(0, values);
    assert_true(asked > 0);
    for (long at = 1; at <= asked; at++) fit_failing(at, values);
}

/* ---- What is refused. */

static tg_tensor *of_another_shape(tg_list in, void *user)
{
    (void)user;
    return tg_sum(in.items[1]);
}

static tg_tensor *nothing(tg_list in, void *user)
{
    (void)in, (void)user;
    return NULL;
}

#define refused(code, text, ...)                                                                   \
    do {                                                                                           \
        const tg_curve_fit_result fit = tg_curve_fit(__VA_ARGS__);                                 \
        assert_true(!fit.parameters && !fit.covariance && !fit.std_errors && !fit.converged);      \
        check_error(tg, code, text);                                                               \
    } while (0)

static void test_refused(void **state)
{
    tg_context *tg = *state;
    tg_tensor *x = constant(tg, 1, 2, 3), *p = constant(tg, 1, 1), *four = constant(tg, 1, 1, 1, 1),
              *i = tg_ones(tg, TG_I64, TG_SHAPE(3)), *zero = constant(tg, 1, 0, 1);
    refused(TG_ERR_ARGUMENT, "curve_fit: the function is NULL", NULL, x, x, p, NULL, NULL);
    refused(TG_ERR_ARGUMENT, "curve_fit: y is NULL", line, x, NULL, p, NULL, NULL);
    refused(TG_ERR_DTYPE, "curve_fit: not for int64; use tg_cast", line, x, i, p, NULL, NULL);
    refused(TG_ERR_SHAPE, "curve_fit: p0 is [], but must be a list of parameters, [n]", line, x, x,
            tg_scalar(tg, TG_F64, 1), NULL, NULL);
    refused(TG_ERR_SHAPE, "curve_fit: y [3] has fewer elements than p0 [4]", line, x, x, four, NULL,
            NULL);
    refused(TG_ERR_ARGUMENT, "curve_fit: the function returned NULL", nothing, x, x, p, NULL, NULL);
    refused(TG_ERR_SHAPE, "curve_fit: the function returned float64 [], but y is float64 [3]",
            of_another_shape, x, x, p, NULL, NULL);
    refused(TG_ERR_SHAPE, "curve_fit: sigma is float64 [2], but y is float64 [3]", line, x, x, p,
            NULL, TG_CURVE_FIT(.sigma = p));
    refused(TG_ERR_ARGUMENT, "curve_fit: sigma has 0 at element 1, but must be positive", line, x,
            x, p, NULL, TG_CURVE_FIT(.sigma = zero));
    refused(TG_ERR_SHAPE, "curve_fit: lower is float64 [3], but p0 is float64 [2]", line, x, x, p,
            NULL, TG_CURVE_FIT(.lower = x));
    refused(TG_ERR_ARGUMENT, "curve_fit: p0 has 1 at element 0, where the bounds are 2 and inf",
            line, x, x, p, NULL, TG_CURVE_FIT(.lower = constant(tg, 2, 0)));
    refused(TG_ERR_ARGUMENT, "curve_fit: tolerance is 0, but must be between 0 and 1", line, x, x,
            p, NULL, &(tg_curve_fit_options){.max_nfev = 10});
    refused(TG_ERR_ARGUMENT,
            "curve_fit: max_nfev is 0, but must be at least 1; begin with TG_CURVE_FIT or "
            "tg_curve_fit_defaults",
            line, x, x, p, NULL, TG_CURVE_FIT(.max_nfev = 0));
}

#define test(name) cmocka_unit_test_setup_teardown(test_##name, open_context, close_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(certified_regressions),
        test(float32_works_to_its_digits),
        test(a_line_with_and_without_weights),
        test(no_degrees_of_freedom),
        test(bounds),
        test(what_is_no_minimum_is_not_called_one),
        test(a_trial_that_is_not_finite_is_too_far),
        test(the_callback_sees_each_step_and_can_stop),
        test(memory_goes_back_and_inputs_stay),
        cmocka_unit_test(test_each_allocation_failing),
        test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
