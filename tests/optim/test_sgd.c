/* SGD, compared with PyTorch's trajectories, which sgd_golden.txt lists in the form that
 * golden/sgd.py describes. */
#include "each_level.h"

#include "ops/op.h"

enum { STEPS = 20, FIRST = 19, SECOND = 6, ALL = FIRST + SECOND, LINE = 1024 };

/* The data that all runs of a dtype share. */
typedef struct course {
    double start[ALL];
    double gradient[STEPS][ALL];
    int with_gradient[STEPS]; /* how many of the parameters have a gradient */
} course;

static tg_dtype dtype_of(const char *name)
{
    return strcmp(name, "f32") == 0 ? TG_F32 : TG_F64;
}

static void read_values(const char *text, double *values)
{
    for (int i = 0; i < ALL; i++) {
        char *end;
        values[i] = strtod(text, &end);
        assert_true(end > text);
        text = end;
    }
}

/* A tensor with the values of one parameter. The second one lies in memory as a transpose. */
static tg_tensor *tensor_of(tg_context *tg, tg_dtype dtype, int which, const double *values)
{
    if (which == 0) return tg_cast(tg_from_f64(tg, TG_SHAPE(FIRST), values), dtype);
    tg_tensor *t = tg_cast(tg_from_f64(tg, TG_SHAPE(3, 2), values + FIRST), dtype);
    return tg_t(tg_contiguous(tg_t(t)));
}

/* One run of an optimiser. */
typedef struct run {
    tg_context *tg;
    const course *c;
    tg_dtype dtype;
    tg_tensor *p[2];
    tg_optim *sgd;
    int done; /* how many steps it has made */
} run;

static void begin_run(run *r, tg_context *tg, const course *courses, const char *line)
{
    char dtype[8];
    int nesterov, maximize;
    tg_sgd_options o = tg_sgd_defaults();
    assert_int_equal(sscanf(line, "run %7s %lf %lf %lf %lf %d %d", dtype, &o.lr, &o.momentum,
                            &o.dampening, &o.weight_decay, &nesterov, &maximize),
                     7);
    o.nesterov = nesterov != 0;
    o.maximize = maximize != 0;
    *r = (run){.tg = tg, .dtype = dtype_of(dtype)};
    r->c = &courses[r->dtype];
    for (int i = 0; i < 2; i++)
        r->p[i] = tg_requires_grad_(tensor_of(tg, r->dtype, i, r->c->start), true);
    assert_false(tg_is_contiguous(r->p[1]));
    r->sgd = tg_sgd_list(TG_LIST(r->p[0], r->p[1]), &o);
    assert_non_null(r->sgd);
}

static void take_step(run *r)
{
    tg_scope_begin(r->tg);
    assert_true(tg_zero_grad(r->sgd));
    for (int i = 0; i < r->c->with_gradient[r->done]; i++) {
        tg_tensor *g = tensor_of(r->tg, r->dtype, i, r->c->gradient[r->done]);
        assert_true(tg_backward(tg_sum(tg_mul(r->p[i], g))));
    }
    assert_true(tg_step(r->sgd));
    r->done++;
    tg_scope_end(r->tg);
}

/* Compares the bits, as the kernel rounds where PyTorch's does. */
static void compare(const run *r, int line, const char *text)
{
    double want[ALL];
    read_values(text, want);
    for (int i = 0; i < ALL; i++) {
        int64_t at = i - FIRST;
        double got =
            i < FIRST ? tg_get(r->p[0], TG_INDEX(i)) : tg_get(r->p[1], TG_INDEX(at / 2, at % 2));
        if (r->dtype == TG_F32) want[i] = (double)(float)want[i];
        if (got != want[i])
            fail_msg("sgd_golden.txt:%d: step %d, element %d: %.17g, not %.17g (%s)", line, r->done,
                     i, got, want[i], tg_simd_level(r->tg));
    }
}

static void read_course(course *courses, const char *line)
{
    char dtype[8];
    int step, which, end;
    if (sscanf(line, "start %7s %n", dtype, &end) == 1) {
        read_values(line + end, courses[dtype_of(dtype)].start);
    } else if (sscanf(line, "gradient %7s %d %d %n", dtype, &step, &which, &end) == 3) {
        course *c = &courses[dtype_of(dtype)];
        assert_in_range(step, 1, STEPS);
        c->with_gradient[step - 1] = which;
        read_values(line + end, c->gradient[step - 1]);
    } else {
        fail_msg("sgd_golden.txt: what is %s", line);
    }
}

static void golden(int level)
{
    static const char name[] = TEST_ROOT "/tests/golden/sgd_golden.txt";
    FILE *file = fopen(name, "r");
    course *courses = calloc(2, sizeof *courses);
    tg_context *tg = tg_open(NULL);
    assert_true(file && courses && tg);
    tg->level = level;
    run r = {0};
    char line[LINE];
    int number = 1, step, end, compared = 0;
    for (; fgets(line, sizeof line, file); number++) {
        if (strncmp(line, "run", 3) == 0) {
            begin_run(&r, tg, courses, line);
        } else if (sscanf(line, "after %d %n", &step, &end) == 1) {
            while (r.done < step) take_step(&r);
            compare(&r, number, line + end);
            compared++;
        } else {
            read_course(courses, line);
        }
    }
    assert_int_equal(compared, 2 * 20 * 5);
    tg_close(tg);
    free(courses);
    fclose(file);
}

static void golden_at_each_level(void **state)
{
    (void)state;
    each_level(golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_at_each_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
