/* Usage: gsl CERTIFIED.TXT NIST_NONLINEAR.TXT. Fits NIST's sets by gsl_multifit_linear, and by
 * gsl_multifit_nlinear with default parameters, a Jacobian of forward differences, and the
 * tolerances 1e-8 of the examples in GSL's manual. nist.py compiles it with the models. */
#include "sets.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_multifit.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <math.h>
#include <string.h>

enum { ITERATIONS = 1000 };

#define B(k) b[k]
#define X(k) x[k]
#define MODEL(name, expression)                                                                    \
    static double model_##name(const double *x, const double *b)                                   \
    {                                                                                              \
        return expression;                                                                         \
    }
#include "gsl_models.inc"
#undef MODEL

typedef double (*model)(const double *x, const double *b);

static const struct {
    const char *name;
    model f;
} models[] = {
#define MODEL(name, expression) {#name, model_##name},
#include "gsl_models.inc"
#undef MODEL
};

static model find_model(const char *name)
{
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (strcmp(models[i].name, name) == 0) return models[i].f;
    exit(1);
}

static void print_with_covariance(const set *s, int start, const char *by, bool converged,
                                  const double *parameters, const gsl_matrix *covariance,
                                  double variance)
{
    double errors[16];
    for (int i = 0; i < s->n; i++)
        errors[i] = sqrt(variance * gsl_matrix_get(covariance, (size_t)i, (size_t)i));
    print_fit(s, start, by, converged, parameters, errors);
}

static void fit_linear(set *s)
{
    const size_t m = (size_t)s->rows, n = (size_t)s->n;
    gsl_multifit_linear_workspace *work = gsl_multifit_linear_alloc(m, n);
    gsl_vector *p = gsl_vector_alloc(n);
    gsl_matrix *covariance = gsl_matrix_alloc(n, n);
    const gsl_matrix_view x = gsl_matrix_view_array(s->x, m, n);
    const gsl_vector_view y = gsl_vector_view_array(s->y, m);
    double sum;
    const int status = gsl_multifit_linear(&x.matrix, &y.vector, p, covariance, &sum, work);
    print_with_covariance(s, 0, "gsl", status == GSL_SUCCESS, p->data, covariance, 1);
    gsl_multifit_linear_free(work);
    gsl_vector_free(p);
    gsl_matrix_free(covariance);
}

static int residuals(const gsl_vector *p, void *data, gsl_vector *r)
{
    const set *s = data;
    const model f = find_model(s->name);
    for (int i = 0; i < s->rows; i++)
        gsl_vector_set(r, (size_t)i, f(s->x + i * s->columns, p->data) - s->y[i]);
    return GSL_SUCCESS;
}

static void fit_curve(set *s, int start, const char *by, const gsl_multifit_nlinear_trs *method)
{
    const size_t m = (size_t)s->rows, n = (size_t)s->n;
    gsl_multifit_nlinear_parameters parameters = gsl_multifit_nlinear_default_parameters();
    parameters.trs = method;
    gsl_multifit_nlinear_workspace *work =
        gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &parameters, m, n);
    gsl_multifit_nlinear_fdf fdf = {.f = residuals, .n = m, .p = n, .params = s};
    const gsl_vector_view p = gsl_vector_view_array(s->start[start], n);
    gsl_matrix *covariance = gsl_matrix_alloc(n, n);
    int info;
    gsl_multifit_nlinear_init(&p.vector, &fdf, work);
    const int status =
        gsl_multifit_nlinear_driver(ITERATIONS, 1e-8, 1e-8, 0, NULL, NULL, &info, work);
    gsl_multifit_nlinear_covar(gsl_multifit_nlinear_jac(work), 0, covariance);
    const gsl_vector *r = gsl_multifit_nlinear_residual(work);
    double sum = 0;
    for (size_t i = 0; i < m; i++) sum += r->data[i] * r->data[i];
    print_with_covariance(s, start, by, status == GSL_SUCCESS,
                          gsl_multifit_nlinear_position(work)->data, covariance,
                          sum / (double)(m - n));
    gsl_matrix_free(covariance);
    gsl_multifit_nlinear_free(work);
}

int main(int argc, char **argv)
{
    set s;
    gsl_set_error_handler_off();
    for (int k = 1; k < argc; k++) {
        FILE *file = fopen(argv[k], "r");
        if (!file) return 1;
        while (read_set(file, k == 1, &s)) {
            if (k == 1) fit_linear(&s);
            for (int start = 0; k == 2 && start < 2; start++) {
                fit_curve(&s, start, "gsl_lm", gsl_multifit_nlinear_trs_lm);
                fit_curve(&s, start, "gsl_dogleg", gsl_multifit_nlinear_trs_dogleg);
            }
        }
        fclose(file);
    }
    return 0;
}
