/* Usage: ours CERTIFIED.TXT NIST_NONLINEAR.TXT. Fits NIST's sets by tg_lstsq and by tg_curve_fit
 * with its default options. nist.py compiles it with the models. */
#include "sets.h"

#include <string.h>
#include <tinygrad.h>

#define K(value) tg_scalar(x->context, TG_F64, value)
#define B(k)     tg_select(b, 0, k)
#define X(k)     (x->ndim == 2 ? tg_select(x, 1, k) : x)
#define MODEL(name, expression)                                                                    \
    static tg_tensor *model_##name(tg_list in, void *user)                                         \
    {                                                                                              \
        tg_tensor *x = in.items[0], *b = in.items[1];                                              \
        (void)user;                                                                                \
        return expression;                                                                         \
    }
#include "ours_models.inc"
#undef MODEL

static const struct {
    const char *name;
    tg_function f;
} models[] = {
#define MODEL(name, expression) {#name, model_##name},
#include "ours_models.inc"
#undef MODEL
};

static tg_function find_model(const char *name)
{
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (strcmp(models[i].name, name) == 0) return models[i].f;
    exit(1);
}

static tg_tensor *predictors(tg_context *tg, const set *s, bool linear)
{
    if (s->columns == 1 && !linear) return tg_from_f64(tg, TG_SHAPE(s->rows), s->x);
    return tg_from_f64(tg, TG_SHAPE(s->rows, s->columns), s->x);
}

static void fit_linear(tg_context *tg, const set *s)
{
    const tg_tensor *p =
        tg_lstsq(predictors(tg, s, true), tg_from_f64(tg, TG_SHAPE(s->rows), s->y));
    if (p) print_fit(s, 0, "lstsq", true, p->data, NULL);
    tg_clear_error(tg);
}

static void fit_curve(tg_context *tg, const set *s, int start)
{
    const tg_curve_fit_result fit = tg_curve_fit(
        find_model(s->name), predictors(tg, s, false), tg_from_f64(tg, TG_SHAPE(s->rows), s->y),
        tg_from_f64(tg, TG_SHAPE(s->n), s->start[start]), NULL, NULL);
    if (fit.parameters)
        print_fit(s, start, "curve_fit", fit.converged, fit.parameters->data, fit.std_errors->data);
    tg_clear_error(tg);
}

int main(int argc, char **argv)
{
    tg_context *tg = tg_open(NULL);
    set s;
    for (int k = 1; k < argc; k++) {
        FILE *file = fopen(argv[k], "r");
        while (file && read_set(file, k == 1, &s))
            TG_SCOPE (tg) {
                if (k == 1) fit_linear(tg, &s);
                for (int start = 0; k == 2 && start < 2; start++) fit_curve(tg, &s, start);
            }
        if (!file) return 1;
        fclose(file);
    }
    tg_close(tg);
    return 0;
}
